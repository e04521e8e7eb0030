"""From a float network to a quantized one: a specification per layer, all complaints at once."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from hbnn_hw.errors import ConversionError
from hbnn_hw.nn.activations import SignActivation, StochasticSign
from hbnn_hw.nn.binary import BinaryLinear
from hbnn_hw.nn.bit_map import ELEMENT, Distribution, Granularity, Heuristic
from hbnn_hw.nn.conv import BinaryConv2d, FlexorConv2d, HbnnConv2d, Padding, SlbConv2d
from hbnn_hw.nn.flexor import AlphaInit, FlexorLinear
from hbnn_hw.nn.hbnn import DEFAULT_DISTRIBUTION, HbnnLinear, HbnnWeights
from hbnn_hw.nn.hbnn_activation import HbnnActivation
from hbnn_hw.nn.latent import LatentLayer, QuantizedLayer
from hbnn_hw.nn.slb import SlbLinear
from hbnn_hw.nn.xor_function import XorGradient
from hbnn_hw.nn.xor_matrix import FlattenOrder, XorScheme

_WEIGHTS = (nn.Linear, nn.Conv2d)
_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.Tanh)
_OTHER_WEIGHTS = (
    nn.Conv1d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Bilinear,
    nn.RNNBase,
    nn.MultiheadAttention,
)


class LayerSpec(ABC):
    """What a layer is to become; the frozen dataclasses below are all there is."""

    @abstractmethod
    def replace(self, module: nn.Module) -> nn.Module:
        """Return the new layer; raise ``_ImpossibleError`` with the reason if there is none."""


class _ImpossibleError(ValueError):
    """Why a layer cannot become what its specification asks for."""


@dataclass(frozen=True, slots=True)
class FloatSpec(LayerSpec):
    """The layer stays as it is."""

    def replace(self, module: nn.Module) -> nn.Module:
        """Return ``module`` itself."""
        return module


@dataclass(frozen=True, slots=True, kw_only=True)
class BnnSpec(LayerSpec):
    """``nn.Linear`` or ``nn.Conv2d`` with binary weights; the float weights go on as latent ones.

    Attributes
    ----------
    padding
        What stands around the image; a convolution with padding needs it.
    """

    padding: Padding | None = None

    def replace(self, module: nn.Module) -> nn.Module:
        """Return a :class:`BinaryLinear` or :class:`BinaryConv2d`."""
        if type(module) is nn.Linear:
            return _carry_over(module, BinaryLinear(**_linear_sizes(module)))
        return _carry_over(module, BinaryConv2d(**_conv_sizes(module, self.padding)))


@dataclass(frozen=True, slots=True, kw_only=True)
class HbnnSpec(LayerSpec):
    """``nn.Linear`` or ``nn.Conv2d`` with heterogeneous weights; the float weights go on as latent ones.

    Attributes
    ----------
    distribution, heuristic, granularity
        See :class:`HbnnLinear`.
    padding
        What stands around the image; a convolution with padding needs it.
    """

    distribution: Distribution = DEFAULT_DISTRIBUTION
    heuristic: Heuristic = Heuristic.MIDDLE_OUT
    granularity: Granularity = ELEMENT
    padding: Padding | None = None

    def replace(self, module: nn.Module) -> nn.Module:
        """Return a :class:`HbnnLinear` or :class:`HbnnConv2d`."""
        options: dict[str, Any] = {
            "distribution": self.distribution,
            "heuristic": self.heuristic,
            "granularity": self.granularity,
        }
        if type(module) is nn.Linear:
            return _carry_over(module, HbnnLinear(**_linear_sizes(module), **options))
        return _carry_over(module, HbnnConv2d(**_conv_sizes(module, self.padding), **options))


@dataclass(frozen=True, slots=True, kw_only=True)
class SlbSpec(LayerSpec):
    """``nn.Linear`` or ``nn.Conv2d`` with searched weights, whose logits are drawn anew.

    Attributes
    ----------
    bits
        Bits per weight.
    padding
        What stands around the image; a convolution with padding needs it.
    """

    bits: int = 1
    padding: Padding | None = None

    def replace(self, module: nn.Module) -> nn.Module:
        """Return an :class:`SlbLinear` or :class:`SlbConv2d`."""
        if type(module) is nn.Linear:
            return _carry_over(module, SlbLinear(**_linear_sizes(module), bits=self.bits))
        return _carry_over(module, SlbConv2d(**_conv_sizes(module, self.padding), bits=self.bits))


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexorSpec(LayerSpec):
    """``nn.Linear`` or ``nn.Conv2d`` with XOR-decoded weights, whose encrypted weights are drawn anew.

    Attributes
    ----------
    n_planes, scheme, order, pe, simd, gradient, alpha_init
        See :class:`FlexorOptions`. With order WORD ``pe`` must divide the outputs of the layer and ``simd``
        the inputs of one output.
    padding
        What stands around the image; a convolution with padding needs it.
    """

    n_planes: int = 1
    scheme: XorScheme = field(default_factory=XorScheme)
    order: FlattenOrder = FlattenOrder.PAPER
    pe: int = 1
    simd: int = 1
    gradient: XorGradient = XorGradient.PUBLISHED
    alpha_init: AlphaInit = AlphaInit.PAPER
    padding: Padding | None = None

    def replace(self, module: nn.Module) -> nn.Module:
        """Return a :class:`FlexorLinear` or :class:`FlexorConv2d`."""
        options: dict[str, Any] = asdict(self.scheme) | {
            "n_planes": self.n_planes,
            "order": self.order,
            "pe": self.pe,
            "simd": self.simd,
            "gradient": self.gradient,
            "alpha_init": self.alpha_init,
        }
        if type(module) is nn.Linear:
            return _carry_over(module, FlexorLinear(**_linear_sizes(module), **options))
        return _carry_over(module, FlexorConv2d(**_conv_sizes(module, self.padding), **options))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignSpec(LayerSpec):
    """An activation becomes ±1.

    Attributes
    ----------
    zero
        The sign of 0.
    seed
        Seeds stochastic binarization in training; None trains with the sign itself. :func:`convert` gives
        the layers of one specification the seeds ``seed``, ``seed + 1``, ..., so that each draws its own.
    """

    zero: int = 1
    seed: int | None = None

    def replace(self, module: nn.Module) -> nn.Module:
        """Return a :class:`SignActivation` or :class:`StochasticSign`."""
        _require_activation(module)
        return SignActivation(self.zero) if self.seed is None else StochasticSign(self.zero, self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class HbnnActivationSpec(LayerSpec):
    """An activation becomes a heterogeneous one.

    Attributes
    ----------
    shape
        What has a map, see :class:`HbnnActivation`; it differs from layer to layer.
    distribution, heuristic
        See :class:`HbnnActivation`.
    """

    shape: tuple[int, ...]
    distribution: Distribution = DEFAULT_DISTRIBUTION
    heuristic: Heuristic = Heuristic.MIDDLE_OUT

    def replace(self, module: nn.Module) -> nn.Module:
        """Return a :class:`HbnnActivation`."""
        _require_activation(module)
        return HbnnActivation(self.shape, distribution=self.distribution, heuristic=self.heuristic)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertSpec:
    """What :func:`convert` does with a network.

    Attributes
    ----------
    weights
        For every ``nn.Linear`` and ``nn.Conv2d`` that is not named in ``layers``.
    activation
        For every ReLU, ReLU6, Hardtanh and Tanh that is not named in ``layers``.
    layers
        Path of a module, as ``named_modules`` gives it, to its own specification.
    """

    weights: LayerSpec = FloatSpec()
    activation: LayerSpec = FloatSpec()
    layers: Mapping[str, LayerSpec] = field(default_factory=lambda: MappingProxyType({}))


def convert(model: nn.Module, spec: ConvertSpec) -> nn.Module:
    """Return a quantized copy of a float network; ``model`` itself is not changed.

    Parameters
    ----------
    model
        Any module, however nested. A layer that occurs twice stays one layer.
    spec
        What becomes of its layers.

    Returns
    -------
    nn.Module
        Biases are carried over, and weights where the method has latent ones (clipped to [-1, 1]). Mode and
        device are kept. A single layer may come back as another class.

    Raises
    ------
    ConversionError
        With every problem there is: paths that do not exist, layers that cannot become what they should,
        weights of a kind that cannot be quantized and are not named as :class:`FloatSpec`.
    """
    result = copy.deepcopy(model)
    paths = dict(result.named_modules(remove_duplicate=False))
    problems = [f"{path!r} is no module of the network" for path in spec.layers if path not in paths]
    chosen: dict[int, tuple[LayerSpec, nn.Module]] = {}
    for path, module in paths.items():
        layer_spec = _choose(path, module, spec)
        if layer_spec is None:
            continue
        if id(module) not in chosen:
            try:
                n_alike = sum(known == layer_spec for known, _ in chosen.values())
                chosen[id(module)] = layer_spec, _replacement(module, _seeded(layer_spec, n_alike))
            except ValueError as error:
                problems.append(f"{path!r} ({type(module).__name__}): {error}")
                continue
        known, new = chosen[id(module)]
        if known != layer_spec:
            problems.append(f"{path!r} ({type(module).__name__}): occurs twice with different specifications")
        result = _put(result, path, new)
    if problems:
        raise ConversionError("the network cannot be converted: " + "; ".join(problems))
    return result


def _choose(path: str, module: nn.Module, spec: ConvertSpec) -> LayerSpec | None:
    if path in spec.layers:
        return spec.layers[path]
    if isinstance(module, _ACTIVATIONS):
        return spec.activation
    if isinstance(module, _WEIGHTS + _OTHER_WEIGHTS) and not _below(path, spec.layers):
        return spec.weights
    return None


def _below(path: str, layers: Mapping[str, LayerSpec]) -> bool:
    """Whether a module around ``path`` was named, and with it all that is inside."""
    return any(parent in layers for parent in _parents(path))


def _parents(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition(".")[0]
        yield path


def _seeded(spec: LayerSpec, n_alike: int) -> LayerSpec:
    """Move the seed of a stochastic sign by the number of layers that have its specification already."""
    if not isinstance(spec, SignSpec) or spec.seed is None:
        return spec
    return replace(spec, seed=spec.seed + n_alike)


def _replacement(module: nn.Module, spec: LayerSpec) -> nn.Module:
    new = spec.replace(module)
    if new is not module:
        new.train(module.training)
        for parameter in module.parameters():
            new.to(parameter.device)
    return new


def _put(root: nn.Module, path: str, new: nn.Module) -> nn.Module:
    if not path:
        return new
    parent, _, name = path.rpartition(".")
    setattr(root.get_submodule(parent), name, new)
    return root


def _require_activation(module: nn.Module) -> None:
    if not isinstance(module, _ACTIVATIONS):
        names = ", ".join(kind.__name__ for kind in _ACTIVATIONS)
        raise _ImpossibleError(f"only {names} can become a quantized activation")


def _linear_sizes(module: nn.Linear) -> dict[str, Any]:
    return {
        "in_features": module.in_features,
        "out_features": module.out_features,
        "bias": module.bias is not None,
    }


def _conv_sizes(module: nn.Module, padding: Padding | None) -> dict[str, Any]:
    if type(module) is not nn.Conv2d:
        raise _ImpossibleError("must be an nn.Linear or nn.Conv2d; name it with FloatSpec() to keep it float")
    if isinstance(module.padding, str) or module.padding_mode != "zeros":
        raise _ImpossibleError(
            f"padding must be numbers and zeros, not {module.padding!r} and {module.padding_mode!r}"
        )
    if any(step != 1 for step in module.dilation):
        raise _ImpossibleError(f"dilation must be 1, not {tuple(module.dilation)}")
    if any(module.padding) and padding is None:
        raise _ImpossibleError(
            "has padding, so its specification must say with what (padding=Padding.MASKED, ...)"
        )
    sizes: dict[str, Sequence[int] | int] = {
        "in_channels": module.in_channels,
        "out_channels": module.out_channels,
        "kernel_size": module.kernel_size,
        "stride": module.stride,
        "padding": tuple(module.padding),
        "groups": module.groups,
    }
    return sizes | {"padding_value": padding, "bias": module.bias is not None}


@torch.no_grad()
def _carry_over(source: nn.Module, layer: QuantizedLayer) -> QuantizedLayer:
    assert isinstance(source, _WEIGHTS)
    if isinstance(layer, LatentLayer):
        layer.weight.copy_(source.weight)
        layer.clip_weights_()
    if isinstance(layer, HbnnWeights):
        layer.refresh_bit_map()
    if layer.bias is not None and source.bias is not None:
        layer.bias.copy_(source.bias)
    return layer
