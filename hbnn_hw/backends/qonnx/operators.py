"""What each operator of the IR becomes in QONNX. Images are (batch, channels, rows, columns) there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.qonnx.pieces import write_pieces
from hbnn_hw.backends.qonnx.thresholds import write_thresholds
from hbnn_hw.backends.qonnx.writer import EXACT_FLOAT32, Tensor, Writer, needs_double, reached
from hbnn_hw.errors import RangeError
from hbnn_hw.ops import (
    Add,
    Affine,
    Concat,
    Convolution,
    Dense,
    EncodeBitPlanes,
    Flatten,
    MaxPool,
    Mvtu,
    Op,
    Pad,
    PiecewiseAffine,
    Rescale,
    SumPool,
    Threshold,
    Unflatten,
    WidthConverter,
)
from hbnn_hw.types import TensorType
from hbnn_hw.weights import WeightPlanes


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where an operator stands: its name, the tensors and types that it reads, and the type that it makes."""

    name: str
    sources: tuple[Tensor, ...]
    inputs: tuple[TensorType, ...]
    output: TensorType

    def shape(self, batch: int) -> tuple[int, ...]:
        """Return the shape of its tensor."""
        return onnx_shape(batch, self.output)


Emitter: TypeAlias = Callable[[Writer, Any, Place], Tensor]
"""Writes the nodes of an operator."""


def onnx_shape(batch: int, value: TensorType) -> tuple[int, ...]:
    """Return the shape of a value's tensor: channels first."""
    if len(value.shape) != 3:
        return (batch, *value.shape)
    rows, columns, channels = value.shape
    return batch, channels, rows, columns


def _encode(writer: Writer, op: EncodeBitPlanes, place: Place) -> Tensor:
    (source,) = place.sources
    two = writer.numbers(f"{place.name}_two", np.array(2), double=False)
    bound = writer.numbers(f"{place.name}_bound", np.array((1 << op.n_bits) - 1), double=False)
    doubled = writer.node("Mul", [source, two], f"{place.name}_doubled", source.shape)
    return writer.node("Sub", [doubled, bound], place.name, source.shape)


def _unflatten(writer: Writer, op: Unflatten, place: Place) -> Tensor:
    shape = place.shape(writer.batch)
    wanted = writer.constant(f"{place.name}_shape", np.array([-1, *shape[1:]], dtype=np.int64))
    (source,) = place.sources
    return writer.node("Reshape", [source, wanted], place.name, shape, double=source.double)


def _flatten(writer: Writer, op: Flatten, place: Place) -> Tensor:
    (source,) = place.sources
    if len(source.shape) == 4 and prod(source.shape[2:]) > 1:
        batch, channels, rows, columns = source.shape
        source = writer.node(
            "Transpose",
            [source],
            f"{place.name}_channels_last",
            (batch, rows, columns, channels),
            double=source.double,
            perm=[0, 2, 3, 1],
        )
    return writer.node(
        "Flatten", [source], place.name, place.shape(writer.batch), double=source.double, axis=1
    )


def _quantized(writer: Writer, name: str, weights: WeightPlanes, values: NDArray[np.int64]) -> Tensor:
    """Write integer weights behind a quantizer that leaves them as they are but says what they are."""
    stored = writer.numbers(f"{name}_weight", values, double=False)
    one = writer.numbers(f"{name}_scale", np.array(1.0), double=False)
    output = f"{name}_quantized_weight"
    if weights.coefficients == (1,) and weights.row_coefficients is None and weights.is_homogeneous:
        return writer.node("BipolarQuant", [stored, one], output, values.shape)
    low, high = int(values.min()), int(values.max())
    bits = max(2, max(high, -low - 1).bit_length() + 1)
    zero = writer.numbers(f"{name}_zero_point", np.array(0.0), double=False)
    width = writer.numbers(f"{name}_bit_width", np.array(float(bits)), double=False)
    narrow = int(low > -(1 << (bits - 1)))
    return writer.node(
        "Quant",
        [stored, one, zero, width],
        output,
        values.shape,
        signed=1,
        narrow=narrow,
        rounding_mode="ROUND",
    )


