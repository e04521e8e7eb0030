"""BNN: one-bit weights (Hubara, Courbariaux, Soudry, El-Yaniv and Bengio, NIPS 2016)."""

from __future__ import annotations

import torch
from torch import Tensor

from hbnn_hw.nn.latent import LatentLayer, LatentLinear, RealPlanes
from hbnn_hw.nn.straight_through import straight_through


def binarize(x: Tensor, *, zero: int = 1) -> Tensor:
    """Return the sign of ``x`` as ±1 with the saturated straight-through gradient.

    Parameters
    ----------
    x
        Float tensor of any shape; the result has its shape and dtype.
    zero
        The sign of 0: +1 (BNN eq. 1) or -1 (the HBNN authors' code).

    Raises
    ------
    ValueError
        If ``zero`` is neither +1 nor -1.
    """
    return straight_through(x, hard_sign(x.detach(), zero=zero))


def hard_sign(x: Tensor, *, zero: int) -> Tensor:
    """Return ±1 in the dtype of ``x``, with ``zero`` (+1 or -1) as the sign of 0; no gradient."""
    # Three passes of float arithmetic: comparisons and their conversion cost several times as much.
    return x.sign().add_(0.5 * check_zero(zero)).sign_()


def hard_sigmoid(x: Tensor) -> Tensor:
    """Return ``clip((x + 1) / 2, 0, 1)``, the probability of +1. Source: BNN eq. 3."""
    return ((x + 1) / 2).clamp(0.0, 1.0)


def binarize_stochastic(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return +1 with probability :func:`hard_sigmoid` of ``x``, else -1; saturated straight-through gradient.

    Parameters
    ----------
    x
        Float tensor of any shape; the result has its shape and dtype.
    generator
        Source of the random numbers, on the device of ``x``.

    Notes
    -----
    Source: BNN eq. 2; section 1.3 gives the gradient, which is that of the expected value.
    """
    # A draw lies in [0, 1): probability 0 is never, 1 is always above it.
    draw = torch.rand(x.shape, generator=generator, device=x.device, dtype=torch.float32)
    return straight_through(x, hard_sign(hard_sigmoid(x.detach().float()) - draw, zero=-1).to(x.dtype))


def check_zero(zero: int) -> int:
    """Return ``zero`` if it is a legal sign of 0, +1 or -1; raise ValueError otherwise."""
    if zero not in (1, -1):
        raise ValueError(f"the sign of 0 must be +1 or -1, not {zero!r}")
    return zero


class BinaryWeights(LatentLayer):
    """Weights sign(W) ∈ {-1, +1} with sign(0) = +1 (BNN eq. 1) and scale exactly 1."""

    @torch.no_grad()
    def planes(self) -> RealPlanes:
        """Return the one full plane sign(W) with mu = (1,)."""
        signs = hard_sign(self.weight, zero=1).unsqueeze(0)
        return RealPlanes(signs, torch.ones(1, device=signs.device))

    def quantized_weight(self) -> Tensor:
        """Return sign(W), float32 of W's shape, with the straight-through gradient to W."""
        return binarize(self.weight)


class BinaryLinear(BinaryWeights, LatentLinear):
    """Linear layer with weights sign(W) ∈ {-1, +1}, sign(0) = +1 (BNN eq. 1), scale exactly 1.

    See :class:`~hbnn_hw.nn.latent.LatentLinear` for parameters and shapes.
    """
