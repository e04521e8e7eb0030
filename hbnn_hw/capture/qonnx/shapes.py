"""Nodes that move values."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from hbnn_hw.capture.qonnx.lowering import Layer, Lowering
from hbnn_hw.capture.qonnx.values import Constant, DepthToSpace, Value, flatten_order, whole
from hbnn_hw.errors import CaptureError, ShapeError
from hbnn_hw.lowering.lines import Lines, beside
from hbnn_hw.lowering.stages import Integers
from hbnn_hw.ops import Concat, Flatten, Pad, Unflatten


def skip(lowering: Lowering, layer: Layer) -> Value:
    """Drop a node that does nothing in inference."""
    return layer.input


def add_shape(lowering: Lowering, layer: Layer) -> Constant:
    """Return the shape of a tensor, of which one sample is taken."""
    return Constant(np.array([1, *layer.input.onnx_shape], dtype=np.float64))


def add_flatten(lowering: Lowering, layer: Layer) -> Value:
    """Make vectors of images."""
    value = layer.plain()
    if layer.node.integer("axis", 1) not in (1, -len(value.axes)):
        raise CaptureError(f"axis of {layer.title} must be 1, which keeps the batch")
    return flattened(lowering, layer, value)


def flattened(lowering: Lowering, layer: Layer, value: Value) -> Value:
    """Make vectors of images; what is one already stays."""
    if len(value.shape) == 1:
        return value
    pixels = value.shape[0] * value.shape[1]
    stage = value.stage
    if isinstance(stage, Lines):
        stage = Lines(
            slopes=np.tile(stage.slopes, pixels),
            offsets=np.tile(stage.offsets, pixels),
            knees=np.tile(stage.knees, pixels),
            low=stage.low,
            high=stage.high,
            spread=np.tile(stage.spread, pixels),
            label=stage.label,
        )
    node = lowering.put(layer.name, Flatten(), value.node)
    return Value(node, stage, (prod(value.shape),), (0,), flatten_order(value))


def add_reshape(lowering: Lowering, layer: Layer) -> Value:
    """Make vectors of images, or images of the input's vectors; nothing else has a meaning in hardware."""
    value = layer.plain()
    wanted = _wanted_shape(layer, value)
    if wanted == value.onnx_shape:
        return value
    if wanted == (prod(value.onnx_shape),):
        return flattened(lowering, layer, value)
    is_plain = len(value.shape) == 1 and value.order is None and isinstance(value.stage, Integers)
    if is_plain and len(wanted) in (2, 3):
        return unflattened(lowering, layer.name, value, wanted)
    raise CaptureError(
        f"{layer.title} must make vectors of images, or images of vectors, not {wanted} of {value.onnx_shape}"
    )


def _wanted_shape(layer: Layer, value: Value) -> tuple[int, ...]:
    if layer.node.kind == "Reshape":
        constant = layer.constant(1)
        shape = layer.node.integers("shape", ())
        if constant is not None:
            shape = tuple(int(extent) for extent in constant.reals.ravel())
        old = (-1, *value.onnx_shape)
        shape = tuple(old[i] if extent == 0 and i < len(old) else extent for i, extent in enumerate(shape))
    else:  # Squeeze and Unsqueeze
        axes = layer.node.integers("axes", ())
        constant = layer.constant(1)
        if constant is not None:
            axes = tuple(int(axis) for axis in constant.reals.ravel())
        one = np.empty((2, *value.onnx_shape), dtype=np.bool_)  # a batch of 2 is never squeezed
        moved = np.expand_dims(one, axes) if layer.node.kind == "Unsqueeze" else np.squeeze(one, axes or None)
        shape = (-1, *moved.shape[1:])
    rest = shape[1:]
    if rest.count(-1) == 1 and shape[0] != -1:
        known = -prod(rest)
        missing = prod(value.onnx_shape) // known if known else 0
        rest = tuple(missing if extent == -1 else extent for extent in rest)
    if not rest or any(extent < 1 for extent in rest) or prod(rest) != prod(value.onnx_shape):
        raise CaptureError(f"{layer.title} must keep the batch and all values, not make {shape}")
    return rest


