"""The layer kinds that a checkpoint may describe: one line each, and how to get from one to the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import torch
from torch import nn

from hbnn_hw.errors import CheckpointError
from hbnn_hw.nn.activations import BitPlaneInput, SignActivation, StochasticSign
from hbnn_hw.nn.binary import BinaryLinear
from hbnn_hw.nn.conv_methods import (
    BinaryConv1d,
    BinaryConv2d,
    FlexorConv1d,
    FlexorConv2d,
    HbnnConv1d,
    HbnnConv2d,
    SlbConv1d,
    SlbConv2d,
)
from hbnn_hw.nn.encoders import ThermometerInput, ThresholdInput
from hbnn_hw.nn.flexor import FlexorLinear
from hbnn_hw.nn.hbnn import HbnnLinear
from hbnn_hw.nn.hbnn_activation import HbnnActivation
from hbnn_hw.nn.latent import Plain
from hbnn_hw.nn.norms import OutputScale, ShiftBatchNorm1d, ShiftBatchNorm2d
from hbnn_hw.nn.shortened import shortened
from hbnn_hw.nn.slb import SlbLinear
from hbnn_hw.nn.state_batchnorm import StateBatchNorm1d, StateBatchNorm2d
from hbnn_hw.nn.structure import Add, Concat, Pad, Scale, Subsample
from hbnn_hw.nn.uniform_activation import UniformActivation

FieldType: TypeAlias = "type | tuple[type, ...]"
"""The exact type of a field, or those that it may have."""

LONGEST_LIST = 64
"""Most items of a list in a description: sizes, and the bitwidths of a distribution."""

_LINEAR = {"in_features": int, "out_features": int, "bias": bool}
_BATCHNORM = {"num_features": int, "eps": float, "momentum": float, "affine": bool}
_XOR = {"n_planes": int, "n_in": int, "n_out": int, "n_taps": int, "seed": int}
_FLEXOR = _XOR | {"order": str, "pe": int, "simd": int, "gradient": str}
_SLB = {"bits": int, "hard": bool}
_SIZE = (int, list)
_POOL: dict[str, FieldType] = {"kernel_size": _SIZE, "stride": _SIZE, "padding": _SIZE, "ceil_mode": bool}
_POOL_DEFAULTS: Mapping[str, object] = MappingProxyType({"ceil_mode": False})
_MAX_POOL = _POOL | {"dilation": _SIZE}
_MAX_POOL_DEFAULTS = MappingProxyType({**_POOL_DEFAULTS, "dilation": 1})
_AVG_POOL = _POOL | {"count_include_pad": bool}
_AVG_POOL_DEFAULTS = MappingProxyType({**_POOL_DEFAULTS, "count_include_pad": True})
_SIZES = {"in_channels": int, "out_channels": int, "kernel_size": list, "stride": list, "padding": list}
_FLOAT_CONV = _SIZES | {"groups": int, "bias": bool}
_CONV = _FLOAT_CONV | {"padding_value": str, "dilation": list}
_FLOAT_CONV_DILATED = _FLOAT_CONV | {"dilation": list}
_HBNN_ACTIVATION = {"shape": list, "momentum": float, "distribution": list, "heuristic": str, "frozen": bool}
_SHIFT_NORM = {"num_features": int, "eps": float, "momentum": float}
_MAP = {"distribution": list, "heuristic": str, "frozen": bool, "granularity": list, "plane_scales": str}
_PAPERS_MAP = frozenset({"granularity", "plane_scales"})
_DENSE_WINDOW = frozenset({"dilation"})
_UNIFORM = {"bits": int, "signed": bool, "narrow": bool, "learn_step": bool}
_ONE_OUTPUT = MappingProxyType({"return_indices": False})
_ZEROS = MappingProxyType({"padding_mode": "zeros"})


@dataclass(frozen=True, slots=True)
class Kind:
    """One layer kind.

    Attributes
    ----------
    module
        Its class; the constructor takes ``fields`` as keywords.
    fields
        Name and exact type of every field of its description.
    optional
        Names of the fields that a description may leave out, as the constructor's defaults.
    defaults
        Fields that a description leaves out where they have this value, the constructor's default.
    fixed
        Attributes that no field tells, and the value without which a module cannot be described.
    """

    module: type[nn.Module]
    fields: Mapping[str, FieldType]
    optional: frozenset[str] = frozenset()
    defaults: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    fixed: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def describe(self, module: nn.Module) -> dict[str, Plain]:
        """Return the fields of ``module`` as plain values; raise ValueError if they do not tell all."""
        for name, value in self.fixed.items():
            if getattr(module, name) != value:
                raise ValueError(f"{name} must be {value!r}, not {getattr(module, name)!r}")
        read: Callable[[], dict[str, Plain]] | None = getattr(module, "config", None)
        if read is not None:
            return read()
        values = {
            name: getattr(module, name) is not None if name == "bias" else _plain(getattr(module, name))
            for name in self.fields
        }
        return {
            name: value
            for name, value in values.items()
            if name not in self.defaults or value != self.defaults[name]
        }

    @property
    def required(self) -> frozenset[str]:
        """Names of the fields that every description has."""
        return frozenset(self.fields) - self.optional - self.defaults.keys()


def _plain(value: Any) -> Plain:  # noqa: ANN401 - any attribute of a torch module
    plain: Plain = list(value) if isinstance(value, tuple) else value
    return plain


KINDS: Mapping[str, Kind] = {
    "bit_plane_input": Kind(BitPlaneInput, {"bits": int, "scaled": bool}),
    "threshold_input": Kind(ThresholdInput, {"threshold": float}),
    "thermometer_input": Kind(ThermometerInput, {"features": int, "levels": int}),
    "sign": Kind(SignActivation, {"zero": int}),
    "stochastic_sign": Kind(StochasticSign, {"zero": int, "seed": int}),
    "hbnn_activation": Kind(HbnnActivation, _HBNN_ACTIVATION),
    "uniform_activation": Kind(UniformActivation, _UNIFORM),
    "binary_conv1d": Kind(BinaryConv1d, _CONV, _DENSE_WINDOW),
    "binary_conv2d": Kind(BinaryConv2d, _CONV, _DENSE_WINDOW),
    "hbnn_conv1d": Kind(HbnnConv1d, _CONV | _MAP, _PAPERS_MAP | _DENSE_WINDOW),
    "hbnn_conv2d": Kind(HbnnConv2d, _CONV | _MAP, _PAPERS_MAP | _DENSE_WINDOW),
    "binary_linear": Kind(BinaryLinear, _LINEAR),
    "hbnn_linear": Kind(HbnnLinear, _LINEAR | _MAP, _PAPERS_MAP),
    "slb_conv1d": Kind(SlbConv1d, _CONV | _SLB, _DENSE_WINDOW),
    "slb_conv2d": Kind(SlbConv2d, _CONV | _SLB, _DENSE_WINDOW),
    "slb_linear": Kind(SlbLinear, _LINEAR | _SLB),
    "flexor_conv1d": Kind(FlexorConv1d, _CONV | _FLEXOR, _DENSE_WINDOW),
    "flexor_conv2d": Kind(FlexorConv2d, _CONV | _FLEXOR, _DENSE_WINDOW),
    "flexor_linear": Kind(FlexorLinear, _LINEAR | _FLEXOR),
    "output_scale": Kind(OutputScale, {}),
    "batchnorm1d": Kind(nn.BatchNorm1d, _BATCHNORM),
    "state_batchnorm1d": Kind(StateBatchNorm1d, _BATCHNORM),
    "state_batchnorm2d": Kind(StateBatchNorm2d, _BATCHNORM),
    "shift_batchnorm1d": Kind(ShiftBatchNorm1d, _SHIFT_NORM),
    "shift_batchnorm2d": Kind(ShiftBatchNorm2d, _SHIFT_NORM),
    "batchnorm2d": Kind(nn.BatchNorm2d, _BATCHNORM),
    "maxpool1d": Kind(nn.MaxPool1d, _MAX_POOL, defaults=_MAX_POOL_DEFAULTS, fixed=_ONE_OUTPUT),
    "maxpool2d": Kind(nn.MaxPool2d, _MAX_POOL, defaults=_MAX_POOL_DEFAULTS, fixed=_ONE_OUTPUT),
    "avgpool1d": Kind(nn.AvgPool1d, _AVG_POOL, defaults=_AVG_POOL_DEFAULTS),
    "avgpool2d": Kind(nn.AvgPool2d, _AVG_POOL, defaults=_AVG_POOL_DEFAULTS, fixed={"divisor_override": None}),
    "flatten": Kind(nn.Flatten, {"start_dim": int, "end_dim": int}),
    "unflatten": Kind(nn.Unflatten, {"dim": int, "unflattened_size": list}),
    "conv1d": Kind(nn.Conv1d, _FLOAT_CONV_DILATED, defaults={"dilation": [1]}, fixed=_ZEROS),
    "conv2d": Kind(nn.Conv2d, _FLOAT_CONV_DILATED, defaults={"dilation": [1, 1]}, fixed=_ZEROS),
    "linear": Kind(nn.Linear, _LINEAR),
    "relu": Kind(nn.ReLU, {}),
    "relu6": Kind(nn.ReLU6, {}),
    "leaky_relu": Kind(nn.LeakyReLU, {"negative_slope": float}),
    "prelu": Kind(nn.PReLU, {"num_parameters": int}),
    "hardtanh": Kind(nn.Hardtanh, {"min_val": float, "max_val": float}),
    "dropout": Kind(nn.Dropout, {"p": float}),
    "identity": Kind(nn.Identity, {}),
    "add": Kind(Add, {}),
    "concat": Kind(Concat, {}),
    "pad": Kind(Pad, {"padding": list, "channels": list, "value": float}),
    "subsample": Kind(Subsample, {"stride": list}),
    "scale": Kind(Scale, {"factor": float, "offset": float}),
}
"""Name in the file to kind."""


_BY_CLASS: Mapping[type[nn.Module], str] = MappingProxyType(
    {kind.module: name for name, kind in KINDS.items()}
)


def is_known(module: nn.Module) -> bool:
    """Say whether a module is of a known kind; a subclass is not, for it may compute something else."""
    return type(module) in _BY_CLASS


def describe_layer(module: nn.Module) -> tuple[str, dict[str, Plain]]:
    """Return kind and fields of a module of a known kind; raise ValueError if they do not tell all."""
    kind = _BY_CLASS[type(module)]
    return kind, KINDS[kind].describe(module)


def describe_layers(layers: Mapping[str, nn.Module]) -> list[dict[str, Plain]]:
    """Describe layers by name as a list of ``{"name", "kind", **fields}``.

    Raises
    ------
    CheckpointError
        If a layer is of no known kind (all such layers are named), or has a setting that its description
        could not tell.
    """
    unknown = [f"{name!r} ({type(layer).__name__})" for name, layer in layers.items() if not is_known(layer)]
    if unknown:
        known = ", ".join(cls.__name__ for cls in _BY_CLASS)
        raise CheckpointError(f"layers to save must be one of {known}, not {', '.join(unknown)}")
    described: list[dict[str, Plain]] = []
    for name, layer in layers.items():
        try:
            kind, fields = describe_layer(layer)
        except ValueError as error:
            raise CheckpointError(
                f"layer {name!r} ({type(layer).__name__}) cannot be saved: {error}"
            ) from error
        described.append({"name": name, "kind": kind, **fields})
    return described


def describe(model: nn.Sequential) -> list[dict[str, Plain]]:
    """Describe the children of an ``nn.Sequential``; see :func:`describe_layers`."""
    return describe_layers(dict(model.named_children()))


def build(architecture: object) -> nn.Sequential:
    """Rebuild the network that :func:`describe` described, on device "meta", checking every field.

    Raises
    ------
    CheckpointError
        If the description is malformed; names the layer and the field.
    """
    model = nn.Sequential()
    for index, (name, module) in enumerate(build_layers(architecture).items()):
        try:
            model.add_module(name, module)
        except KeyError as error:
            raise CheckpointError(f"layer {index} has a name that cannot be used: {error}") from error
    return model


def build_layers(architecture: object) -> dict[str, nn.Module]:
    """Rebuild the layers that :func:`describe_layers` described; see :func:`build`."""
    if not isinstance(architecture, list) or not architecture:
        raise CheckpointError(
            "the architecture in a checkpoint must be a list of layers with at least one entry"
        )
    layers: dict[str, nn.Module] = {}
    for index, layer in enumerate(architecture):
        if not isinstance(layer, dict) or type(layer.get("name")) is not str:
            raise CheckpointError(
                f"layer {index} of the architecture must be a dictionary with a name, not {shortened(layer)}"
            )
        fields: dict[str, Any] = dict(layer)
        name, kind = fields.pop("name"), fields.pop("kind", None)
        if name in layers:
            raise CheckpointError(f"layer names must differ, but {name!r} occurs twice")
        layers[name] = build_layer(name, kind, fields)
    return layers


def build_layer(name: str, kind_name: object, fields: Mapping[str, Any]) -> nn.Module:
    """Build a layer on device "meta" from its kind and fields; ``name`` is for complaints.

    Raises
    ------
    CheckpointError
        If there is no such kind, or it does not have these fields, or refuses their values.
    """
    kind = KINDS.get(kind_name) if isinstance(kind_name, str) else None
    if kind is None:
        raise CheckpointError(
            f"layer {name!r} must be of a known kind ({', '.join(KINDS)}), not {shortened(kind_name)}"
        )
    _check_fields(name, kind, fields)
    try:
        # Described only: a hostile description must not make us allocate, and its tensors come later.
        with torch.device("meta"):
            return kind.module(**{key: _argument(value) for key, value in fields.items()})
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise CheckpointError(
            f"layer {name!r} has a field that its kind {kind_name!r} refuses: {error}"
        ) from error


def _argument(value: Any) -> Any:  # noqa: ANN401 - any plain value
    """Give sizes as torch's own layers have them: a tuple."""
    return tuple(value) if isinstance(value, list) else value


def _is_short(value: object, levels: int = 2) -> bool:
    """Say whether a value is no list, or one of few items; lists in lists may be endless when written out."""
    if not isinstance(value, list):
        return True
    return levels > 0 and len(value) <= LONGEST_LIST and all(_is_short(item, levels - 1) for item in value)


def _check_fields(name: str, kind: Kind, fields: Mapping[str, Any]) -> None:
    if not kind.required <= fields.keys() <= kind.fields.keys():
        raise CheckpointError(
            f"layer {name!r} must have the fields {sorted(kind.fields)}, not {sorted(map(str, fields))}"
        )
    for key, value in fields.items():
        expected = kind.fields[key]
        types = expected if isinstance(expected, tuple) else (expected,)
        if type(value) not in types or not _is_short(value):
            wanted = " or ".join(cls.__name__ for cls in types)
            raise CheckpointError(f"field {key!r} of layer {name!r} must be {wanted}, not {shortened(value)}")
