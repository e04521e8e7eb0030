"""Maximum over windows of an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hbnn_hw.errors import ShapeError
from hbnn_hw.ops.base import Array, Tensor, UnemittedOp
from hbnn_hw.planes import decode
from hbnn_hw.types import Planes, TensorType
from hbnn_hw.windows import check_sizes, output_sides, seen_by


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool(UnemittedOp):
    """``y[r, c, k] = max_{i, j} x[r * stride + i, c * stride + j, k]``, whatever kind of number x is.

    Rows and columns that no whole window reaches are left out, as PyTorch does. On one bipolar plane the
    maximum is an OR.

    Attributes
    ----------
    kernel, stride
        (rows, columns), from 1.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]

    def __post_init__(self) -> None:
        check_sizes("the window", self.kernel, 2, 1)
        check_sizes("the stride", self.stride, 2, 1)

    def _sides(self, source: TensorType) -> tuple[int, int]:
        if len(source.shape) != 3:
            raise ShapeError(f"max-pooling needs an image (rows, columns, channels), not {source.shape}")
        return output_sides((source.shape[0], source.shape[1]), self.kernel, self.stride)

    def infer(self, *inputs: TensorType) -> TensorType:
        """An image becomes a smaller one of the same elements."""
        (source,) = inputs
        return TensorType((*self._sides(source), source.shape[2]), source.element)

    def compute(self, *inputs: Tensor) -> Array:
        """Compute the maxima in the input's own form; equal values of several planes give one of them."""
        (source,) = inputs
        element, sides = source.type.element, self._sides(source.type)
        first, *others = np.ndindex(*self.kernel)
        best = seen_by(source.data, first, self.stride, sides)
        for position in others:
            seen = seen_by(source.data, position, self.stride, sides)
            if isinstance(element, Planes):
                larger = decode(seen, element.scales) > decode(best, element.scales)
                best = np.where(larger[:, np.newaxis], seen, best)
            else:
                best = np.maximum(best, seen)
        return np.ascontiguousarray(best)
