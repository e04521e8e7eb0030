"""From a trained network to its deployed twin: the same function with constants that hardware has.

The twin is the reference that capture reads and that every hardware level must reproduce bit for bit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hbnn_hw.errors import CaptureError, RangeError, ShapeError
from hbnn_hw.nn.activations import BitPlaneInput, SignActivation, StochasticSign
from hbnn_hw.nn.conv import QuantizedConv2d
from hbnn_hw.nn.deployed import EXACT_FLOAT32, DeployedAffine, DeployedLinear
from hbnn_hw.nn.encoders import ThermometerInput, ThresholdInput
from hbnn_hw.nn.hbnn_activation import HbnnActivation
from hbnn_hw.nn.latent import QuantizedLinear, RealPlanes
from hbnn_hw.nn.norms import OutputScale, ShiftBatchNorm1d
from hbnn_hw.nn.state_batchnorm import StateBatchNorm1d
from hbnn_hw.scales import DEFAULT_SCALE_ERROR, integer_scales

Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Integers:
    """Values between layers: ``scale`` times integers of magnitude up to ``bound``."""

    scale: float
    bound: int


@dataclass(frozen=True, slots=True, eq=False)
class _Accumulators:
    """What a linear layer left: real value = ``scale · integer + bias``, until an affine takes it.

    ``scale`` and ``bias`` are float64 (features,).
    """

    name: str
    scale: Reals
    bias: Reals


class _Codes:
    """The network's input, before :class:`BitPlaneInput`."""


class _Logits:
    """Real values behind an affine; only a sign may follow."""


_Stage = _Codes | _Integers | _Accumulators | _Logits


def deploy(model: nn.Module, scale_error: float = DEFAULT_SCALE_ERROR) -> nn.Sequential:
    """Build the deployed twin of a trained network.

    Parameters
    ----------
    model
        ``nn.Sequential`` that begins with :class:`BitPlaneInput` and goes on with quantized linear
        layers, each followed by ``BatchNorm1d`` or :class:`OutputScale` and, but for the last, by
        :class:`SignActivation`. Dropout may stand anywhere. The network is not changed; its evaluation
        statistics count.
    scale_error
        Largest relative error of the integer form of any plane scale (dimensionless).

    Returns
    -------
    nn.Sequential
        In evaluation mode, with the child names of ``model``: :class:`BitPlaneInput` giving integers,
        :class:`DeployedLinear`, :class:`DeployedAffine` (for each norm, and as ``<name>_affine`` behind a
        linear layer without one), :class:`SignActivation`. Input (batch, features) codes, output (batch,
        classes) float64.

    Raises
    ------
    CaptureError
        If a module is not supported (all are named at once), stands in a place where hardware has no
        meaning for it, or holds a value that is not finite.
    ShapeError
        If neighbouring layers do not fit.
    RangeError
        If an accumulator could leave the range in which float32 is exact.
    """
    children = _supported_children(model)
    lowering = _Lowering(scale_error)
    for name, module in children.items():
        _check_finite(name, module)
        _handler(module)(lowering, name, module)
    twin = lowering.finish()
    return twin.requires_grad_(False).eval()


