"""What a layer of a float network is to become, and how it becomes that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

import torch
from torch import nn

from hbnn_hw.nn.activations import SignActivation, StochasticSign
from hbnn_hw.nn.binary import BinaryLinear
from hbnn_hw.nn.bit_map import ELEMENT, Distribution, Granularity, Heuristic
from hbnn_hw.nn.conv import Padding
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
from hbnn_hw.nn.flexor import AlphaInit, FlexorLinear
from hbnn_hw.nn.hbnn import DEFAULT_DISTRIBUTION, HbnnLinear, HbnnWeights, PlaneScales
from hbnn_hw.nn.hbnn_activation import HbnnActivation
from hbnn_hw.nn.latent import LatentLayer, QuantizedLayer
from hbnn_hw.nn.slb import SlbLinear
from hbnn_hw.nn.uniform_activation import UniformActivation
from hbnn_hw.nn.xor_function import XorGradient
from hbnn_hw.nn.xor_matrix import FlattenOrder, XorScheme

WEIGHTS = (nn.Linear, nn.Conv1d, nn.Conv2d)
"""What the methods have a layer for."""
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.Tanh)
"""What a quantized activation may replace."""
_Forms: TypeAlias = Mapping[type[nn.Module], type[QuantizedLayer]]
"""Float layer to a method's layer of that shape."""
_BINARY: _Forms = {nn.Linear: BinaryLinear, nn.Conv1d: BinaryConv1d, nn.Conv2d: BinaryConv2d}
_HBNN: _Forms = {nn.Linear: HbnnLinear, nn.Conv1d: HbnnConv1d, nn.Conv2d: HbnnConv2d}
_SLB: _Forms = {nn.Linear: SlbLinear, nn.Conv1d: SlbConv1d, nn.Conv2d: SlbConv2d}
_FLEXOR: _Forms = {nn.Linear: FlexorLinear, nn.Conv1d: FlexorConv1d, nn.Conv2d: FlexorConv2d}


class LayerSpec(ABC):
    """What a layer is to become; the frozen dataclasses below are all there is."""

    @abstractmethod
    def replace(self, module: nn.Module) -> nn.Module:
        """Return the new layer; raise ``ImpossibleError`` with the reason if there is none."""


class ImpossibleError(ValueError):
    """Why a layer cannot become what its specification asks for."""


@dataclass(frozen=True, slots=True)
class FloatSpec(LayerSpec):
    """The layer stays as it is."""

    def replace(self, module: nn.Module) -> nn.Module:
        """Return ``module`` itself."""
        return module


@dataclass(frozen=True, slots=True, kw_only=True)
class BnnSpec(LayerSpec):
    """A linear layer or a convolution with binary weights; the float weights go on as latent ones.

    Attributes
    ----------
    padding
        What stands around the image; a convolution with padding needs it.
    """

    padding: Padding | None = None

    def replace(self, module: nn.Module) -> nn.Module:
        """Return a :class:`BinaryLinear`, :class:`BinaryConv1d` or :class:`BinaryConv2d`."""
        return _quantized(module, _BINARY, self.padding)


