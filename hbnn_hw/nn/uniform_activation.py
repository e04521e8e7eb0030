"""Activations of k bits in equal steps: PACT (Choi et al. 2018) and DoReFa (Zhou et al. 2016)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from hbnn_hw.nn.latent import Plain
from hbnn_hw.nn.whole_layer import whole_layer

LARGEST_UNIFORM_BITS = 8
DEFAULT_ALPHA = 10.0
"""Clipping level at the start. PACT asks for a large one, which regularization lets shrink."""
SMALLEST_ALPHA = 2.0**-10
"""A clipping level below it counts as this much, so that a step of the optimizer cannot turn the sign."""


class _Uniform(torch.autograd.Function):
    """See :class:`UniformActivation`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: Tensor, low: int, high: int) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(x, alpha)
        ctx.low, ctx.high = low, high
        step = _step(alpha, high)
        return torch.div(x, step).round_().clamp_(low, high).mul_(step)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:  # noqa: ANN401
        (x, alpha), gradient = ctx.saved_tensors, gradients[0]
        below, above = x < _step(alpha, ctx.high) * ctx.low, x >= _positive(alpha)
        to_alpha = (gradient * above).sum() + (gradient * below).sum() * (ctx.low / ctx.high)
        return gradient.masked_fill(below | above, 0.0), to_alpha, None, None


def _positive(alpha: Tensor) -> Tensor:
    return alpha.clamp(min=SMALLEST_ALPHA)


def _step(alpha: Tensor, high: int) -> Tensor:
    return _positive(alpha) / high


class UniformActivation(nn.Module):
    """``y = step · clamp(round(x / step), low, high)``: k-bit codes in equal steps; half rounds to even.

    Unsigned codes are 0 .. 2^k - 1, signed ones -2^(k-1) .. 2^(k-1) - 1. What is learned is the clipping
    level ``alpha = step · high``, for all values of the layer together.

    Parameters
    ----------
    bits
        k, 1 .. 8; signed codes have at least 2.
    signed
        Whether there are negative codes.
    narrow
        Whether signed codes begin at ``1 - 2^(k-1)``, as many as there are positive ones.
    step
        Initial distance of two values, finite and positive; None for ``alpha = 10``.
    learn_step
        Whether alpha is a parameter; else it is a buffer.

    Attributes
    ----------
    alpha
        float32 (), the largest value.

    Raises
    ------
    ValueError
        If the codes or the step are none of these.

    Notes
    -----
    Source: PACT eq. 1 (clipping), 2 (codes) and 3 (gradient of alpha); DoReFa's activations, its quantize_k
    of inputs clipped to 0 .. 1, are those with ``alpha = 1``. Rounding is straight-through. For the gradient
    the layer is ``clip(x, alpha · low / high, alpha)``: it passes to x where ``low · step <= x < alpha``;
    alpha gets 1 where ``x >= alpha``, and ``low / high`` where x lies below the range, which is PACT's 0
    for unsigned codes. PACT also regularizes alpha by its square, which is what weight decay does.
    """

    alpha: Tensor

    def __init__(
        self,
        bits: int,
        *,
        signed: bool = False,
        narrow: bool = False,
        step: float | None = None,
        learn_step: bool = True,
    ) -> None:
        super().__init__()
        if not 1 + signed <= bits <= LARGEST_UNIFORM_BITS:
            kind = "signed" if signed else "unsigned"
            raise ValueError(
                f"{kind} codes must have {1 + signed}..{LARGEST_UNIFORM_BITS} bits, not {bits!r}; one bit "
                "with a sign is SignActivation"
            )
        if narrow and not signed:
            raise ValueError("only signed codes can be narrow; unsigned ones begin at 0")
        if step is not None and not 0.0 < step < math.inf:
            raise ValueError(f"the step must be finite and positive, not {step!r}")
        self.bits = bits
        self.signed = signed
        self.narrow = narrow
        self.learn_step = learn_step
        alpha = torch.full((), DEFAULT_ALPHA if step is None else step * self.high)
        if learn_step:
            self.alpha = nn.Parameter(alpha)
        else:
            self.register_buffer("alpha", alpha)

    @classmethod
    def dorefa(cls, bits: int) -> UniformActivation:
        """Return DoReFa's activation: codes of 0 .. 1, nothing to learn."""
        layer = cls(bits, learn_step=False)
        layer.alpha.fill_(1.0)
        return layer

    @property
    def low(self) -> int:
        """Smallest code."""
        return -self.high - (not self.narrow) if self.signed else 0

    @property
    def high(self) -> int:
        """Largest code, from 1."""
        return (1 << (self.bits - self.signed)) - 1

    @property
    def step_size(self) -> float:
        """What a code is multiplied by, positive: the float32 that the forward pass divides by."""
        return float(_step(self.alpha.detach(), self.high))

    @whole_layer
    def forward(self, x: Tensor) -> Tensor:
        """Quantize ``x``, float of any shape; shape and dtype are kept."""
        values = x.to(torch.promote_types(x.dtype, self.alpha.dtype))
        y: Tensor = _Uniform.apply(values, self.alpha, self.low, self.high)  # type: ignore[no-untyped-call]
        return y.to(x.dtype)

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values; the step is part of the state."""
        return {
            "bits": self.bits,
            "signed": self.signed,
            "narrow": self.narrow,
            "learn_step": self.learn_step,
        }

    def check_buffers(self) -> None:
        """Raise ValueError if alpha, and with it the step, is not finite and positive."""
        alpha = float(self.alpha.detach())
        if not 0.0 < alpha < math.inf:
            raise ValueError(f"alpha must be finite and positive, not {alpha!r}")

    def extra_repr(self) -> str:
        """Show the configuration in the module's text form."""
        return ", ".join(f"{key}={value}" for key, value in self.config().items())
