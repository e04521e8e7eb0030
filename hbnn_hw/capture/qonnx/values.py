"""What the tensors of an ONNX graph are in terms of the IR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.capture.order import Order
from hbnn_hw.errors import CaptureError, ShapeError
from hbnn_hw.lowering.lines import Lines
from hbnn_hw.lowering.stages import Integers

Reals = NDArray[np.float64]

LARGEST_CONSTANT = 1 << 28
"""Elements of the largest constant that is computed."""


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """Numbers of the file, or computed from them: ``numbers · steps``.

    Attributes
    ----------
    numbers
        float64, of the tensor's shape; integers where there are steps.
    steps
        float64 of the same shape, what a quantizer says its integers stand for; None for plain numbers.
    """

    numbers: Reals
    steps: Reals | None = None

    @property
    def reals(self) -> Reals:
        """The real numbers, float64."""
        return self.numbers if self.steps is None else self.numbers * self.steps


@dataclass(frozen=True, slots=True)
class DepthToSpace:
    """Groups of channels that become blocks of pixels, as ONNX defines it.

    Attributes
    ----------
    block
        Side of a block.
    channels_first
        Whether a channel's pixels stand together (mode CRD) or a pixel's channels (DCR).
    """

    block: int
    channels_first: bool

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return what (channels, rows, columns) become."""
        channels, rows, columns = shape
        return channels // self.block**2, rows * self.block, columns * self.block

    def __call__(self, image: NDArray[Any]) -> NDArray[Any]:
        """Rearrange images (batch, channels, rows, columns)."""
        batch, channels, rows, columns = image.shape
        b, rest = self.block, channels // self.block**2
        if self.channels_first:
            split = image.reshape(batch, rest, b, b, rows, columns).transpose(0, 1, 4, 2, 5, 3)
        else:
            split = image.reshape(batch, b, b, rest, rows, columns).transpose(0, 3, 4, 1, 5, 2)
        return split.reshape(batch, *self.shape(image.shape[1:]))


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One tensor that depends on the network's input.

    Attributes
    ----------
    node
        Name of the IR's value that holds its integers.
    stage
        What they mean.
    shape
        The IR's: (features,) or (rows, columns, channels).
    axes
        Which axis of ``shape`` each axis of the tensor is, the batch left out: (2, 0, 1) is an image with
        its channels first, (2, 1) a sequence, an image of one row.
    order
        Of a vector: position in the tensor of every element of the IR's value; None for the same.
    rearranged
        What the host still has to do with the values; only the same function of all may follow.
    """

    node: str
    stage: Integers | Lines
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    order: Order | None = None
    rearranged: DepthToSpace | None = None

    @property
    def channels(self) -> int:
        """Extent of the last axis of the IR's value: what has constants of its own."""
        return self.shape[-1]

    @property
    def onnx_shape(self) -> tuple[int, ...]:
        """Shape of the tensor, the batch left out."""
        shape = tuple(self.shape[axis] for axis in self.axes)
        return self.rearranged.shape(shape) if self.rearranged else shape

    @property
    def channel_axis(self) -> int:
        """Axis of the tensor, the batch counted, along which the channels lie."""
        return 1 + self.axes.index(len(self.shape) - 1)

    def to_onnx(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Bring numbers (batch, *shape) into the tensor's layout (batch, *onnx_shape)."""
        if self.order is not None:
            placed = np.empty_like(numbers)
            placed[:, self.order] = numbers
            return placed
        missing = [axis for axis in range(len(self.shape)) if axis not in self.axes]
        moved = numbers.transpose(0, *(1 + axis for axis in (*missing, *self.axes)))
        tensor = moved.reshape(len(numbers), *(self.shape[axis] for axis in self.axes))
        return self.rearranged(tensor) if self.rearranged else tensor

    def along_channels(self, array: Reals, what: str) -> Reals:
        """Return a constant that is broadcast over the tensor as one number per channel of the IR.

        Raises
        ------
        ShapeError
            If it varies along other axes, or does not fit.
        """
        if array.size and (array == array.flat[0]).all():
            return np.full(self.channels, array.flat[0])
        rank = 1 + len(self.axes)
        shape = (1,) * (rank - array.ndim) + array.shape
        if self.rearranged or len(shape) > rank or shape[0] != 1:
            raise ShapeError(f"{what} of shape {array.shape} must be one number here")
        rows = np.moveaxis(array.reshape(shape), self.channel_axis, -1).reshape(-1, shape[self.channel_axis])
        if not len(rows) or rows.shape[1] != self.channels or (rows != rows[0]).any():
            raise ShapeError(
                f"{what} of shape {array.shape} must have one number for each of {self.channels} channels"
            )
        row: Reals = rows[0]
        return row if self.order is None else row[self.order]


Tensor: TypeAlias = Value | Constant


def flatten_order(value: Value) -> Order | None:
    """Return the order of the vector that a tensor of images is flattened to."""
    plain = np.arange(int(np.prod(value.shape)), dtype=np.int64)
    missing = [axis for axis in range(len(value.shape)) if axis not in value.axes]
    axes = (*missing, *value.axes)
    by_onnx = plain.reshape([value.shape[axis] for axis in axes])
    order: Order = by_onnx.transpose(np.argsort(axes)).ravel()
    return None if np.array_equal(order, plain) else order


def whole(value: float, what: str) -> int:
    """Return a number that must be whole as an integer; raise CaptureError otherwise."""
    if not float(value).is_integer():
        raise CaptureError(f"{what} must be a whole number, not {value!r}")
    return int(value)
