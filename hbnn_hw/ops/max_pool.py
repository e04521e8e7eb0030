"""Maximum over windows of an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import ShapeError
from hbnn_hw.ops.base import Array, Tensor, UnemittedOp, integers_of
from hbnn_hw.types import Element, Integers, PlaneMask, Planes, Reals, TensorType
from hbnn_hw.windows import check_sizes, output_sides, seen_by


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MaxPool(UnemittedOp):
    """``y[r, c, k] = max_{i, j} x[r * stride + i, c * stride + j, k]``, whatever kind of number x is.

    Rows and columns that no whole window reaches are left out, as PyTorch does. What lies outside the image
    is no number and never chosen. On one bipolar plane the maximum is an OR, and the minimum an AND.

    Attributes
    ----------
    kernel, stride
        (rows, columns), from 1.
    padding
        Pixels around the image (top, bottom, left, right), from 0; fewer than the kernel has, so that every
        window sees a pixel.
    smallest
        bool (channels,): channels that take the minimum instead, because they fall where what was pooled
        before rose; None where all take the maximum.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...] = (0, 0, 0, 0)
    smallest: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        check_sizes("the window", self.kernel, 2, 1)
        check_sizes("the stride", self.stride, 2, 1)
        check_sizes("the padding", self.padding, 4, 0)
        if max(self.padding[:2]) >= self.kernel[0] or max(self.padding[2:]) >= self.kernel[1]:
            raise ShapeError(
                f"the padding {self.padding} of max-pooling must be smaller than its window {self.kernel}"
            )
        if self.smallest is not None and (self.smallest.dtype != np.bool_ or self.smallest.ndim != 1):
            raise ShapeError(
                f"which channels take the minimum must be bool (channels,), "
                f"not {self.smallest.dtype} {self.smallest.shape}"
            )

    def _sides(self, source: TensorType) -> tuple[int, int]:
        if len(source.shape) != 3:
            raise ShapeError(f"max-pooling needs an image (rows, columns, channels), not {source.shape}")
        if self.smallest is not None and self.smallest.shape != source.shape[2:]:
            raise ShapeError(
                f"a pooling of {len(self.smallest)} channels does not fit an image {source.shape}"
            )
        return output_sides((source.shape[0], source.shape[1]), self.kernel, self.stride, self.padding)

    def infer(self, *inputs: TensorType) -> TensorType:
        """An image becomes a smaller one of the same elements, or of integers where maps differ."""
        (source,) = inputs
        sides = self._sides(source)
        return TensorType((*sides, source.shape[2]), self._element(source.element, sides))

    def _element(self, element: Element, sides: tuple[int, int]) -> Element:
        """Return the output's element type: planes stay so if all pixels of a window have the same map."""
        if not isinstance(element, Planes) or element.mask is None:
            return element
        present = element.mask.present()
        if max(self.kernel) == 1 and not any(self.padding):
            return Planes(element.scales, PlaneMask.of(seen_by(present, (0, 0), self.stride, sides)))
        if (present != present[:, :1, :1]).any():
            return Integers(-element.largest, element.largest)
        planes, _, _, channels = present.shape
        mask = PlaneMask.of(np.broadcast_to(present[:, :1, :1], (planes, *sides, channels)))
        return Planes(element.scales, mask)

    def compute(self, *inputs: Tensor) -> Array:
        """Compute the maxima in the input's own form; equal values of several planes give one of them."""
        (source,) = inputs
        sides = self._sides(source.type)
        element = source.type.element
        if isinstance(element, Planes) and isinstance(self._element(element, sides), Planes):
            return self._largest_planes(source, element, sides)
        data = source.data if isinstance(element, Reals) else integers_of(source)
        framed = self._framed(self._turned(data), _lowest(data))
        first, *others = (
            seen_by(framed, position, self.stride, sides) for position in np.ndindex(*self.kernel)
        )
        best = first
        for seen in others:
            best = np.maximum(best, seen)
        return np.ascontiguousarray(self._turned(best))

    def _largest_planes(self, source: Tensor, element: Planes, sides: tuple[int, int]) -> Array:
        """Take the planes of the largest value, window element by window element."""
        bits = self._framed(source.data, 0)
        values = self._framed(self._turned(element.values(source.data)), -element.largest - 1)
        best, largest = (None, None)
        for position in np.ndindex(*self.kernel):
            seen = seen_by(bits, position, self.stride, sides)
            value = seen_by(values, position, self.stride, sides)
            if best is None or largest is None:
                best, largest = seen, value
                continue
            best = np.where((value > largest)[:, np.newaxis], seen, best)
            largest = np.maximum(largest, value)
        assert best is not None
        return np.ascontiguousarray(best)

    def _turned(self, values: Array) -> Array:
        """Turn the sign of the channels that take the minimum, so that it is their largest number."""
        return values if self.smallest is None else np.where(self.smallest, -values, values)

    def _framed(self, image: Array, value: float) -> Array:
        """Put ``value`` around images (..., rows, columns, channels)."""
        top, bottom, left, right = self.padding
        leading = [(0, 0)] * (image.ndim - 3)
        return np.pad(image, (*leading, (top, bottom), (left, right), (0, 0)), constant_values=value)


def _lowest(data: Array) -> float:
    """Return what is below every number of the dtype, or its smallest integer."""
    return -np.inf if data.dtype.kind == "f" else int(np.iinfo(data.dtype).min)
