"""Layers that choose or move values and compute nothing: pooling, flattening, framing, dropout."""

from __future__ import annotations

from math import prod

from torch import nn

from hbnn_hw.errors import CaptureError, ShapeError
from hbnn_hw.lowering.lines import Lines
from hbnn_hw.lowering.stages import Codes, Integers, Reals, Value
from hbnn_hw.nn.deploy.lowering import Layer, Lowering
from hbnn_hw.nn.structure import Pad, Subsample
from hbnn_hw.windows import output_sides

Pair = tuple[int, int]


def add_max_pool(lowering: Lowering, layer: Layer) -> Value:
    """Keep a max-pooling, which is the same of integers and of what they stand for, if they rise with it."""
    module, value = layer.module, layer.input
    assert isinstance(module, nn.MaxPool1d | nn.MaxPool2d)
    image = _image(layer)
    _check_plain_pooling(layer, module)
    kernel, stride, padding = (
        _pair(layer, size) for size in (module.kernel_size, module.stride, module.padding)
    )
    shape = (image[0], *_pooled_sides(layer, kernel, stride, padding))
    pool = nn.MaxPool2d(kernel, stride, padding)
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
    image = _image(layer)
    stride = (module.stride[0], module.stride[1])
    shape = (image[0], *_pooled_sides(layer, (1, 1), stride, (0, 0)))
    return Value(lowering.put(layer.name, nn.MaxPool2d(1, stride), value.node), value.stage, shape)


def add_pad(lowering: Lowering, layer: Layer) -> Value:
    """Keep a frame, as integers."""
    module = layer.module
    assert isinstance(module, Pad)
    channels, rows, columns = _image(layer)
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


def _image(layer: Layer) -> tuple[int, int, int]:
    if isinstance(layer.input.stage, Codes) or layer.input.image is None:
        raise CaptureError(f"{layer.title} must read images behind BitPlaneInput")
    return layer.input.image


def _pooled_sides(layer: Layer, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    _, rows, columns = _image(layer)
    try:
        return output_sides((rows, columns), kernel, stride, (padding[0], padding[0], padding[1], padding[1]))
    except ShapeError as error:
        raise ShapeError(f"{layer.title}: {error}") from error


def _check_plain_pooling(layer: Layer, module: nn.MaxPool1d | nn.MaxPool2d) -> None:
    if module.dilation not in (1, (1, 1), (1,)):
        raise CaptureError(f"dilation of {layer.title} must be 1, not {module.dilation!r}")
    if module.ceil_mode or module.return_indices:
        raise CaptureError(f"{layer.title} must have neither ceil_mode nor return_indices")


def _pair(layer: Layer, size: int | tuple[int, ...]) -> Pair:
    """Return (vertical, horizontal); a sequence's one size is the horizontal one of an image of one row."""
    sizes = (size,) if isinstance(size, int) else tuple(size)
    if isinstance(layer.module, nn.MaxPool1d | nn.AvgPool1d):
        return (0 if sizes[0] == 0 else 1, sizes[0])
    return (sizes[0], sizes[-1])


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
