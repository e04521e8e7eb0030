"""A frame of one number around an image, in rows, columns and channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import ShapeError
from hbnn_hw.ops.base import Array, StreamOp, Tensor, integers_of, range_of
from hbnn_hw.types import Integers, TensorType
from hbnn_hw.windows import check_sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad(StreamOp):
    """``y`` is x inside, ``value`` outside. Channels of nothing are the shortcut of He et al. 2015, option A.

    Attributes
    ----------
    padding
        Pixels (top, bottom, left, right), from 0.
    channels
        Channels (before, after), from 0.
    value
        On the scale of the input's integers.
    """

    padding: tuple[int, ...] = (0, 0, 0, 0)
    channels: tuple[int, ...] = (0, 0)
    value: int = 0

    def __post_init__(self) -> None:
        check_sizes("the padding", self.padding, 4, 0)
        check_sizes("the channels of a frame", self.channels, 2, 0)

    def infer(self, *inputs: TensorType) -> TensorType:
        """An image of planes or integers becomes a larger one of integers."""
        (source,) = inputs
        if len(source.shape) != 3:
            raise ShapeError(f"a frame needs an image (rows, columns, channels), not {source.shape}")
        top, bottom, left, right = self.padding
        rows, columns, channels = source.shape
        reached = range_of(source)
        element = Integers(min(reached.low, self.value), max(reached.high, self.value))
        shape = (rows + top + bottom, columns + left + right, channels + sum(self.channels))
        return TensorType(shape, element)

    def reads(self, *inputs: TensorType) -> tuple[NDArray[np.int64], ...]:
        """Beats of the frame read nothing."""
        (source,) = inputs
        return (np.cumsum(self.inside(source), dtype=np.int64),)

    def inside(self, source: TensorType) -> NDArray[np.bool_]:
        """Which output beats come from the image, bool (beats,)."""
        top, bottom, left, right = self.padding
        rows, columns, channels = source.shape
        image = np.ones((rows, columns, channels // self.lanes), dtype=np.bool_)
        before, after = (count // self.lanes for count in self.channels)
        return np.pad(image, ((top, bottom), (left, right), (before, after))).reshape(-1)

    def compute(self, *inputs: Tensor) -> Array:
        """Compute int64 (batch, rows', columns', channels')."""
        (source,) = inputs
        top, bottom, left, right = self.padding
        widths = ((0, 0), (top, bottom), (left, right), tuple(self.channels))
        return np.pad(integers_of(source), widths, constant_values=self.value)