def unflattened(lowering: Lowering, name: str, value: Value, shape: tuple[int, ...]) -> Value:
    """Make images (channels, rows, columns), or sequences (channels, columns), of vectors."""
    channels, rows, columns = shape if len(shape) == 3 else (shape[0], 1, shape[1])
    node = lowering.put(name, Unflatten(shape=(rows, columns, channels)), value.node)
    axes = (2, 0, 1) if len(shape) == 3 else (2, 1)
    return replace(value, node=node, shape=(rows, columns, channels), axes=axes)


def add_transpose(lowering: Lowering, layer: Layer) -> Value:
    """Note the order of a tensor's axes; the IR's own stays."""
    value = layer.plain()
    rank = 1 + len(value.axes)
    perm = layer.node.integers("perm", tuple(reversed(range(rank))))
    if sorted(perm) != list(range(rank)) or perm[0] != 0:
        raise CaptureError(f"perm of {layer.title} must keep the batch first, not be {perm}")
    return replace(value, axes=tuple(value.axes[axis - 1] for axis in perm[1:]))


def add_depth_to_space(lowering: Lowering, layer: Layer) -> Value:
    """Leave the rearrangement to the host: it may stand before functions of all values alone."""
    value, node = layer.image(), layer.node
    block = node.integer("blocksize", 1)
    if len(value.axes) != 3 or block < 1 or value.channels % block**2:
        raise CaptureError(f"blocksize of {layer.title} must be a number whose square divides the channels")
    lowering.notes.append(
        f"{layer.title} stays on the host: the hardware's values are in their order before it"
    )
    return replace(value, rearranged=DepthToSpace(block, node.text("mode", "DCR") == "CRD"))


def add_pad(lowering: Lowering, layer: Layer) -> Value:
    """Put a frame of one number around images."""
    value, node = layer.plain(), layer.node
    if node.text("mode", "constant") != "constant" or len(value.shape) != 3:
        raise CaptureError(f"{layer.title} must frame images with a constant")
    pads = node.integers("pads", ())
    if layer.constant(1) is not None:
        pads = tuple(whole(float(p), f"pads of {layer.title}") for p in layer.reals(1).ravel())
    rank = 1 + len(value.axes)
    if len(pads) != 2 * rank or min(pads) < 0 or pads[0] or pads[rank]:
        raise CaptureError(f"{layer.title} must have {2 * rank} pads from 0, none of the batch, not {pads}")
    if not any(pads):
        return value
    real = float(layer.reals(2).flat[0]) if layer.constant(2) is not None else node.number("value", 0.0)
    value = lowering.integers(layer, value)
    stage = value.stage
    assert isinstance(stage, Integers)
    inner = whole(
        (real - stage.offset) / stage.scale, f"the value of {layer.title} in steps of {stage.scale:g}"
    )
    frames = [(0, 0)] * 3
    for axis, first, last in zip(value.axes, pads[1:rank], pads[rank + 1 :], strict=True):
        frames[axis] = (first, last)
    op = Pad(padding=(*frames[0], *frames[1]), channels=frames[2], value=inner)
    node_name = lowering.put(layer.name, op, value.node)
    low, high = lowering.bound(node_name)
    return replace(
        value, node=node_name, stage=replace(stage, low=low, high=high), shape=lowering.types[node_name].shape
    )


def add_concat(lowering: Lowering, layer: Layer) -> Value:
    """Put channels behind one another."""
    values = [layer.value(i) for i in range(len(layer.inputs))]
    first = values[0]
    rank = 1 + len(first.axes)
    axis = layer.node.integer("axis", 1) % rank
    same = all(v.axes == first.axes and v.shape[:-1] == first.shape[:-1] and not v.rearranged for v in values)
    if not same or axis != first.channel_axis:
        shapes = ", ".join(str(v.onnx_shape) for v in values)
        raise ShapeError(f"{layer.title} must join the channels of tensors of equal sides, not {shapes}")
    if len(values) == 1:
        return first
    functions = [lowering.lines(value) for value in values]
    node = lowering.put(layer.name, Concat(), *(value.node for value in values))
    joined = beside(functions)
    stage: Integers | Lines = joined
    if joined.is_straight:
        stage = lowering.straight(node, joined.slopes[0], joined.offsets[0])
    return replace(first, node=node, stage=stage, shape=lowering.types[node].shape, order=_joined(values))


def _joined(values: list[Value]) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
    if all(value.order is None for value in values):
        return None
    parts, first = [], 0
    for value in values:
        plain = np.arange(value.channels, dtype=np.int64)
        parts.append(first + (plain if value.order is None else value.order))
        first += value.channels
    return np.concatenate(parts)
