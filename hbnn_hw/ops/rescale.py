"""Integers to integers on another scale: fixed-point multiplication, per channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.ops.base import Array, StreamOp, Tensor, integers_of, range_of
from hbnn_hw.pieces import PRODUCT_LIMIT, check_channels, check_pieces, chosen, ends_of_pieces, piece_of
from hbnn_hw.types import Integers, TensorType


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rescale(StreamOp):
    """``y = (multipliers[k, c] * x + offsets[k, c]) >> shift``, rounding down, with k the piece x lies in.

    With one piece it is a batch normalization in fixed point; PReLU, ReLU and hard tanh make two or three.
    An offset holds half of ``2**shift`` where rounding to the nearest is meant.

    Attributes
    ----------
    multipliers, offsets
        int64 (pieces, channels).
    knees
        int64 (pieces - 1, channels): piece k holds from ``knees[k - 1]`` on.
    shift
        Bits shifted out, from 0.
    """

    multipliers: NDArray[np.int64]
    offsets: NDArray[np.int64]
    knees: NDArray[np.int64]
    shift: int

    def __post_init__(self) -> None:
        check_pieces(self.knees, multipliers=self.multipliers, offsets=self.offsets)
        if self.multipliers.dtype != np.int64 or self.offsets.dtype != np.int64:
            raise ShapeError("multipliers and offsets must be int64")
        if not 0 <= self.shift < 52:
            raise RangeError(f"the shift must lie in 0..51, not {self.shift}")

    def _sums(self, x: NDArray[np.int64]) -> NDArray[np.int64]:
        index = piece_of(x, self.knees)
        sums: NDArray[np.int64] = chosen(self.multipliers, index) * x + chosen(self.offsets, index)
        return sums

    def infer(self, *inputs: TensorType) -> TensorType:
        """Integers or planes (..., channels) become integers in a proven range."""
        (source,) = inputs
        sums = self.sum_range(source)
        return TensorType(source.shape, Integers(sums.low >> self.shift, sums.high >> self.shift))

    def sum_range(self, source: TensorType) -> Integers:
        """Return the range of the sums before the shift; raise RangeError beyond 52 bits."""
        check_channels(source, self.multipliers.shape[1])
        reached = range_of(source)
        self._check_products(reached)
        at_ends = self._sums(ends_of_pieces(reached.low, reached.high, self.knees))
        return Integers(int(at_ends.min()), int(at_ends.max()))

    def _check_products(self, reached: Integers) -> None:
        magnitude = max(-reached.low, reached.high)
        largest = np.abs(self.multipliers.astype(np.float64)).max() * magnitude
        largest += np.abs(self.offsets.astype(np.float64)).max()
        if largest >= PRODUCT_LIMIT:
            raise RangeError(f"a product of a rescaling could reach {largest:.3g}, beyond 52 bits")

    def compute(self, *inputs: Tensor) -> Array:
        """Compute int64 (batch, ..., channels)."""
        (source,) = inputs
        return self._sums(integers_of(source)) >> self.shift