class _Lowering:
    """Walks the layers in order and carries what the integers of the moment mean."""

    def __init__(self, scale_error: float) -> None:
        self.scale_error = scale_error
        self.stage: _Stage = _Codes()
        self.features: int | None = None
        self.twin: OrderedDict[str, nn.Module] = OrderedDict()

    def add_input(self, name: str, module: nn.Module) -> None:
        assert isinstance(module, BitPlaneInput)
        if not isinstance(self.stage, _Codes):
            raise CaptureError(f"{_title(name, module)} must be the first layer of the network")
        self._put(name, BitPlaneInput(module.bits, scaled=False))
        self.stage = _Integers(module.scale, module.bound)

    def add_linear(self, name: str, module: nn.Module) -> None:
        assert isinstance(module, QuantizedLinear)
        if isinstance(self.stage, _Codes):
            raise CaptureError(
                f"{_title(name, module)} must read integers; begin the network with BitPlaneInput(bits)"
            )
        if not isinstance(self.stage, _Integers):
            raise CaptureError(f"{_title(name, module)} must read ±1; put a SignActivation before it")
        if self.features not in (None, module.in_features):
            raise ShapeError(
                f"{_title(name, module)} must have {self.features} inputs, not {module.in_features}"
            )
        linear, scale = _integer_linear(name, module, self.scale_error)
        _check_exact(name, linear, self.stage.bound)
        self._put(name, linear)
        self.features = module.out_features
        bias = np.zeros(module.out_features) if module.bias is None else _reals(module.bias)
        self.stage = _Accumulators(name, scale * self.stage.scale, bias)

    def add_batchnorm(self, name: str, module: nn.Module) -> None:
        assert isinstance(module, nn.BatchNorm1d | ShiftBatchNorm1d)
        accumulators = self._accumulators(name, module)
        if module.num_features != self.features:
            raise ShapeError(
                f"{_title(name, module)} must have {self.features} features, not {module.num_features}"
            )
        affine = _batchnorm_affine if isinstance(module, nn.BatchNorm1d) else _shift_affine
        slope, offset = affine(name, module)
        self._add_affine(name, slope * accumulators.scale, slope * accumulators.bias + offset)

    def add_output_scale(self, name: str, module: nn.Module) -> None:
        assert isinstance(module, OutputScale)
        accumulators = self._accumulators(name, module)
        # Decimal's exp is correctly rounded, libm's is not: every machine gets the same constant.
        slope = float(Decimal(float(module.log_scale.detach())).exp())
        self._add_affine(name, slope * accumulators.scale, slope * accumulators.bias)

    def add_sign(self, name: str, module: nn.Module) -> None:
        assert isinstance(module, SignActivation)
        self._close()
        if not isinstance(self.stage, _Logits):
            raise CaptureError(f"{_title(name, module)} must follow a linear layer or its norm")
        self._put(name, SignActivation(module.zero))
        self.stage = _Integers(1.0, 1)

    def skip(self, name: str, module: nn.Module) -> None:
        """Drop a module that does nothing in evaluation."""

    def finish(self) -> nn.Sequential:
        self._close()
        if not isinstance(self.stage, _Logits):
            raise CaptureError(
                "the network must end with a linear layer, OutputScale or BatchNorm1d, so that it has logits"
            )
        return nn.Sequential(self.twin)

    def _accumulators(self, name: str, module: nn.Module) -> _Accumulators:
        if not isinstance(self.stage, _Accumulators):
            raise CaptureError(f"{_title(name, module)} must follow a linear layer directly")
        return self.stage

    def _close(self) -> None:
        """Give a linear layer without a norm its own affine."""
        if isinstance(self.stage, _Accumulators):
            self._add_affine(f"{self.stage.name}_affine", self.stage.scale, self.stage.bias)

    def _add_affine(self, name: str, alpha: Reals, beta: Reals) -> None:
        with np.errstate(over="ignore"):
            rounded = alpha.astype(np.float32), beta.astype(np.float32)
        if not all(np.isfinite(constants).all() for constants in rounded):
            raise CaptureError(
                f"the affine of module {name!r} must fit float32; its slope or offset is too large"
            )
        self._put(name, DeployedAffine(*rounded))
        self.stage = _Logits()

    def _put(self, name: str, module: nn.Module) -> None:
        if name in self.twin:
            raise CaptureError(f"module name {name!r} is needed for the affine of a linear layer; rename it")
        self.twin[name] = module


_Handler = Callable[[_Lowering, str, nn.Module], None]

_HANDLERS: dict[type[nn.Module], _Handler] = {
    BitPlaneInput: _Lowering.add_input,
    QuantizedLinear: _Lowering.add_linear,
    nn.BatchNorm1d: _Lowering.add_batchnorm,
    StateBatchNorm1d: _Lowering.add_batchnorm,
    ShiftBatchNorm1d: _Lowering.add_batchnorm,
    OutputScale: _Lowering.add_output_scale,
    SignActivation: _Lowering.add_sign,
    StochasticSign: _Lowering.add_sign,
    nn.Dropout: _Lowering.skip,
    nn.Identity: _Lowering.skip,
}
_FLOAT_LAYERS = (nn.Linear, nn.Conv2d, nn.Hardtanh, nn.ReLU)
_ENCODE = "{} has no hardware form yet: encode the data before, or use BitPlaneInput"
_TRAINING_ONLY: dict[type[nn.Module], str] = {
    QuantizedConv2d: "convolutions train, but have no hardware form yet: use quantized linear layers",
    HbnnActivation: "HbnnActivation trains, but has no hardware form yet: use SignActivation",
    ThresholdInput: _ENCODE.format("ThresholdInput"),
    ThermometerInput: _ENCODE.format("ThermometerInput"),
}
"""Layers of ours that cannot be lowered, and what to do instead."""


def _find_handler(module: nn.Module) -> _Handler | None:
    # A subclass may compute something else, so only the methods' own base class is matched as a base.
    return _HANDLERS.get(QuantizedLinear if isinstance(module, QuantizedLinear) else type(module))


