"""The fast form of every operator that has one; all others run as they are defined.

A maker looks at an operator and the types that it meets, and returns a :data:`Step`, or None for anything
that it does not know: another type of input, or an attribute that is newer than the maker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.golden.convolution import DepthwiseConvolution, FloatConvolution
from hbnn_hw.backends.golden.kernels import DotKernel, dot_packed, has_few_planes
from hbnn_hw.backends.golden.packed import PackedConvolution
from hbnn_hw.backends.golden.products import Numbers, Product
from hbnn_hw.backends.golden.tables import TableProduct
from hbnn_hw.backends.golden.values import Floats, Value, float_type, has_numbers, knows_all, largest_of
from hbnn_hw.ops import (
    Convolution,
    Dense,
    EncodeBitPlanes,
    Flatten,
    MaxPool,
    Mvtu,
    Op,
    Threshold,
    Thresholds,
    WidthConverter,
)
from hbnn_hw.ops.base import Array
from hbnn_hw.types import Integers, Planes, TensorType
from hbnn_hw.weights import WeightPlanes
from hbnn_hw.windows import output_sides, seen_by

Step: TypeAlias = Callable[..., Value]
"""Computes a node's value from the values that it reads."""

KernelOf: TypeAlias = Callable[[WeightPlanes, Planes, int], DotKernel]
"""Chooses the kernel of one layer; see :func:`~hbnn_hw.backends.golden.kernels.choose_kernel`."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where an operator with one input stands.

    Attributes
    ----------
    source, result
        Types of what it reads and makes.
    kernel_of
        Chooses the kernel of its dot products.
    """

    source: TensorType
    result: TensorType
    kernel_of: KernelOf


def step_of(op: Op, sources: tuple[TensorType, ...], result: TensorType, kernel_of: KernelOf) -> Step:
    """Return the fastest way to compute one node.

    Parameters
    ----------
    op
        The operator.
    sources, result
        Types of what it reads and makes.
    kernel_of
        Chooses the kernel of each dot product.
    """
    maker = _MAKERS.get(type(op))
    step = maker(op, Site(sources[0], result, kernel_of)) if maker and len(sources) == 1 else None
    return step or partial(_as_defined, op)


def _as_defined(op: Op, *values: Value) -> Value:
    result = op.run(*(value.tensor() for value in values))
    return Value(result.type, data=result.data)


def _packable(weights: WeightPlanes, source: TensorType) -> Planes | None:
    """Return the input's planes if packed words know all of them and of the weights."""
    if not isinstance(source.element, Planes) or not knows_all(source.element, "scales"):
        return None
    return source.element if weights.row_coefficients is None else None


def _numbers_of(source: TensorType) -> Numbers | None:
    """Return what the elements of an input can be, or None if they are not known here to be such numbers."""
    element = source.element
    if isinstance(element, Planes):
        # An element without a plane may be even, so its numbers are any in the range.
        whole = Numbers(-element.largest, element.largest)
        return Numbers.of_planes(element) if element.mask is None else whole
    return Numbers(element.low, element.high) if isinstance(element, Integers) else None


def _knows_weights(weights: WeightPlanes) -> bool:
    return knows_all(weights, "bits", "masks", "coefficients", "columns", "row_coefficients", "encoding")


def _dot_step(weights: WeightPlanes, at: Site) -> Step | None:
    """Return the step from an input vector to its dot products."""
    numbers, sums = _numbers_of(at.source), at.result
    if numbers is None or not _knows_weights(weights):
        return None
    planes = _packable(weights, at.source)
    kernel = at.kernel_of(weights, planes, weights.columns) if planes else DotKernel.FLOAT32
    if planes and kernel is DotKernel.NUMBA and has_few_planes(weights, planes):
        packed = PackedConvolution.of_dense(weights, planes)
        return lambda x: Value(sums, numbers=packed.apply(x.words()[:, :, None, None])[:, 0, 0])
    if kernel is DotKernel.PACKED:
        return lambda x: Value(sums, data=dot_packed(weights, x.planes, x.data()))
    tables = TableProduct.of(weights.values(), numbers) if kernel is DotKernel.NUMBA else None
    product = tables or Product.of(weights.values(), numbers)
    return lambda x: Value(sums, numbers=product.apply(x.numbers()))


def _dense(op: Dense, at: Site) -> Step | None:
    return _dot_step(op.weights, at) if knows_all(op, "weights") else None


def _mvtu(op: Mvtu, at: Site) -> Step | None:
    known = knows_all(op, "weights", "thresholds", "folding", "groups", "window")
    if not known or op.groups > 1 or len(at.source.shape) != 1:
        return None
    sums = Dense(weights=op.weights).infer(at.source)
    dot = _dot_step(op.weights, replace(at, result=sums))
    if dot is None or op.thresholds is None:
        return dot
    compare = _compare_step(op.thresholds, replace(at, source=sums))
    return (lambda x: compare(dot(x))) if compare else None


def _convolution(op: Convolution, at: Site) -> Step | None:
    numbers, source = _numbers_of(at.source), at.source
    known = knows_all(op, "weights", "kernel", "stride", "padding", "border", "groups", "dilation")
    if numbers is None or not known or not _knows_weights(op.weights) or len(source.shape) != 3:
        return None
    if _is_packed(op, at):
        packed = PackedConvolution.of(op, source)
        return lambda x: Value(at.result, numbers=packed.apply(x.words()))
    depthwise = op.group_inputs == 1 and op.groups > 1
    kind = DepthwiseConvolution if depthwise else FloatConvolution
    fast = kind.of(op, source, numbers)
    return lambda x: Value(at.result, numbers=fast.apply(x))


