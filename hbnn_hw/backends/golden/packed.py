"""Dense layers and convolutions on packed words, for the compiled kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.golden.convolution import FloatConvolution, with_border
from hbnn_hw.backends.golden.products import Numbers, largest_sum
from hbnn_hw.backends.golden.values import Floats, Value, float_type
from hbnn_hw.ops import Convolution
from hbnn_hw.planes import Words, pack
from hbnn_hw.types import Planes, TensorType
from hbnn_hw.weights import WeightPlanes


@dataclass(frozen=True, slots=True, eq=False)
class PackedConvolution:
    """Exact sums of a convolution without groups, by counting unequal bits.

    Bits around the image are 0, which stands for the smallest value; what another border adds to that
    depends on the place alone.

    Attributes
    ----------
    weights, masks
        uint64 (weight planes, words of a window, out); the masks are empty if all bits are there.
    scales
        int64 (weight planes, input planes): ``c_p a_q``.
    geometry
        (kernel rows, kernel columns, stride down, stride right).
    padding
        (top, bottom, left, right).
    equal
        int32 (1 or rows', 1 or columns', out): the sum where all bits are equal, border included.
    sides
        (rows, columns) of the output.
    dtype
        Float type that holds the sums.
    """

    weights: Words
    masks: Words
    scales: NDArray[np.int64]
    geometry: tuple[int, int, int, int]
    padding: tuple[int, ...]
    equal: NDArray[np.int32]
    sides: tuple[int, int]
    dtype: type[np.floating[Any]]

    @classmethod
    def of(cls, op: Convolution, source: TensorType) -> PackedConvolution:
        """Prepare the weights for an image of planes."""
        planes = source.element
        assert isinstance(planes, Planes)
        numbers = with_border(op, Numbers.of_planes(planes))
        equal = op.weights.row_offsets(planes.scales)[np.newaxis, np.newaxis]
        if any(op.padding) and op.border != -planes.largest:
            equal = equal + (op.border + planes.largest) * _weights_on_border(op, source)
        return cls(
            weights=_words_of_windows(op.weights, op.weights.unpacked_bits(), op.group_inputs),
            masks=_masks_of_windows(op.weights, op.group_inputs),
            scales=np.outer(op.weights.coefficients, planes.scales).astype(np.int64),
            geometry=(op.kernel[0], op.kernel[1], op.stride[0], op.stride[1]),
            padding=op.padding,
            equal=equal.astype(np.int32),
            sides=op.output_sides(source),
            dtype=float_type(largest_sum(op.weights.values(), numbers.largest)),
        )

    @classmethod
    def of_dense(cls, weights: WeightPlanes, source: Planes) -> PackedConvolution:
        """Prepare a dense layer: a window of one pixel."""
        op = Convolution(weights=weights, kernel=(1, 1))
        return cls.of(op, TensorType((1, 1, weights.columns), source))

    def apply(self, words: Words) -> Floats:
        """Convolve words (batch, planes, rows, columns, words): the sums (batch, rows', columns', out)."""
        from hbnn_hw.backends.golden.compiled import differences  # needs the extra; slow to import

        if any(self.padding):
            top, bottom, left, right = self.padding
            words = np.pad(words, ((0, 0), (0, 0), (top, bottom), (left, right), (0, 0)))
        result = np.empty((len(words), *self.sides, self.weights.shape[2]), dtype=np.int32)
        result[...] = self.equal
        differences(words, self.weights, self.masks, self.scales, self.geometry, result)
        return result.astype(self.dtype)


def _words_of_windows(weights: WeightPlanes, bits: NDArray[np.uint8], channels: int) -> Words:
    """Pack the bits of every pixel apart, as images are: uint64 (planes, pixels · words, out)."""
    by_pixel = bits.reshape(weights.n_planes, weights.rows, -1, channels)
    words = pack(by_pixel).reshape(weights.n_planes, weights.rows, -1)
    return np.ascontiguousarray(words.transpose(0, 2, 1))


def _masks_of_windows(weights: WeightPlanes, channels: int) -> Words:
    if weights.is_homogeneous:
        return np.empty((weights.n_planes, 0, 0), dtype=np.uint64)
    return _words_of_windows(weights, weights.unpacked_masks(), channels)


def _weights_on_border(op: Convolution, source: TensorType) -> NDArray[np.int64]:
    """Sum the weights that stand on the border at every place: int64 (rows', columns', out)."""
    counter = Convolution(
        weights=op.weights, kernel=op.kernel, stride=op.stride, padding=op.padding, border=1, groups=op.groups
    )
    inside = Value(source, numbers=np.zeros((1, *source.shape), dtype=np.float32))
    sums: NDArray[np.int64] = (
        FloatConvolution.of(counter, source, Numbers(0, 0)).apply(inside)[0].astype(np.int64)
    )
    return sums
