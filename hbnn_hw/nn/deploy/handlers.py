"""What becomes of every kind of layer, and what is said of those that have no deployed form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from torch import nn

from hbnn_hw.errors import CaptureError
from hbnn_hw.lowering.stages import Value
from hbnn_hw.nn.activations import BitPlaneInput, SignActivation, StochasticSign
from hbnn_hw.nn.conv import QuantizedConv
from hbnn_hw.nn.deploy.bends import BENDS, add_bend
from hbnn_hw.nn.deploy.inputs import add_input, add_unflatten
from hbnn_hw.nn.deploy.joins import add_average_pool, add_concat, add_sum
from hbnn_hw.nn.deploy.lowering import Layer, Lowering, title
from hbnn_hw.nn.deploy.norms import add_batchnorm, add_output_scale, add_scale
from hbnn_hw.nn.deploy.quantizers import add_hbnn_activation, add_sign, add_uniform_activation
from hbnn_hw.nn.deploy.shapes import add_flatten, add_max_pool, add_pad, add_subsample, skip
from hbnn_hw.nn.deploy.weights import add_convolution, add_linear
from hbnn_hw.nn.encoders import ThermometerInput, ThresholdInput
from hbnn_hw.nn.hbnn_activation import HbnnActivation
from hbnn_hw.nn.latent import QuantizedLinear
from hbnn_hw.nn.norms import OutputScale, ShiftBatchNorm1d, ShiftBatchNorm2d
from hbnn_hw.nn.state_batchnorm import StateBatchNorm1d, StateBatchNorm2d
from hbnn_hw.nn.structure import Add, Concat, Pad, Scale, Subsample
from hbnn_hw.nn.uniform_activation import UniformActivation

Handler: TypeAlias = Callable[[Lowering, Layer], Value]
"""Adds what a layer becomes to the twin, and says what its value then means."""

HANDLERS: dict[type[nn.Module], Handler] = {
    BitPlaneInput: add_input,
    nn.Unflatten: add_unflatten,
    QuantizedLinear: add_linear,
    QuantizedConv: add_convolution,
    nn.BatchNorm1d: add_batchnorm,
    nn.BatchNorm2d: add_batchnorm,
    StateBatchNorm1d: add_batchnorm,
    StateBatchNorm2d: add_batchnorm,
    ShiftBatchNorm1d: add_batchnorm,
    ShiftBatchNorm2d: add_batchnorm,
    OutputScale: add_output_scale,
    Scale: add_scale,
    SignActivation: add_sign,
    StochasticSign: add_sign,
    HbnnActivation: add_hbnn_activation,
    UniformActivation: add_uniform_activation,
    **dict.fromkeys(BENDS, add_bend),
    nn.MaxPool1d: add_max_pool,
    nn.MaxPool2d: add_max_pool,
    nn.AvgPool1d: add_average_pool,
    nn.AvgPool2d: add_average_pool,
    Add: add_sum,
    Concat: add_concat,
    Pad: add_pad,
    Subsample: add_subsample,
    nn.Flatten: add_flatten,
    nn.Dropout: skip,
    nn.Dropout2d: skip,
    nn.Identity: skip,
}
_BASES = (QuantizedLinear, QuantizedConv)
"""Classes that stand for their subclasses, too: what a training method makes its weights of is its own."""
_FLOAT_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)
_ENCODE = "{} has no hardware form yet: encode the data before, or use BitPlaneInput"
_TRAINING_ONLY: dict[type[nn.Module], str] = {
    ThresholdInput: _ENCODE.format("ThresholdInput"),
    ThermometerInput: _ENCODE.format("ThermometerInput"),
}
"""Layers of ours that cannot be lowered, and what to do instead."""


def find_handler(module: nn.Module) -> Handler | None:
    """Return what a module's class calls for; None if the class is not supported."""
    # A subclass may compute something else, so only the methods' own base classes are matched as bases.
    kind = next((base for base in _BASES if isinstance(module, base)), type(module))
    return HANDLERS.get(kind)


def refusal(offenders: dict[str, nn.Module]) -> str:
    """Say which modules are not supported, which are, and what to do about each kind."""
    found = ", ".join(title(name, child) for name, child in offenders.items())
    supported = ", ".join(cls.__name__ for cls in HANDLERS)
    text = f"modules must be of a supported class, not {found}; supported are {supported}"
    if any(type(child) in _FLOAT_LAYERS for child in offenders.values()):
        text += (
            "; nn.Linear, nn.Conv2d and the like compute in float and are not deployable: "
            "train with BinaryLinear or HbnnLinear and SignActivation instead"
        )
    reasons = [
        reason
        for kind, reason in _TRAINING_ONLY.items()
        if any(isinstance(child, kind) for child in offenders.values())
    ]
    return "; ".join([text, *reasons])


def handlers_of(layers: Mapping[str, nn.Module]) -> dict[str, Handler]:
    """Return each layer's handler by path; raise CaptureError naming all layers that have none."""
    found = {path: find_handler(layer) for path, layer in layers.items()}
    offenders = {path: layers[path] for path, handler in found.items() if handler is None}
    if offenders:
        raise CaptureError(refusal(offenders))
    return {path: handler for path, handler in found.items() if handler is not None}