@dataclass(frozen=True, slots=True, kw_only=True)
class HbnnSpec(LayerSpec):
    """A linear layer or a convolution with heterogeneous weights; the float weights go on as latent ones.

    Attributes
    ----------
    distribution, heuristic, granularity, plane_scales
        See :class:`HbnnLinear`.
    padding
        What stands around the image; a convolution with padding needs it.
    """

    distribution: Distribution = DEFAULT_DISTRIBUTION
    heuristic: Heuristic = Heuristic.MIDDLE_OUT
    granularity: Granularity = ELEMENT
    plane_scales: PlaneScales = PlaneScales.MEANS
    padding: Padding | None = None

    def replace(self, module: nn.Module) -> nn.Module:
        """Return a :class:`HbnnLinear`, :class:`HbnnConv1d` or :class:`HbnnConv2d`."""
        return _quantized(
            module,
            _HBNN,
            self.padding,
            distribution=self.distribution,
            heuristic=self.heuristic,
            granularity=self.granularity,
            plane_scales=self.plane_scales,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SlbSpec(LayerSpec):
    """A linear layer or a convolution with searched weights, whose logits are drawn anew.

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
        """Return an :class:`SlbLinear`, :class:`SlbConv1d` or :class:`SlbConv2d`."""
        return _quantized(module, _SLB, self.padding, bits=self.bits)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexorSpec(LayerSpec):
    """A linear layer or a convolution with XOR-decoded weights, whose encrypted weights are drawn anew.

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
        """Return a :class:`FlexorLinear`, :class:`FlexorConv1d` or :class:`FlexorConv2d`."""
        return _quantized(
            module,
            _FLEXOR,
            self.padding,
            **asdict(self.scheme),
            n_planes=self.n_planes,
            order=self.order,
            pe=self.pe,
            simd=self.simd,
            gradient=self.gradient,
            alpha_init=self.alpha_init,
        )


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
class UniformSpec(LayerSpec):
    """An activation becomes one of equal steps.

    Attributes
    ----------
    bits, signed, narrow, step, learn_step
        See :class:`UniformActivation`. DoReFa's is ``step=1 / (2**bits - 1), learn_step=False``.
    """

    bits: int
    signed: bool = False
    narrow: bool = False
    step: float | None = None
    learn_step: bool = True

    def replace(self, module: nn.Module) -> nn.Module:
        """Return a :class:`UniformActivation`."""
        _require_activation(module)
        return UniformActivation(**asdict(self))


def _require_activation(module: nn.Module) -> None:
    if not isinstance(module, ACTIVATIONS):
        names = ", ".join(kind.__name__ for kind in ACTIVATIONS)
        raise ImpossibleError(f"only {names} can become a quantized activation")


def _quantized(
    module: nn.Module,
    forms: _Forms,
    padding: Padding | None,
    **options: Any,  # noqa: ANN401 - what the method's layers take
) -> QuantizedLayer:
    """Return the method's layer in the shape of ``module``, with what of its weights goes on."""
    if type(module) is nn.Linear:
        sizes = _linear_sizes(module)
    elif isinstance(module, nn.Conv1d | nn.Conv2d) and type(module) in forms:
        sizes = _conv_sizes(module, padding)
    else:
        raise ImpossibleError(
            "must be an nn.Linear, nn.Conv1d or nn.Conv2d; name it with FloatSpec() to keep it float"
        )
    return _carry_over(module, forms[type(module)](**sizes, bias=module.bias is not None, **options))


def _linear_sizes(module: nn.Linear) -> dict[str, Any]:
    return {"in_features": module.in_features, "out_features": module.out_features}


def _conv_sizes(module: nn.Conv1d | nn.Conv2d, padding_value: Padding | None) -> dict[str, Any]:
    if module.padding_mode != "zeros":
        raise ImpossibleError(f"padding_mode must be 'zeros', not {module.padding_mode!r}")
    padding = _padding(module)
    if any(padding) and padding_value is None:
        raise ImpossibleError(
            "has padding, so its specification must say with what (padding=Padding.MASKED, ...)"
        )
    return {
        "in_channels": module.in_channels,
        "out_channels": module.out_channels,
        "kernel_size": module.kernel_size,
        "stride": module.stride,
        "padding": padding,
        "padding_value": padding_value,
        "dilation": module.dilation,
        "groups": module.groups,
    }


def _padding(module: nn.Conv1d | nn.Conv2d) -> tuple[int, ...]:
    """Return the padding in numbers; "same" puts an odd pixel behind the image, as PyTorch does."""
    if not isinstance(module.padding, str):
        return module.padding
    if module.padding == "valid":
        return (0,) * len(module.kernel_size)
    totals = [
        distance * (size - 1) for size, distance in zip(module.kernel_size, module.dilation, strict=True)
    ]
    return tuple(side for total in totals for side in (total // 2, total - total // 2))


@torch.no_grad()
def _carry_over(source: nn.Module, layer: QuantizedLayer) -> QuantizedLayer:
    assert isinstance(source, WEIGHTS)
    if isinstance(layer, LatentLayer):
        layer.weight.copy_(source.weight)
        layer.clip_weights_()
    if isinstance(layer, HbnnWeights):
        layer.refresh_bit_map()
    if layer.bias is not None and source.bias is not None:
        layer.bias.copy_(source.bias)
    return layer
