"""Layers that choose or move values and compute nothing: sign, pooling, flattening, dropout."""

from __future__ import annotations

from math import prod

import numpy as np
from torch import nn

from hbnn_hw.errors import CaptureError, ShapeError
from hbnn_hw.nn.activations import SignActivation
from hbnn_hw.nn.deploy.lowering import Lowering, title
from hbnn_hw.nn.deploy.stages import Accumulators, Codes, Integers, Logits
from hbnn_hw.windows import output_sides


def add_sign(lowering: Lowering, name: str, module: nn.Module) -> None:
    """Keep a sign, which makes ±1 of reals."""
    assert isinstance(module, SignActivation)
    lowering.close()
    if not isinstance(lowering.stage, Logits):
        raise CaptureError(f"{title(name, module)} must follow a linear layer or its norm")
    lowering.put(name, SignActivation(module.zero))
    lowering.stage = Integers(1.0, 1)


def add_max_pool(lowering: Lowering, name: str, module: nn.Module) -> None:
    """Keep a max-pooling, which is the same of accumulators, reals and ±1."""
    assert isinstance(module, nn.MaxPool2d)
    if isinstance(lowering.stage, Codes) or lowering.image is None:
        raise CaptureError(f"{title(name, module)} must read images behind BitPlaneInput")
    _check_plain_pooling(name, module)
    kernel, stride = _pair(module.kernel_size), _pair(module.stride)
    channels, *sides = lowering.image
    try:
        rows, columns = output_sides((sides[0], sides[1]), kernel, stride)
    except ShapeError as error:
        raise ShapeError(f"{title(name, module)}: {error}") from error
    lowering.put(name, nn.MaxPool2d(kernel, stride))
    lowering.shape = (channels, rows, columns)


def _check_plain_pooling(name: str, module: nn.MaxPool2d) -> None:
    for setting, plain in (("padding", 0), ("dilation", 1)):
        value = getattr(module, setting)
        if _pair(value) != (plain, plain):
            raise CaptureError(f"{setting} of {title(name, module)} must be {plain}, not {value!r}")
    if module.ceil_mode or module.return_indices:
        raise CaptureError(f"{title(name, module)} must have neither ceil_mode nor return_indices")


def _pair(size: int | tuple[int, ...]) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    rows, columns = size
    return rows, columns


def add_flatten(lowering: Lowering, name: str, module: nn.Module) -> None:
    """Make vectors of images, one channel after the other; vectors stay as they are."""
    assert isinstance(module, nn.Flatten)
    if (module.start_dim, module.end_dim) not in ((1, -1), (1, 3)):
        raise CaptureError(
            f"{title(name, module)} must be nn.Flatten(), which keeps the batch, not "
            f"nn.Flatten({module.start_dim}, {module.end_dim})"
        )
    if lowering.image is None:
        return
    _, *sides = lowering.image
    if isinstance(lowering.stage, Accumulators):
        scale, bias = (
            np.repeat(values, prod(sides)) for values in (lowering.stage.scale, lowering.stage.bias)
        )
        lowering.stage = Accumulators(lowering.stage.name, scale, bias)
    lowering.put(name, nn.Flatten())
    lowering.shape = (prod(lowering.image),)


def skip(lowering: Lowering, name: str, module: nn.Module) -> None:
    """Drop a module that does nothing in evaluation."""
