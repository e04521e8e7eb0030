"""Pooling: maxima of integers that rise with what they stand for, and averages as sums."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from hbnn_hw.capture.qonnx.lowering import Layer, Lowering
from hbnn_hw.capture.qonnx.shapes import flattened
from hbnn_hw.capture.qonnx.values import Value
from hbnn_hw.capture.qonnx.windows import padding_of, pair_of
from hbnn_hw.errors import CaptureError, ShapeError
from hbnn_hw.ops import MaxPool, SumPool


def add_max_pool(lowering: Lowering, layer: Layer) -> Value:
    """Pool integers that rise with what they stand for."""
    value = lowering.rising(layer, layer.image())
    kernel, stride, padding = _window(layer, value)
    node = lowering.put(layer.name, MaxPool(kernel=kernel, stride=stride, padding=padding), value.node)
    return replace(value, node=node, shape=lowering.types[node].shape)


def _window(layer: Layer, value: Value) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]:
    node, n_axes = layer.node, len(value.axes) - 1
    sizes = node.integers("kernel_shape", ())
    if len(sizes) != n_axes:
        raise ShapeError(f"kernel_shape of {layer.title} must have {n_axes} numbers, not {sizes}")
    if node.integer("ceil_mode", 0) or set(node.integers("dilations", (1,))) != {1}:
        raise CaptureError(f"{layer.title} must have neither ceil_mode nor dilations")
    kernel, stride = pair_of(sizes), pair_of(node.integers("strides", (1,) * n_axes))
    return kernel, stride, padding_of(layer, value, kernel, stride)


def add_average_pool(lowering: Lowering, layer: Layer) -> Value:
    """Sum integers over windows; the division goes into their scale."""
    value = layer.image()
    kernel, stride, padding = _window(layer, value)
    if any(padding) and not layer.node.integer("count_include_pad", 0):
        raise CaptureError(f"{layer.title} must have count_include_pad = 1, or no pads")
    return _mean(lowering, layer, value, kernel, stride, padding)


def add_global_average_pool(lowering: Lowering, layer: Layer) -> Value:
    """Sum integers over whole images."""
    value = layer.image()
    sides = (value.shape[0], value.shape[1])
    return _mean(lowering, layer, value, sides, sides, (0, 0, 0, 0))


def add_reduce_mean(lowering: Lowering, layer: Layer) -> Value:
    """Sum integers over whole images, if it is their pixels that are averaged."""
    value = layer.image()
    constant = layer.constant(1)
    axes = layer.node.integers("axes", ())
    if constant is not None:
        axes = tuple(int(axis) for axis in constant.reals.ravel())
    rank = 1 + len(value.axes)
    if sorted(axis % rank for axis in axes) != list(range(2, rank)):
        raise CaptureError(
            f"{layer.title} must average over all pixels and nothing else, not over axes {axes}"
        )
    mean = add_global_average_pool(lowering, layer)
    return mean if layer.node.integer("keepdims", 1) else flattened(lowering, layer, mean)


def _mean(
    lowering: Lowering,
    layer: Layer,
    value: Value,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
) -> Value:
    lines, n = lowering.lines(value), prod(kernel)
    if not lines.is_straight or (any(padding) and (lines.offsets != 0).any()):
        value = lowering.integers(layer, replace(value, stage=lines))
        if any(padding) and lowering.lines(value).offsets.any():
            raise CaptureError(f"{layer.title} must have no pads")
        lines = lowering.lines(value)
    node = lowering.put(layer.name, SumPool(kernel=kernel, stride=stride, padding=padding), value.node)
    return replace(
        value,
        node=node,
        stage=lowering.straight(node, lines.slopes[0] / n, lines.offsets[0]),
        shape=lowering.types[node].shape,
    )