def _check_sums(place: Place, weights: WeightPlanes, border: int = 0) -> None:
    """Raise RangeError if a partial sum could leave the range in which float32 is exact."""
    bound = reached(place.inputs[0].element)
    largest = int(weights.row_magnitudes().max()) * max(-bound.low, bound.high, abs(border))
    if largest >= EXACT_FLOAT32:
        raise RangeError(
            f"'{place.name}': sums could reach {largest}; in QONNX they must stay below 2**24, "
            "where float32 is exact; use fewer bits"
        )


def _dense(writer: Writer, op: Dense, place: Place) -> Tensor:
    return _matmul(writer, op.weights, place, place.name)


def _matmul(writer: Writer, weights: WeightPlanes, place: Place, output: str) -> Tensor:
    _check_sums(place, weights)
    source = writer.cast(place.sources[0], double=False)
    matrix = _quantized(writer, place.name, weights, weights.values().T)
    return writer.node("MatMul", [source, matrix], output, (writer.batch, weights.rows))


def _mvtu(writer: Writer, op: Mvtu, place: Place) -> Tensor:
    if op.thresholds is None:
        return _matmul(writer, op.weights, place, place.name)
    sums = _matmul(writer, op.weights, place, f"{place.name}_sums")
    return write_thresholds(writer, place.name, sums, op.thresholds, place.output)


def _threshold(writer: Writer, op: Threshold, place: Place) -> Tensor:
    return write_thresholds(writer, place.name, place.sources[0], op.thresholds, place.output)


def _convolution(writer: Writer, op: Convolution, place: Place) -> Tensor:
    _check_sums(place, op.weights, op.border)
    source = writer.cast(place.sources[0], double=False)
    padding = op.padding
    if op.border and any(padding):
        top, bottom, left, right = padding
        pads = (0, 0, top, left, 0, 0, bottom, right)
        source = _padded(writer, f"{place.name}_framed", source, pads, op.border)
        padding = (0, 0, 0, 0)
    values = op.weights.values().reshape(op.weights.rows, *op.kernel, op.group_inputs)
    kernel = _quantized(writer, place.name, op.weights, values.transpose(0, 3, 1, 2))
    top, bottom, left, right = padding
    return writer.node(
        "Conv",
        [source, kernel],
        place.name,
        place.shape(writer.batch),
        kernel_shape=list(op.kernel),
        strides=list(op.stride),
        dilations=list(op.dilation),
        pads=[top, left, bottom, right],
        group=op.groups,
    )


def _padded(writer: Writer, name: str, source: Tensor, pads: tuple[int, ...], value: int) -> Tensor:
    """Frame (batch, channels, rows, columns); ``pads`` are the widths before, then behind, each axis."""
    widths = writer.constant(f"{name}_widths", np.array(pads, dtype=np.int64))
    constant = writer.numbers(f"{name}_value", np.array(value), double=source.double)
    shape = tuple(n + first + last for n, first, last in zip(source.shape, pads[:4], pads[4:], strict=True))
    return writer.node("Pad", [source, widths, constant], name, shape, double=source.double, mode="constant")


def _pad(writer: Writer, op: Pad, place: Place) -> Tensor:
    top, bottom, left, right = op.padding
    before, after = op.channels
    pads = (0, before, top, left, 0, after, bottom, right)
    return _padded(writer, place.name, place.sources[0], pads, op.value)


def _max_pool(writer: Writer, op: MaxPool, place: Place) -> Tensor:
    (source,) = place.sources
    top, bottom, left, right = op.padding
    return writer.node(
        "MaxPool",
        [source],
        place.name,
        place.shape(writer.batch),
        double=source.double,
        kernel_shape=list(op.kernel),
        strides=list(op.stride),
        pads=[top, left, bottom, right],
    )


