"""Piecewise linear activations: they bend what the integers stand for, and cost nothing by themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import nn

from hbnn_hw.errors import ShapeError
from hbnn_hw.lowering.bends import clip, leak
from hbnn_hw.lowering.lines import Bend
from hbnn_hw.lowering.stages import Value
from hbnn_hw.nn.deploy.lowering import Layer, Lowering, reals


def _prelu(module: nn.Module) -> Bend:
    assert isinstance(module, nn.PReLU)
    return leak(reals(module.weight))


def _leaky_relu(module: nn.Module) -> Bend:
    assert isinstance(module, nn.LeakyReLU)
    return leak(np.array([module.negative_slope]))


def _hardtanh(module: nn.Module) -> Bend:
    assert isinstance(module, nn.Hardtanh)
    return clip(module.min_val, module.max_val)


BENDS: dict[type[nn.Module], Callable[[nn.Module], Bend]] = {
    nn.ReLU: lambda module: clip(0.0, None),
    nn.ReLU6: lambda module: clip(0.0, 6.0),
    nn.Hardtanh: _hardtanh,
    nn.PReLU: _prelu,
    nn.LeakyReLU: _leaky_relu,
}
"""Activations that are piecewise linear."""


def add_bend(lowering: Lowering, layer: Layer) -> Value:
    """Bend what the integers stand for."""
    value = layer.input
    lines = lowering.lines(layer, value)
    bend = BENDS[type(layer.module)](layer.module)
    if any(len(slope) not in (1, lines.channels) for slope in bend.slopes):
        raise ShapeError(f"{layer.title} must have 1 or {lines.channels} slopes, not {len(bend.slopes[0])}")
    return Value(value.node, lines.then_bend(bend, layer.name), value.shape)
