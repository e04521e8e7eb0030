"""Where branches come together: sums and concatenations, on one scale."""

from __future__ import annotations

import math
from math import prod

import numpy as np
from torch import nn

from hbnn_hw.errors import CaptureError, ShapeError
from hbnn_hw.lowering.fixed_point import root_mean_square, step_for
from hbnn_hw.lowering.lines import Lines, beside
from hbnn_hw.lowering.stages import Integers, Value
from hbnn_hw.nn.deploy.lowering import Layer, Lowering
from hbnn_hw.nn.deploy.shapes import image_of, pooled_sides, pooling_window
from hbnn_hw.nn.deployed_scale import DeployedSumPool2d
from hbnn_hw.nn.structure import Add, Concat


def add_sum(lowering: Lowering, layer: Layer) -> Value:
    """Sum integers on one scale; what is not on it yet is rounded to it.

    The step is one that an operand has already, if that is fine enough for the sum's spread: the stream of
    a residual network keeps its scale from block to block, so that shortcuts are never rounded again.
    """
    values = layer.inputs
    if len(values) < 2 or any(value.shape is None or value.shape != values[0].shape for value in values):
        shapes = ", ".join(str(value.shape) for value in values)
        raise ShapeError(f"{layer.title} must add two or more values of one shape, not {shapes}")
    spreads = [root_mean_square(lowering.lines(layer, value).spread) for value in values]
    spread = math.sqrt(sum(s * s for s in spreads))
    step = _common_step(values, step_for(np.array([spread]), lowering.scale_error))
    parts = [lowering.integers(layer, value, step) for value in values]
    node = lowering.put(layer.name, Add(), *(part.node for part in parts))
    stages = [part.stage for part in parts if isinstance(part.stage, Integers)]
    low, high = sum(s.low for s in stages), sum(s.high for s in stages)
    return Value(node, Integers(scale=step, low=low, high=high, spread=spread), values[0].shape)


def _common_step(values: tuple[Value, ...], finest: float) -> float:
    """Return the coarsest step of an operand that is fine enough, else ``finest``."""
    steps = [v.stage.scale for v in values if isinstance(v.stage, Integers) and v.stage.offset == 0]
    return max((step for step in steps if step <= finest), default=finest)


def add_concat(lowering: Lowering, layer: Layer) -> Value:
    """Put channels behind one another: functions of integers as they are, integers on one scale."""
    values = layer.inputs
    shapes = [value.shape for value in values if value.shape is not None]
    if len(shapes) < max(2, len(values)) or any(shape[1:] != shapes[0][1:] for shape in shapes):
        found = ", ".join(str(value.shape) for value in values)
        raise ShapeError(f"{layer.title} must join two or more values of equal sides, not {found}")
    functions = [lowering.lines(layer, value) for value in values]
    stages = [value.stage for value in values]
    shape = (sum(f.channels for f in functions), *shapes[0][1:])
    node = lowering.put(layer.name, Concat(), *(value.node for value in values))
    plain = [stage for stage in stages if isinstance(stage, Integers)]
    if len(plain) == len(stages) and len({(s.scale, s.offset) for s in plain}) == 1:
        low, high = min(s.low for s in plain), max(s.high for s in plain)
        spread = max(s.spread for s in plain)
        joined = Integers(scale=plain[0].scale, low=low, high=high, spread=spread, offset=plain[0].offset)
        return Value(node, joined, shape)
    as_lines = beside(functions)
    value = Value(node, as_lines, shape)
    # Layers with weights read what was quantized, so codes on different scales become integers on one.
    return lowering.integers(layer, value) if len(plain) == len(stages) else value


def add_average_pool(lowering: Lowering, layer: Layer) -> Value:
    """Sum integers over windows; the division goes into their scale."""
    module = layer.module
    assert isinstance(module, nn.AvgPool1d | nn.AvgPool2d)
    image = image_of(layer)
    kernel, stride, padding = pooling_window(module)
    _check_plain_average(layer, module, padded=any(padding))
    value, n = layer.input, prod(kernel)
    divisor = getattr(module, "divisor_override", None) or n
    lines = lowering.lines(layer, value)
    shape = (image[0], *pooled_sides(layer))
    needs_integers = not lines.is_straight or (any(padding) and bool((lines.offsets != 0).any()))
    if needs_integers:
        value = lowering.integers(layer, value)
    node = lowering.put(layer.name, DeployedSumPool2d(kernel, stride, padding), value.node)
    stage = value.stage
    if isinstance(stage, Integers):
        low, high = (min(stage.low, 0), max(stage.high, 0)) if any(padding) else (stage.low, stage.high)
        mean = Integers(
            scale=stage.scale / divisor,
            low=low * n,
            high=high * n,
            spread=stage.spread * n / divisor,
            offset=stage.offset * n / divisor,
        )
        return Value(node, mean, shape)
    factor = np.full(lines.channels, 1.0 / divisor)
    reached = n * min(lines.low, 0), n * max(lines.high, 0)
    sums = Lines.straight(lines.slopes[0], lines.offsets[0] * n, reached, lines.spread * n)
    return Value(node, sums.then_affine(factor, np.zeros(lines.channels), None), shape)


def _check_plain_average(layer: Layer, module: nn.AvgPool1d | nn.AvgPool2d, *, padded: bool) -> None:
    if module.ceil_mode or (padded and not module.count_include_pad):
        raise CaptureError(
            f"{layer.title} must have no ceil_mode, and count_include_pad where it is padded, so that all "
            "its windows have one size"
        )
