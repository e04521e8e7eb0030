"""The layers of a deployed network: constants only, integers between them, exact on every machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from hbnn_hw.xor_encoding import FlattenLayout

EXACT_FLOAT32 = 1 << 24
"""Integers below this, and all sums that stay below it, are exact in float32."""

LARGEST_ACCUMULATOR = 1 << 29
"""Integers below this, times any float32, are exact in float64."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredForm:
    """What FleXOR stores in the place of weights.

    Attributes
    ----------
    encoded
        uint8 (planes, slices, n_in), the stored bits.
    matrices
        uint8 (planes, n_out, n_in), M⊕.
    layout
        Which weight each decoded bit is.
    """

    encoded: NDArray[np.uint8]
    matrices: NDArray[np.uint8]
    layout: FlattenLayout


class _DeployedWeights(nn.Module):
    """What a layer over integers has, whatever its shape: planes, masks, and the integers they make.

    Attributes
    ----------
    bits, mask
        Buffers, uint8 (planes, out, ...).
    weight
        Buffer derived from them, float32 (out, ...) holding integers.
    wide
        Whether sums may reach 2^24, so that they need float64.
    stored
        The form that the planes are decoded from (FleXOR), or None.
    """

    bits: Tensor
    mask: Tensor
    weight: Tensor

    def __init__(self, bits: Tensor, mask: Tensor, coefficients: tuple[int, ...] | NDArray[np.int64]) -> None:
        super().__init__()
        self.coefficients = coefficients
        self.wide = False
        self.stored: StoredForm | None = None
        self.register_buffer("bits", bits)
        self.register_buffer("mask", mask)
        self.register_buffer("weight", self._values(), persistent=False)

    def _values(self) -> Tensor:
        """Return the integers, float32 (out, ...), plane by plane, because there may be 40 million."""
        values = torch.zeros(self.bits.shape[1:], dtype=torch.float32, device=self.bits.device)
        for bits, mask, coefficient in zip(self.bits, self.mask, self.coefficients, strict=True):
            # 2 · bit - mask is the sign, and 0 without the plane, because the bit is 0 there.
            signs = bits.to(torch.int8).mul_(2).sub_(mask.to(torch.int8))
            if isinstance(coefficient, np.ndarray):
                values.add_(torch.from_numpy(coefficient).view(-1, *[1] * (signs.dim() - 1)) * signs)
            else:
                values.add_(signs, alpha=coefficient)
        return values

    def largest_accumulator(self, input_bound: int) -> int:
        """Return the largest ``|y|`` that inputs of magnitude up to ``input_bound`` can give."""
        return int(self.weight.abs().flatten(1).sum(dim=1, dtype=torch.float64).max()) * input_bound


class DeployedLinear(_DeployedWeights):
    """``y = W x`` over integers, with ``W = sum_p c_p · mask_p · (2 bits_p - 1)``.

    Parameters
    ----------
    bits
        uint8 (planes, out, in) in {0, 1}: 1 is +1, 0 is -1; 0 where the mask is 0.
    mask
        uint8 (planes, out, in) in {0, 1}: whether the entry has the plane.
    coefficients
        c_p >= 1, one per plane, or int64 (planes, out) from 0 where outputs have their own.

    Attributes
    ----------
    bits, mask
        Buffers, as given.
    weight
        Buffer derived from them, float32 (out, in) holding integers.

    Notes
    -----
    Exact if every ``sum_j |W[r, j]| · max|x|`` is below 2^24, or the layer is wide; :func:`hbnn_hw.nn.deploy`
    has checked that.
    """

    @property
    def in_features(self) -> int:
        """Length of the reduction."""
        return self.bits.shape[2]

    @property
    def out_features(self) -> int:
        """Number of accumulators."""
        return self.bits.shape[1]

    def forward(self, x: Tensor) -> Tensor:
        """Map integers (batch, in) of any float dtype to (batch, out), float32 or, if wide, float64."""
        dtype = torch.float64 if self.wide else torch.float32
        return F.linear(x.to(dtype), self.weight.to(dtype))

    def extra_repr(self) -> str:
        """Show shape and coefficients in the module's text form."""
        shape = f"in_features={self.in_features}, out_features={self.out_features}"
        return f"{shape}, coefficients={_text(self.coefficients)}"


