"""Sliding window: an image becomes the stream of what a window sees at every place (im2col)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import ShapeError
from hbnn_hw.ops.base import Array, StreamOp, Tensor
from hbnn_hw.types import Planes, TensorType
from hbnn_hw.windows import check_sizes, output_sides, span


@dataclass(frozen=True, slots=True, kw_only=True)
class SlidingWindow(StreamOp):
    """What a window sees at every place, as one vector.

    ``y[r, c]`` runs through channel blocks b, kernel rows i, kernel columns j and channels k of a block:
    ``x[r * stride + i * dilation, c * stride + j * dilation, b * block + k]``.

    One block of all channels is what a matrix unit reads; smaller blocks belong to grouped and depthwise
    convolutions and to pooling, which see some channels at a time.

    The unit first takes the rows that the first places see, then writes one row of places after the other
    while it takes the ``stride`` rows that are new to the next. Source: FINN's sliding window unit
    (Umuroglu et al. 2017), whose cycles these are.

    Attributes
    ----------
    kernel, stride, dilation
        (rows, columns), from 1.
    block
        Channels that are seen together; they divide the channels, and ``lanes`` divide them.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...] = (1, 1)
    block: int

    def __post_init__(self) -> None:
        check_sizes("the kernel", self.kernel, 2, 1)
        check_sizes("the stride", self.stride, 2, 1)
        check_sizes("the dilation", self.dilation, 2, 1)
        if self.block < 1:
            raise ShapeError(f"a block must have at least one channel, not {self.block}")

    def sides(self, source: TensorType) -> tuple[int, int]:
        """Return (rows, columns) of the places."""
        return output_sides(
            (source.shape[0], source.shape[1]), self.kernel, self.stride, (0,) * 4, self.dilation
        )

    @property
    def spans(self) -> tuple[int, int]:
        """Pixels (rows, columns) that the window reaches over."""
        return span(self.kernel[0], self.dilation[0]), span(self.kernel[1], self.dilation[1])

    def infer(self, *inputs: TensorType) -> TensorType:
        """An image becomes (rows', columns', kernel · channels) of the same elements."""
        (source,) = inputs
        if len(source.shape) != 3 or source.shape[2] % self.block:
            raise ShapeError(
                f"a window needs an image with blocks of {self.block} channels, not {source.shape}"
            )
        if isinstance(source.element, Planes) and source.element.mask is not None:
            raise ShapeError("a window needs planes that every element has, not planes with a map")
        return TensorType((*self.sides(source), prod(self.kernel) * source.shape[2]), source.element)

    def compute(self, *inputs: Tensor) -> Array:
        """Copy what every place sees; the form of the elements stays."""
        (source,) = inputs
        rows, columns = self.sides(source.type)
        image, blocks = source.data, source.type.shape[2] // self.block
        leading = image.shape[:-3]
        seen = np.empty((*leading, rows, columns, blocks, *self.kernel, self.block), dtype=image.dtype)
        for i, j in np.ndindex(*self.kernel):
            at_rows = slice(
                i * self.dilation[0], i * self.dilation[0] + (rows - 1) * self.stride[0] + 1, self.stride[0]
            )
            at_columns = slice(
                j * self.dilation[1],
                j * self.dilation[1] + (columns - 1) * self.stride[1] + 1,
                self.stride[1],
            )
            pixels = image[..., at_rows, at_columns, :]
            seen[..., i, j, :] = pixels.reshape(*leading, rows, columns, blocks, self.block)
        return seen.reshape(*leading, rows, columns, prod(self.kernel) * source.type.shape[2])

    def row_beats(self, source: TensorType) -> int:
        """Beats of one image row."""
        return source.shape[1] * source.shape[2] // self.lanes

    def place_row_beats(self, source: TensorType) -> int:
        """Beats written for one row of places."""
        return self.sides(source)[1] * prod(self.kernel) * source.shape[2] // self.lanes

    def cycles(self, *inputs: TensorType) -> int:
        """Fill, then per row of places what takes longer, writing it or taking the next rows."""
        (source,) = inputs
        row, stride = self.row_beats(source), self.stride[0]
        per_row = max(self.place_row_beats(source), stride * row)
        return self.spans[0] * row + self.sides(source)[0] * per_row

    def reads(self, *inputs: TensorType) -> tuple[NDArray[np.int64], ...]:
        """While the beats of a row of places leave, those of the next rows are taken at an even pace.

        Whoever writes them runs at an even pace as well; a burst would have to wait for it.
        """
        (source,) = inputs
        row, written = self.row_beats(source), self.place_row_beats(source)
        fill, new, total = self.spans[0] * row, self.stride[0] * row, source.shape[0] * row
        taken = np.arange(1, written + 1) * new // max(written, new)
        starts = fill + new * np.arange(self.sides(source)[0])
        return (np.minimum(starts[:, np.newaxis] + taken, total).reshape(-1).astype(np.int64),)
