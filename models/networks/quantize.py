"""Which layers of a network a paper quantizes, and how: the specification for ``hbnn_hw.nn.convert``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from torch import Tensor, nn

from hbnn_hw.nn import (
    BnnSpec,
    ConvertSpec,
    FlexorSpec,
    FloatSpec,
    Granularity,
    HbnnActivationSpec,
    HbnnSpec,
    LayerSpec,
    Method,
    Padding,
    SignSpec,
    SlbSpec,
    XorScheme,
    dist_from_avg,
)
from hbnn_hw.nn.bit_map import ELEMENT
from models.networks.trace import WEIGHTS, Step, trace

XOR_OUTPUTS = 20
"""Outputs of FleXOR's XOR network. Source: its Table 1 (papers, section 4.5)."""
SHORTCUT = "shortcut"
"""Module around the layers that stand beside a residual block."""
DEFAULT_BITS = {Method.BNN: 1.0, Method.HBNN: 1.4, Method.SLB: 1.0, Method.FLEXOR: 0.8}
"""Bits per weight where none are given."""


class Activations(Enum):
    """What the activations that a quantized layer reads become. All others stay as they are."""

    FLOAT = "float"
    """They stay, too: weights only."""
    SIGN = "sign"
    """±1."""
    POSITION = "position"
    """Heterogeneous, with a bitwidth for each position of a feature map, as the HBNN paper has it."""
    CHANNEL = "channel"
    """Heterogeneous, with a bitwidth for each channel."""


class Scope(Enum):
    """Which layers get quantized weights."""

    ALL = "all"
    """Every linear layer and convolution."""
    INNER = "inner"
    """All but the first and the last one, and the convolutions on shortcuts, which read sums."""
    POINTWISE = "pointwise"
    """1x1 convolutions without groups, off the shortcuts: MobileNet's 95 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a network is quantized.

    Attributes
    ----------
    method
        BNN, HBNN, SLB or FLEXOR.
    padding
        The border of convolutions that read ±1. Those that read anything else have no such value as
        -1 among their inputs (a pixel's codes end at -255/256) and get ``Padding.MASKED``, which is 0.
    bits
        Per weight: HBNN the average, SLB 1, 2, ..., FleXOR the stored ones in twentieths up to 1, BNN 1.
        None for 1.4, 1, 0.8 and 1.
    granularity
        Which weights of an HBNN share their bitwidth.
    activations
        What the inputs of quantized layers are.
    activation_bits
        Average bits of heterogeneous activations.
    scope
        Which layers; None for the paper's choice, see :meth:`scope_of`.

    Raises
    ------
    ValueError
        If the method is another one, or cannot have as many bits.
    """

    method: Method
    padding: Padding
    bits: float | None = None
    granularity: Granularity = ELEMENT
    activations: Activations = Activations.SIGN
    activation_bits: float = 1.4
    scope: Scope | None = None

    def __post_init__(self) -> None:
        if self.method not in DEFAULT_BITS:
            known = ", ".join(method.name for method in DEFAULT_BITS)
            raise ValueError(f"the method of a plan must be one of {known}, not {self.method}")
        self.weights()
        self.activation((1,))

    def scope_of(self, layers: Sequence[nn.Module]) -> Scope:
        """Return the scope for a network with these layers.

        Where none was chosen: networks with depthwise convolutions quantize the point-wise ones only, as
        HBNN does. BNN quantizes all layers, and so does HBNN where activations are float. HBNN otherwise,
        SLB and FleXOR leave the first and the last layer float.
        """
        if self.scope is not None:
            return self.scope
        if any(_is_depthwise(layer) for layer in layers):
            return Scope.POINTWISE
        only_weights = self.method is Method.HBNN and self.activations is Activations.FLOAT
        return Scope.ALL if self.method is Method.BNN or only_weights else Scope.INNER

    def weights(self, padding: Padding | None = None) -> LayerSpec:
        """Return the specification of one layer, with what stands around its image."""
        bits = DEFAULT_BITS[self.method] if self.bits is None else self.bits
        if self.method is Method.HBNN:
            return HbnnSpec(distribution=dist_from_avg(bits), granularity=self.granularity, padding=padding)
        if self.method is Method.SLB:
            return SlbSpec(bits=_whole(bits, "bits per weight of SLB"), padding=padding)
        if self.method is Method.FLEXOR:
            n_in = _whole(bits * XOR_OUTPUTS, f"bits per weight of FleXOR, times {XOR_OUTPUTS},")
            return FlexorSpec(scheme=XorScheme(n_in=n_in, n_out=XOR_OUTPUTS), padding=padding)
        if bits != 1:
            raise ValueError(f"a BNN must have 1 bit per weight, not {bits!r}")
        return BnnSpec(padding=padding)

    def activation(self, shape: tuple[int, ...]) -> LayerSpec:
        """Return the specification of an activation of this shape, without the batch."""
        if self.activations is Activations.FLOAT:
            return FloatSpec()
        if self.activations is Activations.SIGN:
            # The sign of 0 is that of the papers' own code.
            return SignSpec(zero=-1 if self.method is Method.HBNN else 1)
        shape = shape[:1] if self.activations is Activations.CHANNEL else shape
        return HbnnActivationSpec(shape=shape, distribution=dist_from_avg(self.activation_bits))


