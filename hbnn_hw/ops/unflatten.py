"""The values of a flat vector as an image."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from hbnn_hw.errors import ShapeError
from hbnn_hw.ops.base import Array, HostOp, Tensor
from hbnn_hw.types import TensorType
from hbnn_hw.windows import check_sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Unflatten(HostOp):
    """``y[r, c, k] = x[(k * rows + r) * columns + c]``: channels come first and end innermost.

    The one place where the order of a data set's images (PyTorch's) turns into the order of a hardware
    stream. With one channel the stream stays as it is.

    Attributes
    ----------
    shape
        (rows, columns, channels) of the image.
    """

    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        check_sizes("the image's shape", self.shape, 3, 1)

    def infer(self, *inputs: TensorType) -> TensorType:
        """A vector (channels · rows · columns,) becomes an image of the same elements."""
        (source,) = inputs
        if source.shape != (prod(self.shape),):
            raise ShapeError(f"an image {self.shape} needs {prod(self.shape)} values, not {source.shape}")
        return TensorType(self.shape, source.element)

    def compute(self, *inputs: Tensor) -> Array:
        """Move the values; the form of the elements stays."""
        (source,) = inputs
        rows, columns, channels = self.shape
        by_channel = source.data.reshape(*source.data.shape[:-1], channels, rows, columns)
        return np.ascontiguousarray(np.moveaxis(by_channel, -3, -1))
