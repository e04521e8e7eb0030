"""Real functions of an integer that are affine piece by piece: PReLU and its kin with their normalization."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.ops.base import Array, HostOp, Tensor, integers_of, range_of
from hbnn_hw.pieces import check_channels, check_pieces, chosen, piece_of
from hbnn_hw.types import Reals, TensorType


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PiecewiseAffine(HostOp):
    """``y = alpha[k, c] * x + beta[k, c]`` with k the piece that the integer x lies in, in float64.

    As exact as :class:`~hbnn_hw.ops.affine.Affine`: one rounding per value, the same on every machine.

    Attributes
    ----------
    alpha, beta
        float32 (pieces, channels), finite.
    knees
        int64 (pieces - 1, channels): piece k holds from ``knees[k - 1]`` on.
    """

    alpha: NDArray[np.float32]
    beta: NDArray[np.float32]
    knees: NDArray[np.int64]

    def __post_init__(self) -> None:
        check_pieces(self.knees, alpha=self.alpha, beta=self.beta)
        for name in ("alpha", "beta"):
            array: NDArray[np.float32] = getattr(self, name)
            if array.dtype != np.float32:
                raise ShapeError(f"{name} must be float32, not {array.dtype}")
            if not np.isfinite(array).all():
                raise RangeError(f"{name} must be finite")

    def infer(self, *inputs: TensorType) -> TensorType:
        """Integers or planes (..., channels) become reals of the same shape."""
        (source,) = inputs
        check_channels(source, self.alpha.shape[1])
        range_of(source)
        return TensorType(source.shape, Reals())

    def compute(self, *inputs: Tensor) -> Array:
        """Compute float64 (batch, ..., channels)."""
        (source,) = inputs
        x = integers_of(source)
        index = piece_of(x, self.knees)
        alpha, beta = (chosen(c.astype(np.float64), index) for c in (self.alpha, self.beta))
        result: Array = x.astype(np.float64) * alpha + beta
        return result
