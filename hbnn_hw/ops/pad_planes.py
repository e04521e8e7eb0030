"""A frame around an image of bit-planes: of one code, or of nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.ops.base import Array, StreamOp, Tensor
from hbnn_hw.types import Bordered, Planes, TensorType
from hbnn_hw.windows import check_sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class PadPlanes(StreamOp):
    """``y`` is x inside and the code of ``frame`` outside, or marked as nothing there.

    Attributes
    ----------
    padding
        Pixels (top, bottom, left, right), from 0.
    frame
        Bit of every plane outside the image; None where the frame leaves the sums of what reads it.
    """

    padding: tuple[int, ...]
    frame: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_sizes("the padding", self.padding, 4, 0)
        if self.frame is not None and not set(self.frame) <= {0, 1}:
            raise RangeError(f"the code of a frame must be bits, not {self.frame}")

    def infer(self, *inputs: TensorType) -> TensorType:
        """An image of planes becomes a larger one, of planes or of planes in a frame of nothing."""
        (source,) = inputs
        if len(source.shape) != 3 or not isinstance(source.element, Planes) or source.element.mask:
            raise ShapeError(f"a frame of planes needs an image of planes without a map, not {source}")
        if self.frame is not None and len(self.frame) != source.element.n_planes:
            raise ShapeError(f"the frame needs {source.element.n_planes} bits, not {len(self.frame)}")
        top, bottom, left, right = self.padding
        rows, columns, channels = source.shape
        element = source.element if self.frame is not None else Bordered(source.element)
        return TensorType((rows + top + bottom, columns + left + right, channels), element)

    def compute(self, *inputs: Tensor) -> Array:
        """Return bits uint8 (batch, planes, rows', columns', channels); one more plane marks nothing."""
        (source,) = inputs
        n_planes = source.data.shape[1]
        top, bottom, left, right = self.padding
        batch, (rows, columns, channels) = len(source.data), source.type.shape
        shape = (batch, n_planes, rows + top + bottom, columns + left + right, channels)
        frame = np.asarray(self.frame or (0,) * n_planes, dtype=np.uint8)
        framed = np.broadcast_to(frame[:, np.newaxis, np.newaxis, np.newaxis], shape).copy()
        framed[:, :, top : top + rows, left : left + columns] = source.data
        if self.frame is not None:
            return framed
        outside = np.ones((batch, 1, *shape[2:]), dtype=np.uint8)
        outside[:, :, top : top + rows, left : left + columns] = 0
        return np.concatenate([framed, outside], axis=1)

    def reads(self, *inputs: TensorType) -> tuple[NDArray[np.int64], ...]:
        """Beats of the frame read nothing."""
        (source,) = inputs
        top, bottom, left, right = self.padding
        rows, columns, channels = source.shape
        image = np.ones((rows, columns, channels // self.lanes), dtype=np.bool_)
        inside = np.pad(image, ((top, bottom), (left, right), (0, 0)))
        return (np.cumsum(inside, dtype=np.int64),)
