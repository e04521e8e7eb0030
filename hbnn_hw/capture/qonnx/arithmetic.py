"""Sums, products with constants and normalizations: affine functions of what the integers stand for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hbnn_hw.capture.qonnx.lowering import Layer, Lowering
from hbnn_hw.capture.qonnx.values import Constant, Reals, Value
from hbnn_hw.errors import CaptureError, ShapeError
from hbnn_hw.lowering.common_step import common_step
from hbnn_hw.lowering.fixed_point import is_whole
from hbnn_hw.ops import Add, Rescale


def then_affine(lowering: Lowering, layer: Layer, value: Value, slope: Reals, offset: Reals) -> Value:
    """Apply ``slope · y + offset`` per channel to the real values."""
    lines = lowering.lines(value).then_affine(slope, offset, layer.name)
    if not (np.isfinite(lines.slopes).all() and np.isfinite(lines.offsets).all()):
        raise CaptureError(f"what {layer.title} computes must be finite")
    if not lines.is_straight:
        return replace(value, stage=lines)
    return replace(value, stage=lowering.straight(value.node, lines.slopes[0], lines.offsets[0]))


def add_sum(lowering: Lowering, layer: Layer) -> Value:
    """Add a constant to what the integers stand for, or two branches."""
    sign = -1.0 if layer.node.kind == "Sub" else 1.0
    first, second = _operands(layer)
    if isinstance(first, Value) and isinstance(second, Value):
        if sign < 0:
            second = then_affine(lowering, layer, second, -np.ones(second.channels), np.zeros(1))
        return _sum_of_branches(lowering, layer, first, second)
    if isinstance(first, Value):
        assert isinstance(second, Constant)
        return _with_constant(lowering, layer, first, second.reals, 1.0, sign)
    assert isinstance(second, Value)
    return _with_constant(lowering, layer, second, first.reals, sign, 1.0)


def _with_constant(
    lowering: Lowering, layer: Layer, value: Value, constant: Reals, slope: float, factor: float
) -> Value:
    offset = value.along_channels(constant, f"the constant of {layer.title}")
    return then_affine(lowering, layer, value, np.full(value.channels, slope), factor * offset)


def _operands(layer: Layer) -> tuple[Value | Constant, Value | Constant]:
    if len(layer.inputs) != 2 or None in layer.inputs:
        raise CaptureError(f"{layer.title} must have two inputs, not {len(layer.inputs)}")
    first, second = layer.inputs
    assert first is not None
    assert second is not None
    return first, second


def _sum_of_branches(lowering: Lowering, layer: Layer, first: Value, second: Value) -> Value:
    """Sum integers on one scale; offsets are added up beside them.

    The step divides all slopes of both exactly wherever the integers stay small enough, so operands that a
    quantizer of one scale made are summed as they are.
    """
    parts = (first, second)
    if first.shape != second.shape or first.axes != second.axes or any(p.rearranged for p in parts):
        raise ShapeError(
            f"{layer.title} must add tensors of one shape, not {first.onnx_shape} and {second.onnx_shape}"
        )
    if not _same_order(first, second):
        raise CaptureError(f"{layer.title} must add vectors of one order; flatten behind the sum")
    lines = [lowering.lines(part) for part in parts]
    bent = any(not line.is_straight for line in lines)
    step = common_step(lines, with_offsets=bent)
    offset = np.zeros(first.channels)
    nodes = []
    for part, line in zip(parts, lines, strict=True):
        centred = part
        if not bent:
            offset = offset + line.offsets[0]
            centred = then_affine(lowering, layer, part, np.ones(part.channels), -line.offsets[0])
        on_step = (lowering.lines(centred).slopes == step).all() and not bent
        nodes.append(centred.node if on_step else lowering.on_step(layer, centred, step).node)
    node = lowering.put(layer.name, Add(), *nodes)
    return replace(first, node=node, stage=lowering.straight(node, np.full(first.channels, step), offset))


def _same_order(first: Value, second: Value) -> bool:
    if first.order is None or second.order is None:
        return first.order is second.order
    return np.array_equal(first.order, second.order)


def add_product(lowering: Lowering, layer: Layer) -> Value:
    """Multiply or divide what the integers stand for by a constant."""
    first, second = _operands(layer)
    if layer.node.kind == "Mul" and isinstance(second, Value):
        first, second = second, first
    if not isinstance(first, Value) or not isinstance(second, Constant):
        raise CaptureError(f"{layer.title} must be a product or quotient with a constant")
    factor = first.along_channels(second.reals, f"the constant of {layer.title}")
    if not np.isfinite(factor).all() or (layer.node.kind == "Div" and (factor == 0).any()):
        raise CaptureError(f"the constant of {layer.title} must be finite, and not 0 in a quotient")
    slope = factor if layer.node.kind == "Mul" else 1.0 / factor
    return then_affine(lowering, layer, first, slope, np.zeros(first.channels))


def add_negative(lowering: Lowering, layer: Layer) -> Value:
    """Change the sign of what the integers stand for."""
    value = layer.input
    return then_affine(lowering, layer, value, -np.ones(value.channels), np.zeros(value.channels))


def add_floor(lowering: Lowering, layer: Layer) -> Value:
    """Round down what is a whole number of some 2**-shift: a product in fixed point."""
    value = layer.input
    lines = lowering.lines(value)
    constants = np.concatenate([lines.slopes, lines.offsets])
    exact = (shift for shift in range(52) if is_whole(constants, shift))
    shift = next(exact, None)
    if shift is None:
        raise CaptureError(f"{layer.title} must round numbers in fixed point, multiples of a power of two")
    op = Rescale(
        multipliers=(lines.slopes * 2.0**shift).astype(np.int64),
        offsets=(lines.offsets * 2.0**shift).astype(np.int64),
        knees=lines.knees,
        shift=shift,
    )
    node = lowering.put(layer.name, op, value.node)
    unit, none = np.ones(value.channels), np.zeros(value.channels)
    return replace(value, node=node, stage=lowering.straight(node, unit, none))


def add_batchnorm(lowering: Lowering, layer: Layer) -> Value:
    """Fold a normalization with its running statistics into an affine."""
    value = layer.plain()
    shape = (1, -1) + (1,) * (len(value.axes) - 1)
    weight, bias, mean, variance = (
        value.along_channels(layer.reals(i).reshape(shape), f"input {i} of {layer.title}")
        for i in range(1, 5)
    )
    variance = variance + layer.node.number("epsilon", 1e-5)
    if not (variance > 0).all():
        raise CaptureError(f"variance + epsilon of {layer.title} must be positive")
    slope = weight / np.sqrt(variance)
    return then_affine(lowering, layer, value, slope, bias - mean * slope)
