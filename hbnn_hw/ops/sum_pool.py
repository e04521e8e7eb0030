"""Sums over windows of an image: average pooling without its division."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from hbnn_hw.errors import ShapeError
from hbnn_hw.ops.base import Array, Tensor, UnemittedOp, integers_of, range_of
from hbnn_hw.types import Integers, TensorType
from hbnn_hw.windows import check_sizes, output_sides, pad, seen_by


@dataclass(frozen=True, slots=True, kw_only=True)
class SumPool(UnemittedOp):
    """``y[r, c, k] = sum_{i, j} x[r * stride + i - top, c * stride + j - left, k]``; 0 outside the image.

    The division by the window's size belongs to the real scale of what follows, so the sum is exact. A
    window as large as the image is global average pooling.

    Attributes
    ----------
    kernel, stride
        (rows, columns), from 1.
    padding
        Pixels around the image (top, bottom, left, right), from 0.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...] = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        check_sizes("the window", self.kernel, 2, 1)
        check_sizes("the stride", self.stride, 2, 1)
        check_sizes("the padding", self.padding, 4, 0)

    def _sides(self, source: TensorType) -> tuple[int, int]:
        if len(source.shape) != 3:
            raise ShapeError(f"pooling needs an image (rows, columns, channels), not {source.shape}")
        return output_sides((source.shape[0], source.shape[1]), self.kernel, self.stride, self.padding)

    def infer(self, *inputs: TensorType) -> TensorType:
        """An image of planes or integers becomes a smaller one of integers."""
        (source,) = inputs
        reached, n = range_of(source), prod(self.kernel)
        low, high = (
            (min(reached.low, 0), max(reached.high, 0)) if any(self.padding) else (reached.low, reached.high)
        )
        return TensorType((*self._sides(source), source.shape[2]), Integers(n * low, n * high))

    def compute(self, *inputs: Tensor) -> Array:
        """Compute int64 (batch, rows', columns', channels)."""
        (source,) = inputs
        sides = self._sides(source.type)
        image = pad(integers_of(source), self.padding, 0)
        seen = (seen_by(image, position, self.stride, sides) for position in np.ndindex(*self.kernel))
        total = np.zeros((len(image), *sides, source.type.shape[2]), dtype=np.int64)
        for values in seen:
            total += values
        return total
