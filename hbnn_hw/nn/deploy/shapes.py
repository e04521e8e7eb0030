"""Layers that choose or move values and compute nothing: pooling, flattening, framing, dropout."""

from __future__ import annotations

from math import prod
from typing import TypeAlias

from torch import nn

from hbnn_hw.errors import CaptureError, ShapeError
from hbnn_hw.lowering.lines import Lines
from hbnn_hw.lowering.stages import Codes, Integers, Reals, Value
from hbnn_hw.nn.deploy.lowering import Layer, Lowering
from hbnn_hw.nn.structure import Pad, Subsample
from hbnn_hw.windows import ceiling_padding, output_sides

Pair = tuple[int, int]
Pool: TypeAlias = nn.MaxPool1d | nn.MaxPool2d | nn.AvgPool1d | nn.AvgPool2d


def add_max_pool(lowering: Lowering, layer: Layer) -> Value:
    """Keep a max-pooling, which is the same of integers and of what they stand for, if they rise with it."""
    module, value = layer.module, layer.input
    assert isinstance(module, nn.MaxPool1d | nn.MaxPool2d)
    image = image_of(layer)
    _check_plain_pooling(layer, module)
    kernel, stride, padding = pooling_window(module)
    shape = (image[0], *pooled_sides(layer, ceil_mode=module.ceil_mode))
    pool = nn.MaxPool2d(kernel, stride, padding, ceil_mode=module.ceil_mode)
    stage = value.stage
    if not isinstance(stage, Lines) or _may_pool_integers(layer, stage):
        return Value(lowering.put(layer.name, pool, value.node), stage, shape)
    if layer.reaches_sign:
        return Value(lowering.put(layer.name, pool, lowering.reals(value)), Reals(), shape)
    fixed = lowering.integers(layer, value)
    return Value(lowering.put(layer.name, pool, fixed.node), fixed.stage, shape)


def _may_pool_integers(layer: Layer, stage: Lines) -> bool:
    """Tell whether integers rise with what they stand for, and bits cannot be pooled instead."""
    return stage.rises and not (stage.label is not None and layer.reaches_sign)


def add_subsample(lowering: Lowering, layer: Layer) -> Value:
    """Keep every n-th pixel: a max-pooling over windows of one pixel."""
    module, value = layer.module, layer.input
    assert isinstance(module, Subsample)
    image = image_of(layer)
    stride = (module.stride[0], module.stride[1])
    rows, columns = output_sides((image[1], image[2]), (1, 1), stride)
    node = lowering.put(layer.name, nn.MaxPool2d(1, stride), value.node)
    return Value(node, value.stage, (image[0], rows, columns))


def add_pad(lowering: Lowering, layer: Layer) -> Value:
    """Keep a frame, as integers."""
    module = layer.module
    assert isinstance(module, Pad)
    channels, rows, columns = image_of(layer)
    value = lowering.integers(layer, layer.input)
    stage = value.stage
    assert isinstance(stage, Integers)
    framed = module.value / stage.scale
    if not framed.is_integer():
        raise CaptureError(
            f"the value of {layer.title} must be a whole number of the steps of {stage.scale:g} between its "
            f"inputs, not {module.value:g}; use 0"
        )
    top, bottom, left, right = module.padding
    before, after = module.channels
    frame = Pad((top, bottom, left, right), (before, after), framed)
    shape = (channels + sum(module.channels), rows + top + bottom, columns + left + right)
    low, high = min(stage.low, int(framed)), max(stage.high, int(framed))
    framed_stage = Integers(scale=stage.scale, low=low, high=high, spread=stage.spread)
    return Value(lowering.put(layer.name, frame, value.node), framed_stage, shape)


def image_of(layer: Layer) -> tuple[int, int, int]:
    """Return (channels, rows, columns); raise CaptureError where there is no image."""
    if isinstance(layer.input.stage, Codes) or layer.input.image is None:
        raise CaptureError(f"{layer.title} must read images behind BitPlaneInput")
    return layer.input.image


def pooled_sides(layer: Layer, *, ceil_mode: bool = False) -> Pair:
    """Return (rows, columns) behind a pooling; raise ShapeError if no window fits."""
    assert isinstance(layer.module, Pool)
    _, *sides = image_of(layer)
    kernel, stride, (vertical, horizontal) = pooling_window(layer.module)
    padding: tuple[int, ...] = (vertical, vertical, horizontal, horizontal)
    try:
        if ceil_mode:
            padding = ceiling_padding((sides[0], sides[1]), kernel, stride, padding)
        return output_sides((sides[0], sides[1]), kernel, stride, padding)
    except ShapeError as error:
        raise ShapeError(f"{layer.title}: {error}") from error


def _check_plain_pooling(layer: Layer, module: nn.MaxPool1d | nn.MaxPool2d) -> None:
    if module.dilation not in (1, (1, 1), (1,)):
        raise CaptureError(f"dilation of {layer.title} must be 1, not {module.dilation!r}")
    if module.return_indices:
        raise CaptureError(f"{layer.title} must not return_indices")


def pooling_window(module: Pool) -> tuple[Pair, Pair, Pair]:
    """Return kernel, stride and padding, (vertical, horizontal); a sequence is an image of one row."""
    row = isinstance(module, nn.MaxPool1d | nn.AvgPool1d)
    return (
        _pair(module.kernel_size, 1 if row else None),
        _pair(module.stride, 1 if row else None),
        _pair(module.padding, 0 if row else None),
    )


def _pair(size: int | tuple[int, ...], vertical: int | None) -> Pair:
    sizes = (size,) if isinstance(size, int) else tuple(size)
    return (sizes[0] if vertical is None else vertical, sizes[-1])


def add_flatten(lowering: Lowering, layer: Layer) -> Value:
    """Make vectors of images, one channel after the other; vectors stay as they are."""
    module, value = layer.module, layer.input
    assert isinstance(module, nn.Flatten)
    if (module.start_dim, module.end_dim) not in ((1, -1), (1, 3)):
        raise CaptureError(
            f"{layer.title} must be nn.Flatten(), which keeps the batch, not "
            f"nn.Flatten({module.start_dim}, {module.end_dim})"
        )
    if value.image is None:
        return value
    _, *sides = value.image
    node, stage = value.node, value.stage
    if isinstance(stage, Lines) and stage.label is not None and layer.reaches_sign:
        # One threshold per channel, and not per pixel: the sign moves in front of the flattening.
        node, stage = lowering.reals(value), Reals()
    elif isinstance(stage, Lines):
        stage = stage.repeated(prod(sides))
    return Value(lowering.put(layer.name, nn.Flatten(), node), stage, (prod(value.image),))


def skip(lowering: Lowering, layer: Layer) -> Value:
    """Drop a module that does nothing in evaluation."""
    return layer.input
