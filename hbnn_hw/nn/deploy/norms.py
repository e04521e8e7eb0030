"""Normalizations and output scales: affines over accumulators."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hbnn_hw.errors import CaptureError, ShapeError
from hbnn_hw.nn.deploy.lowering import Lowering, reals, title
from hbnn_hw.nn.deploy.stages import Reals
from hbnn_hw.nn.norms import OutputScale, ShiftBatchNorm, ShiftBatchNorm2d

_OVER_IMAGES = (nn.BatchNorm2d, ShiftBatchNorm2d)


def add_batchnorm(lowering: Lowering, name: str, module: nn.Module) -> None:
    """Fold a batch normalization, with its running statistics, into an affine."""
    assert isinstance(module, _BatchNorm | ShiftBatchNorm)
    accumulators = lowering.accumulators(name, module)
    assert lowering.shape is not None, "accumulators have a shape"
    if (lowering.image is not None) != isinstance(module, _OVER_IMAGES):
        what, other = ("images", "2d") if lowering.image else ("vectors", "1d")
        raise CaptureError(f"{title(name, module)} reads {what} here and must be a BatchNorm{other}")
    if module.num_features != lowering.shape[0]:
        raise ShapeError(
            f"{title(name, module)} must have {lowering.shape[0]} features, not {module.num_features}"
        )
    affine = _batchnorm_affine if isinstance(module, _BatchNorm) else _shift_affine
    slope, offset = affine(name, module)
    lowering.put_affine(name, slope * accumulators.scale, slope * accumulators.bias + offset)


def add_output_scale(lowering: Lowering, name: str, module: nn.Module) -> None:
    """Fold the one positive scale behind a layer into an affine."""
    assert isinstance(module, OutputScale)
    accumulators = lowering.accumulators(name, module)
    # Decimal's exp is correctly rounded, libm's is not: every machine gets the same constant.
    slope = float(Decimal(float(module.log_scale.detach())).exp())
    lowering.put_affine(name, slope * accumulators.scale, slope * accumulators.bias)


def _shift_affine(name: str, norm: nn.Module) -> tuple[Reals, Reals]:
    """Return the power-of-two slopes and the offset of shift-based normalization, float64 (features,)."""
    assert isinstance(norm, ShiftBatchNorm)
    slope, offset = norm.affine()
    if not bool(torch.isfinite(slope).all()):
        raise CaptureError(f"AP2 of the slopes of {title(name, norm)} must be finite")
    return reals(slope), reals(offset)


def _batchnorm_affine(name: str, norm: nn.Module) -> tuple[Reals, Reals]:
    """Return slope and offset of evaluation-mode batch normalization, float64 (features,)."""
    assert isinstance(norm, _BatchNorm)
    if norm.running_mean is None or norm.running_var is None:
        raise CaptureError(f"{title(name, norm)} must track running statistics (track_running_stats=True)")
    variance = reals(norm.running_var) + norm.eps
    if not (variance > 0).all():
        raise CaptureError(f"running_var + eps of {title(name, norm)} must be positive")
    slope = (reals(norm.weight) if norm.affine else 1.0) / np.sqrt(variance)
    offset = (reals(norm.bias) if norm.affine else 0.0) - reals(norm.running_mean) * slope
    return slope, offset
