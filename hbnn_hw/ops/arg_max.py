"""The index of the largest score: a classifier's answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.ops.base import Array, StreamOp, Tensor, integers_of, range_of
from hbnn_hw.pieces import PRODUCT_LIMIT
from hbnn_hw.types import Integers, TensorType


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArgMax(StreamOp):
    """The class c of the largest ``(x[c] << shift) + offsets[c]``, the first of equals.

    Attributes
    ----------
    offsets
        int64 (classes,): what a class has ahead, in steps of ``2**-shift``.
    shift
        Fraction bits of the offsets, from 0.
    """

    offsets: NDArray[np.int64]
    shift: int = 0

    def __post_init__(self) -> None:
        if self.offsets.dtype != np.int64 or self.offsets.ndim != 1 or not len(self.offsets):
            raise ShapeError(
                f"offsets must be int64 (classes,), not {self.offsets.dtype} {self.offsets.shape}"
            )
        if not 0 <= self.shift < 31:
            raise RangeError(f"the shift must lie in 0..30, not {self.shift}")

    @property
    def lanes_out(self) -> int:
        """One element leaves."""
        return min(1, self.lanes)

    def infer(self, *inputs: TensorType) -> TensorType:
        """Integers or planes (classes,) become an integer (1,)."""
        (source,) = inputs
        if source.shape != self.offsets.shape:
            raise ShapeError(f"offsets of {len(self.offsets)} classes do not fit a value of {source.shape}")
        if self.lanes and len(self.offsets) % self.lanes:
            raise ShapeError(f"{self.lanes} lanes do not divide {len(self.offsets)} classes")
        self.key_range(source)
        return TensorType((1,), Integers(0, len(self.offsets) - 1))

    def key_range(self, source: TensorType) -> Integers:
        """Return the range of the numbers that are compared; raise RangeError beyond 52 bits."""
        reached = range_of(source)
        low = (reached.low << self.shift) + int(self.offsets.min())
        high = (reached.high << self.shift) + int(self.offsets.max())
        if max(-low, high) >= PRODUCT_LIMIT:
            raise RangeError(f"scores with their offsets could reach {max(-low, high):.3g}, beyond 52 bits")
        return Integers(low, high)

    def reads(self, *inputs: TensorType) -> tuple[NDArray[np.int64], ...]:
        """All scores come before the answer."""
        return (np.array([self.cycles(*inputs)], dtype=np.int64),)

    def compute(self, *inputs: Tensor) -> Array:
        """Compute int64 (batch, 1)."""
        (source,) = inputs
        keys = (integers_of(source) << self.shift) + self.offsets
        classes: Array = np.argmax(keys, axis=1, keepdims=True).astype(np.int64)
        return classes
