"""Deployed layers between accumulators and the next codes, beyond the plain affine and the sign."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn


class _Pieces(nn.Module):
    """Constants of several pieces per channel, chosen by the integer that comes in.

    Attributes
    ----------
    knees
        Buffer, int64 (pieces - 1, channels): piece k holds from ``knees[k - 1]`` on.
    """

    knees: Tensor

    def __init__(self, knees: NDArray[np.int64]) -> None:
        super().__init__()
        self.register_buffer("knees", torch.from_numpy(knees.copy()))

    def _chosen(self, constants: Tensor, x: Tensor) -> Tensor:
        """Pick the piece's constants (pieces, channels) for every element of x (batch, channels, ...)."""
        shape = (-1, *[1] * (x.dim() - 2))
        picked = constants[0].double().view(shape).expand_as(x)
        for knee, constant in zip(self.knees, constants[1:], strict=True):
            picked = torch.where(x >= knee.double().view(shape), constant.double().view(shape), picked)
        return picked


class DeployedPiecewiseAffine(_Pieces):
    """``y = alpha[k] · x + beta[k]`` in float64 with float32 constants, k the piece that x lies in.

    Parameters
    ----------
    alpha, beta
        float32 (pieces, channels), copied.
    knees
        int64 (pieces - 1, channels).
    """

    alpha: Tensor
    beta: Tensor

    def __init__(
        self, alpha: NDArray[np.float32], beta: NDArray[np.float32], knees: NDArray[np.int64]
    ) -> None:
        super().__init__(knees)
        self.register_buffer("alpha", torch.from_numpy(alpha.copy()))
        self.register_buffer("beta", torch.from_numpy(beta.copy()))

    def forward(self, x: Tensor) -> Tensor:
        """Map integers (batch, channels, ...) to float64 reals."""
        x = x.double()
        return x * self._chosen(self.alpha, x) + self._chosen(self.beta, x)


class DeployedRescale(_Pieces):
    """``y = floor((multipliers[k] · x + offsets[k]) / 2**shift)``: integers on another scale, exactly.

    Parameters
    ----------
    multipliers, offsets
        int64 (pieces, channels), copied; no sum reaches 2**52, so that float64 holds them all.
    knees
        int64 (pieces - 1, channels).
    shift
        Bits shifted out.
    """

    multipliers: Tensor
    offsets: Tensor

    def __init__(
        self,
        multipliers: NDArray[np.int64],
        offsets: NDArray[np.int64],
        knees: NDArray[np.int64],
        shift: int,
    ) -> None:
        super().__init__(knees)
        self.register_buffer("multipliers", torch.from_numpy(multipliers.copy()))
        self.register_buffer("offsets", torch.from_numpy(offsets.copy()))
        self.shift = shift

    def forward(self, x: Tensor) -> Tensor:
        """Map integers (batch, channels, ...) to float64 integers."""
        x = x.double()
        sums = x * self._chosen(self.multipliers, x) + self._chosen(self.offsets, x)
        return torch.floor(sums / 2.0**self.shift)

    def extra_repr(self) -> str:
        """Show the sizes in the module's text form."""
        pieces, channels = self.multipliers.shape
        return f"channels={channels}, pieces={pieces}, shift={self.shift}"


class DeployedQuantizer(nn.Module):
    """``sum_p scales[p] · mask[p] · (2 · bit_p(code) - 1)``, the code being the number of boundaries passed.

    Parameters
    ----------
    boundaries
        float64 (levels,), ascending, levels = 2**planes - 1.
    inclusive
        bool (levels,): whether the boundary itself has been passed.
    scales
        Integer factor of every plane, least significant bit of the code first.
    mask
        uint8 (planes, *shape) with the shape of a sample or, for all pixels alike, its first sizes; None
        where every element has every plane.
    """

    boundaries: Tensor
    inclusive: Tensor
    mask: Tensor | None

    def __init__(
        self,
        boundaries: NDArray[np.float64],
        inclusive: NDArray[np.bool_],
        scales: tuple[int, ...],
        mask: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.scales = scales
        self.register_buffer("boundaries", torch.from_numpy(boundaries.copy()))
        self.register_buffer("inclusive", torch.from_numpy(inclusive.copy()))
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        """Map reals (batch, *shape) to float32 integers of the same shape."""
        codes = torch.zeros_like(x, dtype=torch.int64)
        for boundary, inclusive in zip(self.boundaries, self.inclusive, strict=True):
            codes += (x >= boundary) if inclusive else (x > boundary)
        total = torch.zeros_like(x, dtype=torch.float32)
        for p, scale in enumerate(self.scales):
            signs = 2 * ((codes >> p) & 1).to(torch.float32) - 1
            total += scale * signs if self.mask is None else scale * signs * self._mask_of(p, x)
        return total

    def _mask_of(self, plane: int, x: Tensor) -> Tensor:
        assert self.mask is not None
        mask = self.mask[plane]
        return mask.view(*mask.shape, *[1] * (x.dim() - 1 - mask.dim()))

    def extra_repr(self) -> str:
        """Show the planes in the module's text form."""
        return f"scales={self.scales}, masked={self.mask is not None}"


class DeployedSumPool2d(nn.Module):
    """Sums over windows, zeros outside: average pooling of integers without its division.

    Parameters
    ----------
    kernel_size, stride, padding
        (vertical, horizontal).
    """

    def __init__(
        self, kernel_size: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int] = (0, 0)
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """Map integers (batch, channels, height, width) to float64 sums."""
        return F.avg_pool2d(x.double(), self.kernel_size, self.stride, self.padding, divisor_override=1)

    def extra_repr(self) -> str:
        """Show the windows in the module's text form."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
