"""Normalizations and output scales: affine functions of what the integers stand for."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hbnn_hw.errors import CaptureError, ShapeError
from hbnn_hw.lowering.lines import Reals
from hbnn_hw.lowering.stages import Value
from hbnn_hw.nn.deploy.lowering import Layer, Lowering, reals
from hbnn_hw.nn.norms import OutputScale, ShiftBatchNorm, ShiftBatchNorm2d
from hbnn_hw.nn.structure import Scale

_OVER_IMAGES = (nn.BatchNorm2d, ShiftBatchNorm2d)


def add_batchnorm(lowering: Lowering, layer: Layer) -> Value:
    """Fold a batch normalization, with its running statistics, into an affine."""
    module, value = layer.module, layer.input
    assert isinstance(module, _BatchNorm | ShiftBatchNorm)
    lines = lowering.lines(layer, value)
    assert value.shape is not None, "what has been computed has a shape"
    _check_dimensions(layer, value)
    if module.num_features != value.shape[0]:
        raise ShapeError(f"{layer.title} must have {value.shape[0]} features, not {module.num_features}")
    affine = _batchnorm_affine if isinstance(module, _BatchNorm) else _shift_affine
    slope, offset, spread = affine(layer)
    return Value(value.node, lines.then_affine(slope, offset, layer.name, spread), value.shape)


def _check_dimensions(layer: Layer, value: Value) -> None:
    """Hold the norm's dimensions against the value's; an image of one row may be a sequence, too."""
    over_images = isinstance(layer.module, _OVER_IMAGES)
    is_image, is_sequence = value.image is not None, value.image is not None and value.image[1] == 1
    if over_images != is_image and not is_sequence:
        what, other = ("images", "2d") if is_image else ("vectors", "1d")
        raise CaptureError(f"{layer.title} reads {what} here and must be a BatchNorm{other}")


def add_output_scale(lowering: Lowering, layer: Layer) -> Value:
    """Fold the one positive scale behind a layer into an affine."""
    module = layer.module
    assert isinstance(module, OutputScale)
    lines = lowering.lines(layer, layer.input)
    # Decimal's exp is correctly rounded, libm's is not: every machine gets the same constant.
    slope = float(Decimal(float(module.log_scale.detach())).exp())
    factor = np.full(lines.channels, slope)
    scaled = lines.then_affine(factor, np.zeros(lines.channels), layer.name)
    return Value(layer.input.node, scaled, layer.input.shape)


def add_scale(lowering: Lowering, layer: Layer) -> Value:
    """Fold a multiplication by a constant and the addition of one into an affine."""
    module = layer.module
    assert isinstance(module, Scale)
    lines = lowering.lines(layer, layer.input)
    factor, offset = (np.full(lines.channels, v) for v in (module.factor, module.offset))
    return Value(layer.input.node, lines.then_affine(factor, offset, layer.name), layer.input.shape)


def _shift_affine(layer: Layer) -> tuple[Reals, Reals, Reals]:
    """Return the power-of-two slopes, the offset and the spread of shift-based normalization, (features,)."""
    norm = layer.module
    assert isinstance(norm, ShiftBatchNorm)
    slope, offset = norm.affine()
    if not bool(torch.isfinite(slope).all()):
        raise CaptureError(f"AP2 of the slopes of {layer.title} must be finite")
    return reals(slope), reals(offset), np.abs(reals(norm.weight))


def _batchnorm_affine(layer: Layer) -> tuple[Reals, Reals, Reals]:
    """Return slope, offset and spread of evaluation-mode batch normalization, float64 (features,)."""
    norm = layer.module
    assert isinstance(norm, _BatchNorm)
    if norm.running_mean is None or norm.running_var is None:
        raise CaptureError(f"{layer.title} must track running statistics (track_running_stats=True)")
    variance = reals(norm.running_var) + norm.eps
    if not (variance > 0).all():
        raise CaptureError(f"running_var + eps of {layer.title} must be positive")
    weight = reals(norm.weight) if norm.affine else np.ones(norm.num_features)
    slope = weight / np.sqrt(variance)
    offset = (reals(norm.bias) if norm.affine else 0.0) - reals(norm.running_mean) * slope
    return slope, offset, np.abs(weight)
