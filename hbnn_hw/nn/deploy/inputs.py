"""The first layers: codes as bit-planes, vectors as images."""

from __future__ import annotations

import math

from torch import nn

from hbnn_hw.errors import CaptureError
from hbnn_hw.lowering.stages import Codes, Integers, Value
from hbnn_hw.nn.activations import BitPlaneInput
from hbnn_hw.nn.deploy.lowering import Layer, Lowering


def add_input(lowering: Lowering, layer: Layer) -> Value:
    """Let the network read codes as integers."""
    module, value = layer.module, layer.input
    assert isinstance(module, BitPlaneInput)
    if not isinstance(value.stage, Codes):
        raise CaptureError(f"{layer.title} must be the first layer of the network")
    node = lowering.put(layer.name, BitPlaneInput(module.bits, scaled=False), value.node)
    # Codes that are all equally frequent vary by their range over the root of 3.
    spread = module.scale * module.bound / math.sqrt(3.0)
    stage = Integers(scale=module.scale, low=-module.bound, high=module.bound, spread=spread)
    return Value(node, stage, value.shape)


def add_unflatten(lowering: Lowering, layer: Layer) -> Value:
    """Make images of the input's vectors; sequences are images of one row."""
    module, value = layer.module, layer.input
    assert isinstance(module, nn.Unflatten)
    if value.image is not None or not isinstance(value.stage, Codes | Integers):
        raise CaptureError(f"{layer.title} must stand before the first layer with weights, and once")
    size = tuple(module.unflattened_size)
    fits = module.dim == 1 and len(size) in (2, 3) and all(isinstance(n, int) and n > 0 for n in size)
    if not fits:
        raise CaptureError(
            f"{layer.title} must be nn.Unflatten(1, (channels, rows, columns)), "
            f"not nn.Unflatten({module.dim!r}, {module.unflattened_size!r})"
        )
    shape = (size[0], 1, size[1]) if len(size) == 2 else size
    if value.shape not in (None, (math.prod(shape),)):
        raise CaptureError(f"{layer.title} must make images of {value.shape[0] if value.shape else 0} values")
    node = lowering.put(layer.name, nn.Unflatten(1, shape), value.node)
    return Value(node, value.stage, shape)
