"""Convolutions in floating point: windows as matrices, a bounded number of images at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from hbnn_hw.backends.golden.products import Numbers, Product, largest_sum
from hbnn_hw.backends.golden.values import Floats, Value, float_type
from hbnn_hw.ops import Convolution
from hbnn_hw.types import TensorType
from hbnn_hw.windows import pad, seen_by

LARGEST_MATRIX = 1 << 19
"""Numbers in a matrix of windows (2 MiB in float32); one row of windows may need more."""


def with_border(op: Convolution, numbers: Numbers) -> Numbers:
    """Return what inputs and the border around them can be."""
    if not any(op.padding):
        return numbers
    return Numbers(min(numbers.low, op.border), max(numbers.high, op.border))


@dataclass(frozen=True, slots=True, eq=False)
class FloatConvolution:
    """Exact sums of a convolution, by matrix products.

    Attributes
    ----------
    op
        The convolution.
    sides
        (rows, columns) of the output.
    products
        One for each group of channels, for all kernel rows together: the columns of its weights run through
        (kernel row, kernel column, channel).
    """

    op: Convolution
    sides: tuple[int, int]
    products: tuple[Product, ...]

    @classmethod
    def of(cls, op: Convolution, source: TensorType, numbers: Numbers) -> FloatConvolution:
        """Prepare the weights for inputs in a range."""
        numbers = with_border(op, numbers)
        by_group = op.weights.values().reshape(op.groups, op.group_outputs, op.weights.columns)
        return cls(op, op.output_sides(source), tuple(Product.of(values, numbers) for values in by_group))

    def apply(self, images: Value) -> Floats:
        """Convolve images (rows, columns, in): the sums (batch, rows', columns', out)."""
        op = self.op
        dtype = np.result_type(*(product.dtype for product in self.products))
        result = np.empty((len(images), *self.sides, op.weights.rows), dtype=dtype)
        step = max(1, LARGEST_MATRIX // (self.sides[0] * self.sides[1] * op.weights.columns))
        for start in range(0, len(images), step):
            padded = images.part(start, start + step).numbers()
            if any(op.padding):
                padded = pad(padded, op.padding, op.border)
            for group, product in enumerate(self.products):
                first = group * op.group_inputs
                channels = padded[..., first : first + op.group_inputs]
                outputs = slice(group * op.group_outputs, (group + 1) * op.group_outputs)
                self._sum(product, channels, result[start : start + step, ..., outputs])
        return result

    def _sum(self, product: Product, images: Floats, result: Floats) -> None:
        """Write the sums of one group over padded images, some rows of windows at a time."""
        windows = self._windows(np.ascontiguousarray(product.operand(images)))
        step = max(1, LARGEST_MATRIX // (len(images) * self.sides[1] * self.op.weights.columns))
        for top in range(0, self.sides[0], step):
            band = windows[:, top : top + step]
            sums = band.reshape(-1, self.op.weights.columns) @ product.matrix
            product.separate(sums.reshape(*band.shape[:3], product.width), result[:, top : top + step])

    def _windows(self, images: Floats) -> Floats:
        """Return what the kernel sees at every place, as a view.

        Channels are innermost, so without dilation each row of a window is one run of numbers: the view is
        (batch, rows', columns', kernel rows, kernel columns · in), else (..., kernel columns, in).
        """
        op, (by_image, by_row, by_column, item) = self.op, images.strides
        places = by_image, op.stride[0] * by_row, op.stride[1] * by_column
        window: tuple[int, ...] = op.kernel[0], op.kernel[1] * op.group_inputs
        steps: tuple[int, ...] = op.dilation[0] * by_row, item
        if op.dilation[1] > 1:
            window = *op.kernel, op.group_inputs
            steps = op.dilation[0] * by_row, op.dilation[1] * by_column, item
        shape = len(images), *self.sides, *window
        return as_strided(images, shape, (*places, *steps), writeable=False)


@dataclass(frozen=True, slots=True, eq=False)
class DepthwiseConvolution:
    """Exact sums of a convolution whose groups have one input channel each: nothing but multiply and add.

    Attributes
    ----------
    op
        The convolution.
    sides
        (rows, columns) of the output.
    weights
        Floats (kernel rows, kernel columns, out).
    """

    op: Convolution
    sides: tuple[int, int]
    weights: Floats

    @classmethod
    def of(cls, op: Convolution, source: TensorType, numbers: Numbers) -> DepthwiseConvolution:
        """Prepare the weights in a dtype that holds all sums."""
        values = op.weights.values()
        dtype = float_type(largest_sum(values, with_border(op, numbers).largest))
        return cls(op, op.output_sides(source), values.T.reshape(*op.kernel, -1).astype(dtype))

    def apply(self, images: Value) -> Floats:
        """Convolve images (rows, columns, in): the sums (batch, rows', columns', out)."""
        op = self.op
        result = np.zeros((len(images), *self.sides, op.weights.rows), dtype=self.weights.dtype)
        for start in range(len(images)):
            image = images.part(start, start + 1).numbers()
            if any(op.padding):
                image = pad(image, op.padding, op.border)
            if op.group_outputs > 1:
                image = np.repeat(image, op.group_outputs, axis=-1)
            for element in np.ndindex(*op.kernel):
                result[start : start + 1] += (
                    seen_by(image, _pixel(op, element), op.stride, self.sides) * self.weights[element]
                )
        return result


def _pixel(op: Convolution, element: tuple[int, ...]) -> tuple[int, int]:
    """Return which pixel (row, column) of a window an element of the kernel meets."""
    return element[0] * op.dilation[0], element[1] * op.dilation[1]
