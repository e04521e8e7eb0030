"""Convolutions in floating point: windows as matrices, a bounded number of images at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from hbnn_hw.backends.golden.products import Numbers, Product
from hbnn_hw.backends.golden.values import Floats, float_type
from hbnn_hw.ops import Convolution
from hbnn_hw.types import TensorType
from hbnn_hw.windows import pad, seen_by

LARGEST_MATRIX = 1 << 18
"""Numbers in a matrix of windows, which then stays in the second-level cache; one image may need more."""


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
        """Prepare the weights for inputs in a range; a border counts as an input."""
        if any(op.padding):
            numbers = Numbers(min(numbers.low, op.border), max(numbers.high, op.border))
        by_group = op.weights.values().reshape(op.groups, op.group_outputs, op.weights.columns)
        return cls(op, op.output_sides(source), tuple(Product.of(values, numbers) for values in by_group))

    def apply(self, images: Floats) -> Floats:
        """Convolve images (batch, rows, columns, in): the sums (batch, rows', columns', out)."""
        op = self.op
        dtype = np.result_type(*(product.dtype for product in self.products))
        result = np.empty((len(images), *self.sides, op.weights.rows), dtype=dtype)
        height = images.shape[1] + op.padding[0] + op.padding[1]
        numbers_per_image = height * self.sides[1] * op.kernel[1] * op.group_inputs
        step = max(1, LARGEST_MATRIX // numbers_per_image)
        for start in range(0, len(images), step):
            padded = images[start : start + step]
            if any(op.padding):
                padded = pad(padded, op.padding, op.border)
            for group, product in enumerate(self.products):
                first = group * op.group_inputs
                channels = padded[..., first : first + op.group_inputs]
                outputs = slice(group * op.group_outputs, (group + 1) * op.group_outputs)
                self._sum(product, channels, result[start : start + step, ..., outputs])
        return result

    def _sum(self, product: Product, images: Floats, result: Floats) -> None:
        """Write the sums of one group of channels over padded images (batch, rows, columns, in / groups).

        The windows of a kernel row lie side by side once, for all image rows; each kernel row takes its
        image rows from there, and its products add up.
        """
        row_windows = self._row_windows(product.operand(images))
        batch, places = len(images), self.sides[0] * self.sides[1]
        by_kernel_row = product.matrix.reshape(self.op.kernel[0], -1, product.width)
        sums = np.empty((batch, places, product.width), dtype=product.matrix.dtype)
        for i, weights in enumerate(by_kernel_row):
            last = i + self.op.stride[0] * (self.sides[0] - 1) + 1
            windows = row_windows[:, i : last : self.op.stride[0]].reshape(batch, places, -1)
            if i == 0:
                np.matmul(windows, weights, out=sums)
            else:
                sums += windows @ weights
        product.separate(sums.reshape(batch, *self.sides, product.width), result)

    def _row_windows(self, images: Floats) -> Floats:
        """Return what a kernel row sees at every column, (batch, rows, columns', kernel columns · in)."""
        batch, rows, _, channels = images.shape
        images = np.ascontiguousarray(images)
        by_image, by_row, by_column, item = images.strides
        # Channels are innermost, so what a kernel row sees is one run of numbers.
        windows = as_strided(
            images,
            (batch, rows, self.sides[1], self.op.kernel[1] * channels),
            (by_image, by_row, self.op.stride[1] * by_column, item),
            writeable=False,
        )
        return np.ascontiguousarray(windows)


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
    def of(cls, op: Convolution, source: TensorType) -> DepthwiseConvolution:
        """Prepare the weights in a dtype that holds all sums."""
        dtype = float_type(op.accumulators(source).high)
        weights = op.weights.values().T.reshape(*op.kernel, op.weights.rows).astype(dtype)
        return cls(op, op.output_sides(source), weights)

    def apply(self, images: Floats) -> Floats:
        """Convolve images (batch, rows, columns, in): the sums (batch, rows', columns', out)."""
        op = self.op
        result = np.zeros((len(images), *self.sides, op.weights.rows), dtype=self.weights.dtype)
        for start in range(len(images)):
            image = images[start : start + 1]
            if any(op.padding):
                image = pad(image, op.padding, op.border)
            if op.group_outputs > 1:
                image = np.repeat(image, op.group_outputs, axis=-1)
            for element in np.ndindex(*op.kernel):
                result[start : start + 1] += (
                    seen_by(image, element, op.stride, self.sides) * self.weights[element]
                )
        return result