def _sum_pool(writer: Writer, op: SumPool, place: Place) -> Tensor:
    """Write a depthwise convolution with ones: a division and a product would round."""
    _check_pool(op, place)
    source = writer.cast(place.sources[0], double=False)
    channels = source.shape[1]
    ones = writer.numbers(f"{place.name}_ones", np.ones((channels, 1, *op.kernel)), double=False)
    top, bottom, left, right = op.padding
    return writer.node(
        "Conv",
        [source, ones],
        place.name,
        place.shape(writer.batch),
        kernel_shape=list(op.kernel),
        strides=list(op.stride),
        pads=[top, left, bottom, right],
        group=channels,
    )


def _check_pool(op: SumPool, place: Place) -> None:
    bound = reached(place.inputs[0].element)
    if prod(op.kernel) * max(-bound.low, bound.high) >= EXACT_FLOAT32:
        raise RangeError(f"'{place.name}': sums over windows must stay below 2**24 in QONNX")


def _add(writer: Writer, op: Add, place: Place) -> Tensor:
    double = needs_double(place.output.element)
    total, *others = (writer.cast(source, double=double) for source in place.sources)
    for index, other in enumerate(others, start=1):
        name = place.name if index == len(others) else f"{place.name}_sum"
        total = writer.node("Add", [total, other], name, total.shape, double=double)
    return total


def _concat(writer: Writer, op: Concat, place: Place) -> Tensor:
    double = any(source.double for source in place.sources)
    sources = [writer.cast(source, double=double) for source in place.sources]
    return writer.node("Concat", sources, place.name, place.shape(writer.batch), double=double, axis=1)


def _rescale(writer: Writer, op: Rescale, place: Place) -> Tensor:
    bound = reached(place.inputs[0].element)
    magnitude = max(-bound.low, bound.high)
    products = int(np.abs(op.multipliers).max()) * magnitude + int(np.abs(op.offsets).max())
    double = 2 * len(op.multipliers) * products >= EXACT_FLOAT32
    source = place.sources[0]
    wide = writer.cast(source, double=double or source.double)
    result = write_pieces(writer, place.name, wide, op.multipliers, op.offsets, op.knees)
    if op.shift:
        factor = writer.numbers(f"{place.name}_unit", np.array(2.0**-op.shift), double=result.double)
        shape = result.shape
        scaled = writer.node("Mul", [result, factor], f"{place.name}_scaled", shape, double=result.double)
        result = writer.node("Floor", [scaled], f"{place.name}_floor", shape, double=result.double)
    if result is source:
        return result
    return writer.cast(result, double=needs_double(place.output.element))


def _affine(writer: Writer, op: Affine, place: Place) -> Tensor:
    no_knees = np.empty((0, len(op.alpha)), dtype=np.int64)
    return _reals(writer, place, op.alpha[np.newaxis], op.beta[np.newaxis], no_knees)


def _piecewise_affine(writer: Writer, op: PiecewiseAffine, place: Place) -> Tensor:
    return _reals(writer, place, op.alpha, op.beta, op.knees)


def _reals(
    writer: Writer,
    place: Place,
    alpha: NDArray[np.float32],
    beta: NDArray[np.float32],
    knees: NDArray[np.int64],
) -> Tensor:
    """Write real numbers: in float32 at last, and before it where there is one piece."""
    source = place.sources[0]
    wide = writer.cast(source, double=len(alpha) > 1 or source.double)
    slopes, offsets = (c.astype(np.float64) for c in (alpha, beta))
    return writer.cast(write_pieces(writer, place.name, wide, slopes, offsets, knees), double=False)


def _same(writer: Writer, op: WidthConverter, place: Place) -> Tensor:
    return place.sources[0]


EMITTERS: Mapping[type[Op], Emitter] = {
    EncodeBitPlanes: _encode,
    Unflatten: _unflatten,
    Flatten: _flatten,
    Dense: _dense,
    Mvtu: _mvtu,
    Convolution: _convolution,
    Threshold: _threshold,
    MaxPool: _max_pool,
    SumPool: _sum_pool,
    Add: _add,
    Concat: _concat,
    Pad: _pad,
    Rescale: _rescale,
    Affine: _affine,
    PiecewiseAffine: _piecewise_affine,
    WidthConverter: _same,
}
"""How to write every operator that QONNX can express."""