def _is_packed(op: Convolution, at: Site) -> bool:
    """Whether the compiled kernel on packed words takes a convolution."""
    planes = _packable(op.weights, at.source)
    if planes is None or op.groups > 1 or op.dilation != (1, 1) or not has_few_planes(op.weights, planes):
        return False
    return at.kernel_of(op.weights, planes, op.group_inputs) is DotKernel.NUMBA


def _compare_step(thresholds: Thresholds, at: Site) -> Step | None:
    """Return the step from integers to the bits of their codes."""
    source, result = at.source, at.result
    if not knows_all(thresholds, "table", "inverted") or result.element != thresholds.output:
        return None
    if not (isinstance(source.element, Integers) and has_numbers(source) and has_numbers(result)):
        return None
    largest = largest_of(source.element)
    # Beyond the reachable integers a threshold may be anything; inside, floats hold it exactly.
    table = np.clip(thresholds.table, -largest, largest + 1).astype(float_type(largest))
    # A whole row of an image at a time makes longer loops than one pixel's channels.
    levels = [np.tile(level, (*source.shape[-2:-1], 1)) for level in table.T]
    inverted = np.tile(thresholds.inverted, (*source.shape[-2:-1], 1))
    any_inverted = bool(inverted.any())

    def fires(numbers: Floats, level: int) -> NDArray[np.bool_]:
        passed: NDArray[np.bool_] = numbers >= levels[level]
        return np.not_equal(passed, inverted, out=passed) if any_inverted else passed

    def one_bit(x: Value) -> Value:
        return Value(result, data=fires(x.numbers(), 0).view(np.uint8)[:, np.newaxis])

    def code(x: Value) -> Value:
        numbers = np.full(x.numbers().shape, -thresholds.levels, dtype=np.float32)
        for level in range(thresholds.levels):
            np.add(numbers, 2, out=numbers, where=fires(x.numbers(), level))
        return Value(result, numbers=numbers)

    return one_bit if thresholds.n_bits == 1 else code


def _threshold(op: Threshold, at: Site) -> Step | None:
    return _compare_step(op.thresholds, at) if knows_all(op, "thresholds", "lanes") else None


def _max_pool(op: MaxPool, at: Site) -> Step | None:
    source, result = at.source, at.result
    known = knows_all(op, "kernel", "stride", "padding", "smallest")
    if not known or len(source.shape) != 3 or not has_numbers(source):
        return None
    assert isinstance(source.element, Planes | Integers)
    top, bottom, left, right = op.padding
    rows = source.shape[0] + top + bottom
    columns = output_sides((rows, source.shape[1] + left + right), (1, op.kernel[1]), (1, op.stride[1]))
    sides = (result.shape[0], result.shape[1])
    never = -largest_of(source.element) - 1

    def maximum(image: Array, never: int) -> Array:
        if any(op.padding):
            frame = [(0, 0)] * (image.ndim - 3) + [(top, bottom), (left, right), (0, 0)]
            image = np.pad(image, frame, constant_values=never)
        # First along the columns, then along the rows: fewer comparisons than of whole windows.
        best = seen_by(image, (0, 0), (1, op.stride[1]), columns)
        for j in range(1, op.kernel[1]):
            best = np.maximum(best, seen_by(image, (0, j), (1, op.stride[1]), columns))
        wide = best
        best = seen_by(wide, (0, 0), (op.stride[0], 1), sides)
        for i in range(1, op.kernel[0]):
            best = np.maximum(best, seen_by(wide, (i, 0), (op.stride[0], 1), sides))
        return np.ascontiguousarray(best)

    if isinstance(source.element, Planes) and source.element.n_planes == 1:
        if op.smallest is None:
            return lambda x: Value(result, data=maximum(x.data(), 0))
        flips = op.smallest.view(np.uint8)
        return lambda x: Value(result, data=maximum(x.data() ^ flips, 0) ^ flips)
    if op.smallest is None:
        return lambda x: Value(result, numbers=maximum(x.numbers(), never))
    signs = np.where(op.smallest, -1, 1).astype(float_type(largest_of(source.element)))
    return lambda x: Value(result, numbers=maximum(x.numbers() * signs, never) * signs)


def _encode(op: EncodeBitPlanes, at: Site) -> Step | None:
    result = at.result
    if not knows_all(op, "n_bits", "lanes") or not has_numbers(result):
        return None
    largest = (1 << op.n_bits) - 1

    def step(x: Value) -> Value:
        codes = np.bitwise_and(x.data().astype(np.int64, copy=False), largest)
        numbers = np.multiply(codes, 2, dtype=np.float32)
        numbers -= largest
        return Value(result, numbers=numbers)

    return step


def _reshaped(op: Op, at: Site) -> Step | None:
    return (lambda x: x.reshaped(at.result)) if knows_all(op, "lanes_from", "lanes_to") else None


_MAKERS: Mapping[type[Op], Callable[..., Step | None]] = MappingProxyType(
    {
        Convolution: _convolution,
        Dense: _dense,
        EncodeBitPlanes: _encode,
        Flatten: _reshaped,
        MaxPool: _max_pool,
        Mvtu: _mvtu,
        Threshold: _threshold,
        WidthConverter: _reshaped,
    }
)