def paper_spec(
    network: nn.Module,
    example_input: Tensor,
    plan: Plan,
    layers: Mapping[str, LayerSpec] = MappingProxyType({}),
) -> ConvertSpec:
    """Say for every layer of a float network what becomes of it, the way its paper does it.

    Parameters
    ----------
    network
        Of this package, or any other whose shortcuts are modules called ``shortcut``.
    example_input
        What it accepts, (batch, ...); it is run once for the order of the layers and their shapes.
    plan
        How it is quantized.
    layers
        Exceptions: path of a layer or an activation to its specification, for example another method's
        :meth:`Plan.weights`. An activation follows what the layer behind it becomes.

    Returns
    -------
    ConvertSpec
        With one entry for every layer and activation.
    """
    steps = trace(network, example_input)
    scope = plan.scope_of([step.module for step in steps])
    chosen: dict[str, LayerSpec] = {}
    for step, source in _with_sources(steps):
        named = layers.get(step.path)
        is_float = isinstance(named, FloatSpec) if named else not _is_in_scope(step, steps, scope)
        if source is not None:
            default = FloatSpec() if is_float else plan.activation(source.shape)
            chosen[source.path] = layers.get(source.path, default)
        signs = source is not None and isinstance(chosen[source.path], SignSpec)
        chosen[step.path] = named or (FloatSpec() if is_float else _weights(plan, step, signs=signs))
    rest = {step.path: FloatSpec() for step in steps if step.path not in chosen}
    return ConvertSpec(layers=MappingProxyType(rest | chosen | dict(layers)))


def _with_sources(steps: Sequence[Step]) -> list[tuple[Step, Step | None]]:
    """Pair each layer with weights with the activation that it reads; None on shortcuts and for the first."""
    pairs: list[tuple[Step, Step | None]] = []
    source: Step | None = None
    for step in steps:
        if isinstance(step.module, WEIGHTS):
            pairs.append((step, None if _is_on_shortcut(step) else source))
        else:
            source = step
    return pairs


def _weights(plan: Plan, step: Step, *, signs: bool) -> LayerSpec:
    padded = isinstance(step.module, nn.Conv2d) and step.module.padding != (0, 0)
    if not padded:
        return plan.weights()
    return plan.weights(plan.padding if signs else Padding.MASKED)


def _is_in_scope(step: Step, steps: Sequence[Step], scope: Scope) -> bool:
    if scope is Scope.ALL:
        return True
    if scope is Scope.POINTWISE:
        return _is_pointwise(step.module) and not _is_on_shortcut(step)
    ends = [other.path for other in steps if isinstance(other.module, WEIGHTS)]
    return step.path not in (ends[0], ends[-1]) and not _is_on_shortcut(step)


def _is_on_shortcut(step: Step) -> bool:
    return SHORTCUT in step.path.split(".")


def _is_depthwise(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1


def _is_pointwise(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.groups == 1


def _whole(value: float, what: str) -> int:
    if not math.isclose(value, round(value)):
        raise ValueError(f"{what} must be a whole number, not {value:g}")
    return round(value)
