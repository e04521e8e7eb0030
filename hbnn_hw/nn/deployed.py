"""The layers of a deployed network: constants only, integers between them, exact on every machine."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

EXACT_FLOAT32 = 1 << 24
"""Integers below this, and all sums that stay below it, are exact in float32."""


class DeployedLinear(nn.Module):
    """``y = W x`` over integers, with ``W = sum_p c_p · mask_p · (2 bits_p - 1)``.

    Parameters
    ----------
    bits
        uint8 (planes, out, in) in {0, 1}: 1 is +1, 0 is -1; 0 where the mask is 0.
    mask
        uint8 (planes, out, in) in {0, 1}: whether the entry has the plane.
    coefficients
        c_p >= 1, one per plane.

    Attributes
    ----------
    bits, mask
        Buffers, as given.
    weight
        Buffer derived from them, float32 (out, in) holding integers.

    Notes
    -----
    Exact if every ``sum_j |W[r, j]| · max|x|`` is below 2^24; :func:`hbnn_hw.nn.deploy` has checked that.
    """

    bits: Tensor
    mask: Tensor
    weight: Tensor

    def __init__(self, bits: Tensor, mask: Tensor, coefficients: tuple[int, ...]) -> None:
        super().__init__()
        self.coefficients = coefficients
        self.register_buffer("bits", bits)
        self.register_buffer("mask", mask)
        self.register_buffer("weight", self._values().to(torch.float32), persistent=False)

    @property
    def in_features(self) -> int:
        """Length of the reduction."""
        return self.bits.shape[2]

    @property
    def out_features(self) -> int:
        """Number of accumulators."""
        return self.bits.shape[1]

    def _values(self) -> Tensor:
        signs = self.mask.to(torch.int64) * (2 * self.bits.to(torch.int64) - 1)
        return (torch.tensor(self.coefficients).view(-1, 1, 1) * signs).sum(0)

    def largest_accumulator(self, input_bound: int) -> int:
        """Return the largest ``|y|`` that inputs of magnitude up to ``input_bound`` can give."""
        return int(self._values().abs().sum(dim=1).max()) * input_bound

    def forward(self, x: Tensor) -> Tensor:
        """Map integers (batch, in) of any float dtype to float32 integers (batch, out)."""
        return F.linear(x.to(torch.float32), self.weight)

    def extra_repr(self) -> str:
        """Show shape and coefficients in the module's text form."""
        shape = f"in_features={self.in_features}, out_features={self.out_features}"
        return f"{shape}, coefficients={self.coefficients}"


class DeployedAffine(nn.Module):
    """``y = alpha · x + beta`` in float64, with float32 constants.

    The product of a 24-bit integer and a float32 is exact in float64, so the one rounding of the sum keeps
    its sign exact: no machine, and no fused multiply-add, can disagree about ``y > 0``.

    Parameters
    ----------
    alpha, beta
        float32 (features,), copied.
    """

    alpha: Tensor
    beta: Tensor

    def __init__(self, alpha: NDArray[np.float32], beta: NDArray[np.float32]) -> None:
        super().__init__()
        self.register_buffer("alpha", torch.from_numpy(alpha.copy()))
        self.register_buffer("beta", torch.from_numpy(beta.copy()))

    def forward(self, x: Tensor) -> Tensor:
        """Map integer accumulators (batch, features) to float64 reals of the same shape."""
        return x.double() * self.alpha.double() + self.beta.double()

    def extra_repr(self) -> str:
        """Show the width in the module's text form."""
        return f"features={self.alpha.numel()}"
