"""The saturated straight-through estimator that all deterministic quantizers here share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, source: Tensor, value: Tensor) -> Tensor:  # noqa: ANN401 - torch gives no type
        ctx.save_for_backward(source)
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (source,) = ctx.saved_tensors
        # hardtanh's own gradient, which is one pass, cancels on its bounds; the window here is closed.
        bound = 1.0 + torch.finfo(source.dtype).eps
        return torch.ops.aten.hardtanh_backward(gradients[0], source, -bound, bound), None


def straight_through(source: Tensor, value: Tensor) -> Tensor:
    """Return ``value``; pass the gradient to ``source`` where ``|source| <= 1`` and cancel it elsewhere.

    Parameters
    ----------
    source
        Float tensor of any shape: the latent real values.
    value
        Tensor of the same shape and dtype: their quantized form.

    Notes
    -----
    Source: BNN section 1.3, ``g_r = g_q · 1_{|r| <= 1}``; HBNN eq. 2.
    """
    result: Tensor = _StraightThrough.apply(source, value)  # type: ignore[no-untyped-call]
    return result