def _handler(module: nn.Module) -> _Handler:
    handler = _find_handler(module)
    assert handler is not None, "unsupported modules were refused before"
    return handler


def _supported_children(model: nn.Module) -> dict[str, nn.Module]:
    if type(model) is not nn.Sequential:
        raise CaptureError(
            f"the network must be an nn.Sequential of supported layers, not {type(model).__name__}"
        )
    children = dict(model.named_children())
    offenders = {name: child for name, child in children.items() if _find_handler(child) is None}
    if offenders:
        raise CaptureError(_refusal(offenders))
    return children


def _refusal(offenders: dict[str, nn.Module]) -> str:
    found = ", ".join(_title(name, child) for name, child in offenders.items())
    supported = ", ".join(cls.__name__ for cls in _HANDLERS)
    text = f"modules must be of a supported class, not {found}; supported are {supported}"
    if any(type(child) in _FLOAT_LAYERS for child in offenders.values()):
        text += (
            "; nn.Linear, nn.Hardtanh and the like compute in float and are not deployable: "
            "train with BinaryLinear or HbnnLinear and SignActivation instead"
        )
    reasons = [
        reason
        for kind, reason in _TRAINING_ONLY.items()
        if any(isinstance(child, kind) for child in offenders.values())
    ]
    return "; ".join([text, *reasons])


def _title(name: str, module: nn.Module) -> str:
    return f"{name!r} ({type(module).__name__})"


def _check_finite(name: str, module: nn.Module) -> None:
    for parameter, values in module.state_dict().items():
        if not bool(torch.isfinite(values).all()):
            raise CaptureError(
                f"{parameter} of {_title(name, module)} must be finite; it holds NaN or infinity"
            )


def _reals(values: Tensor) -> Reals:
    return values.detach().cpu().numpy().astype(np.float64)


def _shift_affine(name: str, norm: nn.Module) -> tuple[Reals, Reals]:
    """Return the power-of-two slopes and the offset of shift-based normalization, float64 (features,)."""
    assert isinstance(norm, ShiftBatchNorm1d)
    slope, offset = norm.affine()
    if not bool(torch.isfinite(slope).all()):
        raise CaptureError(f"AP2 of the slopes of {_title(name, norm)} must be finite")
    return _reals(slope), _reals(offset)


def _batchnorm_affine(name: str, norm: nn.Module) -> tuple[Reals, Reals]:
    """Return slope and offset of evaluation-mode batch normalization, float64 (features,)."""
    assert isinstance(norm, nn.BatchNorm1d)
    if norm.running_mean is None or norm.running_var is None:
        raise CaptureError(f"{_title(name, norm)} must track running statistics (track_running_stats=True)")
    variance = _reals(norm.running_var) + norm.eps
    if not (variance > 0).all():
        raise CaptureError(f"running_var + eps of {_title(name, norm)} must be positive")
    slope = (_reals(norm.weight) if norm.affine else 1.0) / np.sqrt(variance)
    offset = (_reals(norm.bias) if norm.affine else 0.0) - _reals(norm.running_mean) * slope
    return slope, offset


def _integer_linear(name: str, module: QuantizedLinear, scale_error: float) -> tuple[DeployedLinear, Reals]:
    """Return the layer over integers, and the real value of one accumulator step, float64 (out,)."""
    try:
        planes = _inhabited(module.planes())
        if planes.mu.numel() == 0:
            raise CaptureError("the layer must have at least one weight with a bit")
        scales = integer_scales(planes.mu.tolist(), scale_error)
    except (CaptureError, RangeError) as error:
        raise CaptureError(f"{_title(name, module)}: {error}") from error
    bits = (planes.signs > 0).to(torch.uint8)
    mask = (planes.signs != 0).to(torch.uint8)
    rows = np.ones(module.out_features) if planes.row_scale is None else _reals(planes.row_scale)
    return DeployedLinear(bits, mask, scales.coefficients), rows * scales.factor


def _inhabited(planes: RealPlanes) -> RealPlanes:
    """Drop planes that no entry has, as small layers do not fill every share of a distribution."""
    keep = planes.signs.flatten(1).any(dim=1)
    return RealPlanes(planes.signs[keep].cpu(), planes.mu[keep].cpu(), planes.row_scale)


def _check_exact(name: str, linear: DeployedLinear, bound: int) -> None:
    largest = linear.largest_accumulator(bound)
    if largest >= EXACT_FLOAT32:
        raise RangeError(
            f"accumulators of layer {name!r} must stay below {EXACT_FLOAT32} (2^24) to be exact in float32, "
            f"but can reach {largest}; use fewer input bits, fewer inputs or a larger scale_error"
        )