class DeployedConv2d(_DeployedWeights):
    """2-D cross-correlation over integers with :class:`DeployedLinear`'s weights.

    Parameters
    ----------
    bits, mask, coefficients
        See :class:`DeployedLinear`; the planes are (planes, out, in / groups, height, width).
    stride, dilation
        (vertical, horizontal).
    frame
        Pixels around the image (top, bottom, left, right).
    border
        Integer that stands around the image; 0 leaves the sum.
    groups
        Channel groups that do not see each other.

    Notes
    -----
    Exact under the same condition as :class:`DeployedLinear`. PyTorch is asked for float64, because it has
    no transform for it (Winograd, FFT, TF32) whose intermediate results would not be integers.
    """

    def __init__(
        self,
        bits: Tensor,
        mask: Tensor,
        coefficients: tuple[int, ...] | NDArray[np.int64],
        *,
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        frame: tuple[int, int, int, int] = (0, 0, 0, 0),
        border: int = 0,
        groups: int = 1,
    ) -> None:
        super().__init__(bits, mask, coefficients)
        self.stride = stride
        self.dilation = dilation
        self.frame = frame
        self.border = border
        self.groups = groups

    @property
    def out_channels(self) -> int:
        """Number of accumulators at each place."""
        return self.bits.shape[1]

    @property
    def in_channels(self) -> int:
        """Channels of the input images."""
        return self.groups * self.bits.shape[2]

    @property
    def kernel_size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.bits.shape[3], self.bits.shape[4]

    def largest_accumulator(self, input_bound: int) -> int:
        """Return the largest ``|y|`` that inputs up to ``input_bound`` and the border can give."""
        return super().largest_accumulator(max(input_bound, abs(self.border) if any(self.frame) else 0))

    def forward(self, x: Tensor) -> Tensor:
        """Map integers (batch, in, height, width) to (batch, out, height', width')."""
        top, bottom, left, right = self.frame
        framed = F.pad(x.to(torch.float64), (left, right, top, bottom), value=float(self.border))
        weight = self.weight.to(torch.float64)
        sums = F.conv2d(framed, weight, stride=self.stride, dilation=self.dilation, groups=self.groups)
        return sums if self.wide else sums.to(torch.float32)

    def extra_repr(self) -> str:
        """Show shape and coefficients in the module's text form."""
        shape = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        window = f"stride={self.stride}, dilation={self.dilation}, frame={self.frame}, border={self.border}"
        window += f", groups={self.groups}"
        return f"{shape}, {window}, coefficients={_text(self.coefficients)}"


def _text(coefficients: tuple[int, ...] | NDArray[np.int64]) -> str:
    return str(coefficients) if isinstance(coefficients, tuple) else "by row"


class DeployedAffine(nn.Module):
    """``y = alpha · x + beta`` in float64, with float32 constants.

    The product of a 24-bit integer and a float32 is exact in float64, so the one rounding of the sum keeps
    its sign exact: no machine, and no fused multiply-add, can disagree about ``y > 0``.

    Parameters
    ----------
    alpha, beta
        float32 (features,) or (channels,), copied.
    """

    alpha: Tensor
    beta: Tensor

    def __init__(self, alpha: NDArray[np.float32], beta: NDArray[np.float32]) -> None:
        super().__init__()
        self.register_buffer("alpha", torch.from_numpy(alpha.copy()))
        self.register_buffer("beta", torch.from_numpy(beta.copy()))

    def forward(self, x: Tensor) -> Tensor:
        """Map integer accumulators (batch, features) or (batch, channels, height, width) to float64 reals."""
        alpha, beta = (c.double().view(-1, *[1] * (x.dim() - 2)) for c in (self.alpha, self.beta))
        return x.double() * alpha + beta

    def extra_repr(self) -> str:
        """Show the width in the module's text form."""
        return f"features={self.alpha.numel()}"
