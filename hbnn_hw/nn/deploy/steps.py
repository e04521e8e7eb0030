"""The layers of a network in their order, whatever kind of module holds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import nn

from hbnn_hw.errors import CaptureError
from hbnn_hw.nn.activations import SignActivation
from hbnn_hw.nn.network import INPUT, Network, Step

_CHOOSING = (nn.MaxPool1d, nn.MaxPool2d, nn.Flatten, nn.Dropout, nn.Identity)
"""Layers that pass on some of their values unchanged, so that a sign behind them may stand before them."""


def steps_of(model: nn.Module) -> tuple[list[Step], dict[str, nn.Module]]:
    """Return a network's steps, and its layers by path.

    Raises
    ------
    CaptureError
        If the module says neither which layers run nor in which order.
    """
    if isinstance(model, Network):
        return list(model.steps), model.layers
    if not isinstance(model, nn.Sequential):
        raise CaptureError(
            f"the network must be an nn.Sequential of supported layers or a traced Network, not "
            f"{type(model).__name__}; call hbnn_hw.nn.trace(model, example_input) first"
        )
    layers = dict(_leaves(model, ""))
    steps, source = [], INPUT
    for path in layers:
        steps.append(Step(path, path, (source,)))
        source = path
    return steps, layers


def _leaves(model: nn.Sequential, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    """Yield the layers of nested Sequentials by path."""
    for name, child in model.named_children():
        if type(child) is nn.Sequential:
            yield from _leaves(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def reaching_signs(steps: Sequence[Step], layers: dict[str, nn.Module]) -> set[str]:
    """Return the steps whose values go to signs through choosing layers, and nowhere else."""
    readers: dict[str, list[Step]] = {}
    for step in steps:
        for name in step.inputs:
            readers.setdefault(name, []).append(step)
    reaching: set[str] = set()
    for step in reversed(steps):
        behind = readers.get(step.name, [])
        if behind and all(_is_sign_or_reaches(reader, layers, reaching) for reader in behind):
            reaching.add(step.name)
    return reaching


def _is_sign_or_reaches(reader: Step, layers: dict[str, nn.Module], reaching: set[str]) -> bool:
    layer = layers[reader.layer]
    if isinstance(layer, SignActivation):
        return True
    return isinstance(layer, _CHOOSING) and reader.name in reaching
