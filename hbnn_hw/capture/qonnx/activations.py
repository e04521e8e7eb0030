"""Quantizers of activations, and the functions that bend what they read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.capture.qonnx.lowering import Layer, Lowering
from hbnn_hw.capture.qonnx.quantizers import (
    WIDEST,
    Bipolar,
    Quantizer,
    Steps,
    Uniform,
    check_step,
    integer_range,
    is_bipolar,
    rounding_of,
)
from hbnn_hw.capture.qonnx.values import Constant, Reals, Value
from hbnn_hw.errors import CaptureError, ShapeError
from hbnn_hw.lowering.bends import clip, leak
from hbnn_hw.lowering.bisection import bisect_thresholds
from hbnn_hw.lowering.lines import Bend, Lines
from hbnn_hw.lowering.stages import Integers
from hbnn_hw.ops import Threshold

_UNIT, _ZERO = np.ones(1), np.zeros(1)
_SCALE_OF_SIGNS = Constant(np.ones(1))

UNBOUNDED = float(np.finfo(np.float32).max)
"""Limits of a Clip from this magnitude on are none; exporters write the largest float32."""


def quantizer_of(layer: Layer, value: Value, widest: int = WIDEST) -> Quantizer:
    """Return the quantizer that a node is, with constants for the value's channels."""
    node = layer.node
    if node.kind == "MultiThreshold":
        return _multi_threshold(layer, value)
    step = value.along_channels(layer.reals(1), f"the scale of {layer.title}")
    if node.kind in ("BipolarQuant", "Sign"):
        return _bipolar(layer, step, np.zeros(1))
    zero = value.along_channels(layer.reals(2), f"the zero point of {layer.title}")
    bit_width = layer.reals(3)
    if is_bipolar(node, bit_width):
        return _bipolar(layer, step, zero)
    check_step(node, step, zero)
    low, high = integer_range(node, bit_width, widest)
    return Uniform(step=step, zero=zero, low=low, high=high, rounding=rounding_of(node))


def _bipolar(layer: Layer, step: Reals, zero: Reals) -> Bipolar:
    check_step(layer.node, step, zero)
    return Bipolar(step=step, zero=np.broadcast_to(zero, step.shape))


def _multi_threshold(layer: Layer, value: Value) -> Steps:
    thresholds = layer.reals(1)
    if thresholds.ndim != 2 or thresholds.shape[1] >= 1 << WIDEST:
        raise CaptureError(
            f"the thresholds of {layer.title} must be (channels, up to {(1 << WIDEST) - 1}), "
            f"not {thresholds.shape}"
        )
    layout = layer.node.text("data_layout", "") or {2: "NC", 3: "NWC", 4: "NCHW"}[1 + len(value.axes)]
    axis = layout.index("C") if "C" in layout else 1
    channels, levels = thresholds.shape
    if channels == 1:
        table = np.broadcast_to(thresholds, (value.channels, levels))
    elif axis != value.channel_axis or channels != value.channels or value.rearranged:
        raise ShapeError(
            f"{layer.title} must have thresholds for 1 or {value.channels} channels along axis "
            f"{value.channel_axis}, not {channels} along axis {axis}"
        )
    else:
        table = thresholds if value.order is None else thresholds[value.order]
    scale, offset = layer.node.number("out_scale", 1.0), layer.node.number("out_bias", 0.0)
    if scale == 0:
        raise CaptureError(f"out_scale of {layer.title} must not be 0")
    return Steps(
        thresholds=table, scale=np.full(value.channels, scale), offset=np.full(value.channels, offset)
    )


def add_quantizer(lowering: Lowering, layer: Layer) -> Value:
    """Turn a quantizer, with all that stands between it and the integers before, into thresholds."""
    value = layer.input
    if not lowering.lines(value).is_monotone:
        value = lowering.integers(layer, value)
    lines = lowering.lines(value)
    quantizer = quantizer_of(layer, value)
    n_levels = (1 << quantizer.levels.bit_length()) - 1
    falling = quantizer.scale < 0

    def codes(x: NDArray[np.int64]) -> NDArray[np.int64]:
        found = quantizer.codes(lines.values_at(x))
        return np.where(falling, quantizer.levels - found, found)

    thresholds = bisect_thresholds(codes, lines.low, lines.high, lines.channels, n_levels)
    node = lowering.put(layer.name, Threshold(thresholds=thresholds), value.node)
    scale = np.abs(quantizer.scale)
    lowest = np.where(falling, quantizer.offset + quantizer.levels * quantizer.scale, quantizer.offset)
    return replace(value, node=node, stage=planes_stage(lowering, node, scale, lowest, n_levels))


def planes_stage(lowering: Lowering, node: str, scale: Reals, lowest: Reals, levels: int) -> Integers | Lines:
    """Return what planes ``2 · code - levels`` mean where code stands for ``scale · code + lowest``."""
    return lowering.straight(node, scale / 2.0, lowest + scale * (levels / 2.0))


def add_sign(lowering: Lowering, layer: Layer) -> Value:
    """Take a Sign as a BipolarQuant of scale 1, and say that its 0 has become +1."""
    lowering.notes.append(f"{layer.title} is taken as BipolarQuant: 0 becomes +1")
    one = Layer(layer.node, (layer.input, _SCALE_OF_SIGNS))
    return add_quantizer(lowering, one)


def add_bend(lowering: Lowering, layer: Layer) -> Value:
    """Bend what the integers stand for; costs nothing by itself."""
    value = layer.input
    return replace(value, stage=lowering.lines(value).then_bend(_bend(layer, value), layer.name))


def _bend(layer: Layer, value: Value) -> Bend:
    node = layer.node
    if node.kind == "Relu":
        return clip(0.0, None)
    if node.kind == "PRelu":
        return leak(value.along_channels(layer.reals(1), f"the slope of {layer.title}"))
    if node.kind == "LeakyRelu":
        return leak(np.array([node.number("alpha", 0.01)]))
    low, high = _limit(layer, 1, "min"), _limit(layer, 2, "max")
    if low is not None:
        return clip(low, high)
    if high is None:
        return Bend(at=(), slopes=(_UNIT,), offsets=(_ZERO,))
    top = np.array([high])
    return Bend(at=(top,), slopes=(_UNIT, _ZERO), offsets=(_ZERO, top))


def _limit(layer: Layer, index: int, attribute: str) -> float | None:
    """Return a limit of a Clip, which older files have as an attribute."""
    if attribute in layer.node.attributes:
        limit = layer.node.number(attribute, 0.0)
    elif layer.constant(index) is None:
        return None
    else:
        array = layer.reals(index)
        if array.size != 1:
            raise ShapeError(f"{attribute} of {layer.title} must be one number, not {array.shape}")
        limit = float(array.flat[0])
    return None if abs(limit) >= UNBOUNDED else limit
