"""From a float network to a quantized one: a specification per layer, all complaints at once."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from torch import nn

from hbnn_hw.errors import ConversionError
from hbnn_hw.nn.layer_specs import ACTIVATIONS, WEIGHTS, FloatSpec, LayerSpec, SignSpec

_OTHER_WEIGHTS = (
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Bilinear,
    nn.RNNBase,
    nn.MultiheadAttention,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertSpec:
    """What :func:`convert` does with a network.

    Attributes
    ----------
    weights
        For every ``nn.Linear``, ``nn.Conv1d`` and ``nn.Conv2d`` that is not named in ``layers``.
    activation
        For every ReLU, ReLU6, Hardtanh and Tanh that is not named in ``layers``.
    layers
        Path of a module, as ``named_modules`` gives it, to its own specification.
    """

    weights: LayerSpec = field(default_factory=FloatSpec)
    activation: LayerSpec = field(default_factory=FloatSpec)
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
    if isinstance(module, ACTIVATIONS):
        return spec.activation
    if isinstance(module, WEIGHTS + _OTHER_WEIGHTS) and not _below(path, spec.layers):
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
