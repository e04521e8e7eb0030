"""Pooling of what a sliding window sees: overlapping windows and padded images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.ops.base import Array, StreamOp, Tensor, integers_of, range_of
from hbnn_hw.ops.pool import PoolKind
from hbnn_hw.types import Bordered, Integers, Planes, TensorType


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WindowPool(StreamOp):
    """Maximum or sum over the elements of each window that :class:`SlidingWindow` shows, block by block.

    Elements in a frame of nothing are never the maximum.

    Attributes
    ----------
    kind
        Maximum or sum.
    window
        Elements of the window, kernel rows · kernel columns.
    block
        Channels that are seen together, as the sliding window has them; ``lanes`` equals it.
    smallest
        bool (channels,): channels that take the minimum instead of the maximum; None for none.
    """

    kind: PoolKind
    window: int
    block: int
    smallest: NDArray[np.bool_] | None = None

    def infer(self, *inputs: TensorType) -> TensorType:
        """(rows, columns, window · channels) becomes an image (rows, columns, channels)."""
        (source,) = inputs
        if len(source.shape) != 3 or source.shape[2] % (self.window * self.block):
            raise ShapeError(f"windows of {self.window} elements do not fit a value of {source.shape}")
        channels = source.shape[2] // self.window
        if self.smallest is not None and self.smallest.shape != (channels,):
            raise ShapeError(f"a pooling of {len(self.smallest)} channels does not fit {channels}")
        return TensorType((*source.shape[:2], channels), self._element(source))

    def _element(self, source: TensorType) -> Planes | Integers:
        if self.kind is PoolKind.SUM:
            reached = range_of(source)
            return Integers(self.window * reached.low, self.window * reached.high)
        match source.element:
            case Bordered(planes):
                return planes
            case Planes() | Integers() as element:
                return element
            case other:
                raise RangeError(f"pooling in hardware needs planes or integers, not {other}")

    def _by_element(self, data: Array) -> Array:
        """Turn (..., window · channels) into (window, ..., channels)."""
        blocks = data.shape[-1] // (self.window * self.block)
        cut = data.reshape(*data.shape[:-1], blocks, self.window, self.block)
        seen = np.moveaxis(cut, -2, 0)
        return seen.reshape(*seen.shape[:-2], blocks * self.block)

    def compute(self, *inputs: Tensor) -> Array:
        """Compute int64 (batch, rows, columns, channels), or bits (batch, planes, rows, ...)."""
        (source,) = inputs
        values = self._by_element(integers_of(source))
        if self.kind is PoolKind.SUM:
            total: Array = values.sum(axis=0)
            return total
        turned = values if self.smallest is None else np.where(self.smallest, -values, values)
        if isinstance(source.type.element, Bordered):
            turned = np.where(self._by_element(source.data[:, -1]), np.iinfo(np.int64).min, turned)
        # The first of equal values, as MaxPool has it.
        best = turned.argmax(axis=0)
        if isinstance(source.type.element, Integers):
            numbers: Array = np.take_along_axis(values, best[np.newaxis], axis=0)[0]
            return numbers
        n_planes = source.type.element.bits
        bits = self._by_element(source.data[:, :n_planes])
        chosen: Array = np.take_along_axis(bits, best[np.newaxis, :, np.newaxis], axis=0)[0]
        return chosen

    def reads(self, *inputs: TensorType) -> tuple[NDArray[np.int64], ...]:
        """A result leaves with the last element of its window."""
        (source,) = inputs
        results = source.n_elements // (self.window * self.lanes)
        return (self.window * np.arange(1, results + 1, dtype=np.int64),)
