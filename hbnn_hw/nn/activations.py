"""Activations that hardware computes exactly: bipolar sign, and the input as bipolar bit-planes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hbnn_hw.errors import RangeError
from hbnn_hw.nn.binary import binarize, binarize_stochastic, check_zero
from hbnn_hw.nn.latent import Plain
from hbnn_hw.nn.whole_layer import is_exporting, whole_layer

LARGEST_INPUT_BITS = 16
"""Widest input code; float32 holds the integers exactly."""


class SignActivation(nn.Module):
    """``y = sign(x)`` ∈ {-1, +1} with the saturated straight-through gradient ``1_{|x| <= 1}``.

    Any float tensor; shape and dtype are kept. Source: BNN eq. 1 and section 1.3.

    Parameters
    ----------
    zero
        The sign of 0: +1 (BNN) or -1 (the HBNN authors' code).
    """

    def __init__(self, zero: int = 1) -> None:
        super().__init__()
        self.zero = check_zero(zero)

    @whole_layer
    def forward(self, x: Tensor) -> Tensor:
        """Return ±1 for every element of ``x``."""
        return binarize(x, zero=self.zero)

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return {"zero": self.zero}

    def extra_repr(self) -> str:
        """Show the sign of 0 in the module's text form."""
        return f"zero={self.zero:+d}"


class StochasticSign(SignActivation):
    """In training +1 with probability ``clip((x + 1) / 2, 0, 1)``, else -1; in evaluation ``sign(x)``.

    The gradient is the saturated straight-through one. Source: BNN eq. 2 and 3; the authors' Torch models
    train so. Deployed it is a :class:`SignActivation`.

    Parameters
    ----------
    zero
        The sign of 0 in evaluation.
    seed
        Seeds the layer's own random numbers; give every layer its own seed.

    Attributes
    ----------
    generator
        The source of randomness, on the device of the last training batch. It is no part of the state
        dictionary; a copy of the module goes on from the same place.
    """

    def __init__(self, zero: int = 1, seed: int = 0) -> None:
        super().__init__(zero)
        self.seed = seed
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, x: Tensor) -> Tensor:
        """Return ±1 for every element of ``x``, drawn in training."""
        if not self.training:
            return super().forward(x)
        if self.generator.device.type != x.device.type:
            self.generator = torch.Generator(x.device).manual_seed(self.seed)
        return binarize_stochastic(x, self.generator)

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return super().config() | {"seed": self.seed}

    def extra_repr(self) -> str:
        """Show sign of 0 and seed in the module's text form."""
        return f"{super().extra_repr()}, seed={self.seed}"

    def __deepcopy__(self, memo: dict[int, object]) -> StochasticSign:
        copy = StochasticSign(self.zero, self.seed).train(self.training)
        copy.generator = torch.Generator(self.generator.device).set_state(self.generator.get_state())
        memo[id(self)] = copy
        return copy


class BitPlaneInput(nn.Module):
    """Integer codes x to ``(2x - (2^bits - 1)) / 2^bits``, which is a sum of bipolar bit-planes.

    With x = sum_k 2^k x_k and s_k = 2 x_k - 1: ``2x - (2^bits - 1) = sum_k 2^k s_k``, so the first layer is
    XNOR and popcount like any other. Source: BNN eq. 8, in its bipolar form.

    Parameters
    ----------
    bits
        Width of the codes, 1 .. 16.
    scaled
        Whether the output is divided by ``2^bits``; False gives the integers, as a deployed model has it.
    """

    def __init__(self, bits: int, *, scaled: bool = True) -> None:
        super().__init__()
        if not 1 <= bits <= LARGEST_INPUT_BITS:
            raise ValueError(f"input bits must lie in 1..{LARGEST_INPUT_BITS}, not {bits!r}")
        self.bits = bits
        self.scaled = scaled

    @property
    def bound(self) -> int:
        """Largest magnitude of the integer output, ``2^bits - 1``; all of them are odd."""
        return (1 << self.bits) - 1

    @property
    def scale(self) -> float:
        """What the integers are multiplied by: ``2^-bits``, or 1 where ``scaled`` is False."""
        return 2.0**-self.bits if self.scaled else 1.0

    @whole_layer
    def forward(self, x: Tensor) -> Tensor:
        """Map codes 0 .. 2^bits - 1, of an integer dtype or as whole floats, to float32 of the same shape.

        Raises
        ------
        RangeError
            If a code is not a whole number in the range.
        """
        codes = x.to(torch.float32)
        # A traced or described input has no values to look at.
        if not (is_exporting() or codes.is_meta):
            self._check(codes.detach())
        return (2 * codes - self.bound) * self.scale

    def _check(self, codes: Tensor) -> None:
        if codes.numel() == 0:
            return
        low, high = torch.aminmax(codes)
        if not (low >= 0 and high <= self.bound and bool((codes == codes.floor()).all())):
            raise RangeError(
                f"input codes must be whole numbers 0..{self.bound} ({self.bits} bits), "
                f"not values in {low.item():g}..{high.item():g}"
            )

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return {"bits": self.bits, "scaled": self.scaled}

    def extra_repr(self) -> str:
        """Show the width in the module's text form."""
        return f"bits={self.bits}, scaled={self.scaled}"
