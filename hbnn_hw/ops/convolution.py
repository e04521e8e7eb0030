"""Integer convolutions of plane-coded images and weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hbnn_hw.errors import ShapeError
from hbnn_hw.ops.base import Array, Tensor, UnemittedOp, Work, integers_of
from hbnn_hw.ops.dense import dense_work, weighted_range
from hbnn_hw.types import Integers, TensorType
from hbnn_hw.weights import WeightPlanes
from hbnn_hw.windows import check_sizes, output_sides, pad, span

MASKED = 0
"""The border that leaves the sum: a position with this value adds nothing to any dot product."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Convolution(UnemittedOp):
    """Cross-correlation of an image (rows, columns, channels), exactly, as PyTorch has it.

    ``y[r, c, o] = sum_{i,j,k} W[o, (i, j, k)] * x[r*stride + i*dilation - top, c*stride + j*dilation - left,
    first(o) + k]``, for bit-planes and integers alike.

    The columns of W run through kernel row i, kernel column j and the input channels k of one group, channel
    innermost, which is the order in which a sliding window streams them. Group n of the outputs sees group n
    of the inputs only; ``first(o)`` is its first channel. Outside the image x is ``border``.

    Attributes
    ----------
    weights
        Planes, bit map and coefficients, (out, kernel rows · kernel columns · in / groups).
    kernel, stride
        (rows, columns), from 1.
    padding
        Pixels around the image (top, bottom, left, right), from 0.
    border
        Integer value of every element around the image, on the scale of the input's integers. 0 is a masked
        border: bipolar elements are never 0, so those positions have no bits and leave the sum. Other
        values need not be values of the input's planes either: next to 8-bit pixels, PyTorch's -1 is -256.
    groups
        Channel groups that do not see each other.
    dilation
        Pixels from one element of the window to the next, (rows, columns), from 1.
    """

    weights: WeightPlanes
    kernel: tuple[int, ...]
    stride: tuple[int, ...] = (1, 1)
    padding: tuple[int, ...] = (0, 0, 0, 0)
    border: int = MASKED
    groups: int = 1
    dilation: tuple[int, ...] = (1, 1)

    def __post_init__(self) -> None:
        check_sizes("the kernel", self.kernel, 2, 1)
        check_sizes("the stride", self.stride, 2, 1)
        check_sizes("the dilation", self.dilation, 2, 1)
        check_sizes("the padding", self.padding, 4, 0)
        if self.groups < 1 or self.weights.rows % self.groups:
            raise ShapeError(f"{self.weights.rows} output channels cannot stand in {self.groups} groups")
        if self.weights.columns % (self.kernel[0] * self.kernel[1]):
            raise ShapeError(
                f"the weights of a {self.kernel[0]}x{self.kernel[1]} kernel must have a multiple of "
                f"{self.kernel[0] * self.kernel[1]} columns, not {self.weights.columns}"
            )

    @property
    def group_inputs(self) -> int:
        """Input channels that one output sees."""
        return self.weights.columns // (self.kernel[0] * self.kernel[1])

    @property
    def group_outputs(self) -> int:
        """Output channels of one group."""
        return self.weights.rows // self.groups

    def check_image(self, source: TensorType) -> None:
        """Raise ShapeError when the image does not fit."""
        channels = self.groups * self.group_inputs
        if len(source.shape) != 3 or source.shape[2] != channels:
            raise ShapeError(
                f"a convolution needs an image (rows, columns, {channels} channels), not {source.shape}"
            )

    def accumulators(self, source: TensorType) -> Integers:
        """Prove the range of the sums from the weights; raise RangeError if one could leave 32 bits."""
        self.check_image(source)
        return weighted_range(self.weights, source.element, self.border if any(self.padding) else None)

    def output_sides(self, source: TensorType) -> tuple[int, int]:
        """Return (rows, columns) of the output image."""
        sides = source.shape[0], source.shape[1]
        return output_sides(sides, self.kernel, self.stride, self.padding, self.dilation)

    def infer(self, *inputs: TensorType) -> TensorType:
        """Planes or integers (rows, columns, in) become integers (rows', columns', out) in a proven range."""
        (source,) = inputs
        element = self.accumulators(source)
        return TensorType((*self.output_sides(source), self.weights.rows), element)

    def compute(self, *inputs: Tensor) -> Array:
        """Compute int64 (batch, rows', columns', out), one place after the other."""
        (source,) = inputs
        image = pad(integers_of(source), self.padding, self.border)
        rows, columns = self.output_sides(source.type)
        values = self.weights.values()
        result = np.empty((len(image), rows, columns, self.weights.rows), dtype=np.int64)
        for r, c, group in np.ndindex(rows, columns, self.groups):
            seen_rows, seen_columns = self._seen(r, 0), self._seen(c, 1)
            inputs_of_group = slice(group * self.group_inputs, (group + 1) * self.group_inputs)
            window = image[:, seen_rows, seen_columns, inputs_of_group]
            outputs = slice(group * self.group_outputs, (group + 1) * self.group_outputs)
            result[:, r, c, outputs] = window.reshape(len(image), -1) @ values[outputs].T
        return result

    def _seen(self, place: int, axis: int) -> slice:
        """Return which rows (axis 0) or columns (axis 1) of the padded image a window sees at a place."""
        first = place * self.stride[axis]
        return slice(first, first + span(self.kernel[axis], self.dilation[axis]), self.dilation[axis])

    def work(self, *inputs: TensorType) -> Work:
        """Binary multiply-accumulates at every place, border positions included, and stored bits."""
        (source,) = inputs
        rows, columns = self.output_sides(source)
        work = dense_work(self.weights, source.element)
        return replace(work, binary_macs=work.binary_macs * rows * columns)
