"""What runs in a network and in which order, found by one forward pass."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

WEIGHTS = (nn.Linear, nn.Conv2d)
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.Tanh)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A layer with weights, or an activation, that has run.

    Attributes
    ----------
    path
        As ``named_modules`` gives it.
    module
        The layer.
    shape
        Of its output, without the batch.
    """

    path: str
    module: nn.Module
    shape: tuple[int, ...]

    @property
    def n_weights(self) -> int:
        """Entries of its weight tensor; 0 for an activation."""
        return self.module.weight.numel() if isinstance(self.module, WEIGHTS) else 0

    @property
    def n_macs(self) -> int:
        """Multiply-accumulates for one sample, border positions included; 0 for an activation."""
        return self.n_weights * math.prod(self.shape[1:])


@torch.no_grad()
def trace(network: nn.Module, example_input: Tensor) -> list[Step]:
    """Run a float network once in evaluation mode; return its layers and activations in their order.

    Parameters
    ----------
    network
        Left as it was.
    example_input
        What it accepts, (batch, ...).
    """
    ran: list[Step] = []
    paths = {
        id(module): path
        for path, module in network.named_modules()
        if isinstance(module, WEIGHTS + ACTIVATIONS)
    }

    def note(module: nn.Module, _: object, output: Tensor) -> None:
        ran.append(Step(paths[id(module)], module, tuple(output.shape[1:])))

    layers = [module for module in network.modules() if id(module) in paths]
    handles = [layer.register_forward_hook(note) for layer in layers]
    try:
        with _evaluating(network):
            network(example_input)
    finally:
        for handle in handles:
            handle.remove()
    return ran


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
