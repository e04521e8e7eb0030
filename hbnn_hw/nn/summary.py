"""What the weights of a network cost: bits, maps, bytes and binary operations, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from hbnn_hw.nn.activations import BitPlaneInput, SignActivation
from hbnn_hw.nn.bit_map import Sharing
from hbnn_hw.nn.conv import QuantizedConv
from hbnn_hw.nn.encoders import ThermometerInput, ThresholdInput
from hbnn_hw.nn.hbnn import HbnnWeights
from hbnn_hw.nn.hbnn_activation import HbnnActivation
from hbnn_hw.nn.latent import QuantizedLayer
from hbnn_hw.nn.uniform_activation import UniformActivation

FLOAT_BITS = 32
_FLOAT_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)
_CONVOLUTIONS = (QuantizedConv, nn.Conv1d, nn.Conv2d)
_ONE_BIT = (SignActivation, ThresholdInput, ThermometerInput)
_KEEPS_VALUES = (nn.MaxPool1d, nn.MaxPool2d, nn.Flatten, nn.Unflatten, nn.Dropout, nn.Dropout2d, nn.Identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSummary:
    """One layer with weights.

    Attributes
    ----------
    name, kind
        Its path in the network and its class.
    weight_shape
        (out, in), or (out, in / groups, *kernel).
    effective_bits
        Weight bits that take part in the arithmetic: entries of all planes [bit].
    stored_bits
        Weight bits in memory; fewer than the effective ones where they are encoded [bit].
    map_counts
        (bits, weights with that many), bits ascending; empty for a float layer.
    sharing
        Which weights share their bitwidth; None where all have the same.
    map_bits
        Bits to store the map, if it is stored at all and not built into the hardware [bit].
    n_constants
        Real constants: scales other than 1, and biases.
    input_bits
        Bits per input value; None where it is real or unknown.
    binary_operations
        One-bit products for one sample: effective bits · input bits, for every output place of a
        convolution. Masked borders are counted. None where inputs are real or the image size is unknown.
    """

    name: str
    kind: str
    weight_shape: tuple[int, ...]
    effective_bits: int
    stored_bits: int
    map_counts: tuple[tuple[int, int], ...]
    sharing: Sharing | None
    map_bits: int
    n_constants: int
    input_bits: float | None
    binary_operations: int | None

    @property
    def n_weights(self) -> int:
        """Number of weights."""
        return math.prod(self.weight_shape)

    @property
    def storage_bytes(self) -> int:
        """Stored bits and map, rounded up, and constants as float32 [byte]."""
        return math.ceil((self.stored_bits + self.map_bits) / 8) + 4 * self.n_constants


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """All layers with weights in the order of the computation; ``str()`` gives a table.

    Attributes
    ----------
    layers
        One entry per layer; one that occurs twice counts its operations twice and its weights once.
    """

    layers: tuple[LayerSummary, ...]

    @property
    def n_weights(self) -> int:
        """Number of weights."""
        return sum(layer.n_weights for layer in self.layers)

    @property
    def effective_bits_per_weight(self) -> float:
        """Mean bitwidth of the arithmetic [bit]."""
        return sum(layer.effective_bits for layer in self.layers) / max(1, self.n_weights)

    @property
    def stored_bits_per_weight(self) -> float:
        """Mean bits in memory, without maps [bit]."""
        return sum(layer.stored_bits for layer in self.layers) / max(1, self.n_weights)

    @property
    def storage_bytes(self) -> int:
        """Weights, maps and constants [byte]."""
        return sum(layer.storage_bytes for layer in self.layers)

    @property
    def binary_operations(self) -> int:
        """One-bit products for one sample, over the layers where they are known."""
        return sum(layer.binary_operations or 0 for layer in self.layers)

    def text(self) -> str:
        """Return a table with one line per layer and a total."""
        rows = [_HEADINGS, *map(_row, self.layers), self._total()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
        return "\n".join(_line(row, widths) for row in rows)

    def _total(self) -> tuple[str, ...]:
        effective, stored = self.effective_bits_per_weight, self.stored_bits_per_weight
        bits = (f"{self.n_weights}", f"{effective:.3f}", f"{stored:.3f}")
        return ("total", "", "", *bits, "", f"{self.storage_bytes}", "", f"{self.binary_operations}")

    def __str__(self) -> str:
        return self.text()


_HEADINGS = (
    "layer", "kind", "weight", "weights", "bits", "stored", "map", "bytes", "input bits", "binary operations",
)  # fmt: skip
_TEXT_COLUMNS = {0, 1, 2, 6}


def _row(layer: LayerSummary) -> tuple[str, ...]:
    counts = " ".join(f"{bits}:{count / layer.n_weights:.0%}" for bits, count in layer.map_counts)
    sharing = "" if layer.sharing is None else f" per {layer.sharing.value}"
    return (
        layer.name,
        layer.kind,
        "x".join(map(str, layer.weight_shape)),
        f"{layer.n_weights}",
        f"{layer.effective_bits / layer.n_weights:.3f}",
        f"{layer.stored_bits / layer.n_weights:.3f}",
        counts + sharing,
        f"{layer.storage_bytes}",
        "real" if layer.input_bits is None else f"{layer.input_bits:g}",
        "-" if layer.binary_operations is None else f"{layer.binary_operations}",
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.ljust(width) if column in _TEXT_COLUMNS else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


@torch.no_grad()
def summary(model: nn.Module, example_input: Tensor | None = None) -> ModelSummary:
    """Summarize the weights of a network.

    Parameters
    ----------
    model
        Any module. Quantized layers count with their bits; ``nn.Linear``, ``nn.Conv1d`` and ``nn.Conv2d``
        with 32.
    example_input
        An input (batch, ...) that is run once in evaluation, to learn the order of the layers and the image
        sizes. Without it the order is that of ``named_modules``, and convolutions have no operation count.

    Returns
    -------
    ModelSummary
        Bits per weight, maps, bytes, operations.

    Notes
    -----
    The bits of a layer's input are those of the quantizer that ran last before it, if nothing but pooling,
    reshaping and dropout ran in between; in a network with branches that may be another branch's.
    """
    order = _registered(model) if example_input is None else _executed(model, example_input)
    names = {id(module): name for name, module in model.named_modules()}
    found: dict[int, LayerSummary] = {}
    input_bits: float | None = None
    for module, pixels in order:
        if isinstance(module, (QuantizedLayer, *_FLOAT_LAYERS)):
            layer = _summarize(names[id(module)], module, input_bits, pixels)
            found[id(module)] = _run_again(found.get(id(module)), layer)
        input_bits = _output_bits(module, input_bits)
    return ModelSummary(tuple(found.values()))


def _registered(model: nn.Module) -> list[tuple[nn.Module, int | None]]:
    return [(module, None if isinstance(module, _CONVOLUTIONS) else 1) for module in model.modules()]


def _executed(model: nn.Module, example_input: Tensor) -> list[tuple[nn.Module, int | None]]:
    order: list[tuple[nn.Module, int | None]] = []

    def note(module: nn.Module, _: object, output: object) -> None:
        pixels = 1
        if isinstance(output, Tensor) and isinstance(module, _CONVOLUTIONS):
            pixels = math.prod(output.shape[2:])
        elif isinstance(output, Tensor) and isinstance(module, QuantizedLayer | nn.Linear):
            pixels = math.prod(output.shape[1:-1])
        order.append((module, pixels))

    modes = [(module, module.training) for module in model.modules()]
    handles = [module.register_forward_hook(note) for module in model.modules() if not [*module.children()]]
    try:
        model.eval()(example_input)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
    return order


def _output_bits(module: nn.Module, before: float | None) -> float | None:
    if isinstance(module, BitPlaneInput | UniformActivation):
        return float(module.bits)
    if isinstance(module, _ONE_BIT):
        return 1.0
    if isinstance(module, HbnnActivation):
        return float(module.bit_map.float().mean())
    is_container = any(True for _ in module.children())
    return before if is_container or isinstance(module, _KEEPS_VALUES) else None


def _summarize(name: str, module: nn.Module, input_bits: float | None, pixels: int | None) -> LayerSummary:
    if isinstance(module, QuantizedLayer):
        return _quantized(name, module, input_bits, pixels)
    assert isinstance(module, _FLOAT_LAYERS)
    n_bits = FLOAT_BITS * module.weight.numel()
    return LayerSummary(
        name=name,
        kind=type(module).__name__,
        weight_shape=tuple(module.weight.shape),
        effective_bits=n_bits,
        stored_bits=n_bits,
        map_counts=(),
        sharing=None,
        map_bits=0,
        n_constants=0 if module.bias is None else module.bias.numel(),
        input_bits=input_bits,
        binary_operations=None,
    )


def _quantized(
    name: str, module: QuantizedLayer, input_bits: float | None, pixels: int | None
) -> LayerSummary:
    bits = module.bitwidths()
    counts = torch.bincount(bits.flatten()).tolist()
    effective = int(bits.sum())
    known = input_bits is not None and pixels is not None
    sharing, map_bits = _map(module, bits)
    return LayerSummary(
        name=name,
        kind=type(module).__name__,
        weight_shape=tuple(bits.shape),
        effective_bits=effective,
        stored_bits=module.stored_bits(),
        map_counts=tuple((bits, count) for bits, count in enumerate(counts) if count),
        sharing=sharing,
        map_bits=map_bits,
        n_constants=module.n_scales() + (0 if module.bias is None else module.bias.numel()),
        input_bits=input_bits,
        binary_operations=round(effective * (input_bits or 0) * (pixels or 0)) if known else None,
    )


def _map(module: QuantizedLayer, bits: Tensor) -> tuple[Sharing | None, int]:
    """Return the map's sharing and its size: one number per group, of as many bits as the range needs."""
    span = int(bits.max() - bits.min())
    if not isinstance(module, HbnnWeights) or span == 0:
        return None, 0
    n_groups = int(module.granularity.groups(bits.shape).max()) + 1
    return module.granularity.sharing, n_groups * span.bit_length()


def _run_again(before: LayerSummary | None, now: LayerSummary) -> LayerSummary:
    """Add the operations of a layer that runs more than once."""
    if before is None or before.binary_operations is None or now.binary_operations is None:
        return now
    return replace(now, binary_operations=before.binary_operations + now.binary_operations)
