"""A network of any topology as data: which layers run, in which order, on which values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from hbnn_hw.errors import CheckpointError

INPUT = "x"
"""Name of the network's input among the values."""
DEEPEST_PATH = 64
"""Most names in a layer's path; torch walks modules by recursion."""


@dataclass(frozen=True, slots=True)
class Step:
    """One application of a layer; its name is the name of the value that it makes.

    Attributes
    ----------
    name
        Unique; the layer's path, with a suffix where a layer is applied more than once.
    layer
        Path of the layer, as ``named_modules`` gives it.
    inputs
        Names of the values it reads; :data:`INPUT` is the network's input.
    """

    name: str
    layer: str
    inputs: tuple[str, ...]


class Network(nn.Module):
    """Layers by path, applied step by step; the last step makes the output.

    The state dictionary has the keys that the traced network had. So a layer may have any path that it had
    there, also one that begins with the name of an attribute here (``layers.0``); :attr:`layers` finds it.

    Parameters
    ----------
    layers
        Path (``stages.0.conv``) to layer.
    steps
        In an order in which every value is made before it is read.

    Raises
    ------
    CheckpointError
        If a path cannot be a layer's, or a step reads a value that is not made before it.
    """

    def __init__(self, layers: Mapping[str, nn.Module], steps: Sequence[Step]) -> None:
        super().__init__()
        self.steps = tuple(steps)
        _check_paths(layers)
        for path, layer in layers.items():
            _place(self, path, layer)
        _check_steps(self.steps, layers)

    @property
    def layers(self) -> dict[str, nn.Module]:
        """The layers that steps apply, by path, in the order of their first step."""
        return {step.layer: _at(self, step.layer) for step in self.steps}

    def trace(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield every step's value by name, in order; a value is kept until its last reader is done."""
        last_reader = {name: step.name for step in self.steps for name in step.inputs}
        layers, values = self.layers, {INPUT: x}
        for step in self.steps:
            y = layers[step.layer](*(values[name] for name in step.inputs))
            values[step.name] = y
            for name in (*step.inputs, step.name):
                if last_reader.get(name, step.name) == step.name:
                    values.pop(name, None)
            yield step.name, y

    def forward(self, x: Tensor) -> Tensor:
        """Map the input (batch, ...) to the last step's value."""
        y = x
        for _, value in self.trace(x):
            y = value
        return y


def _check_paths(layers: Mapping[str, nn.Module]) -> None:
    """Refuse paths with empty or countless names, and a layer inside another."""
    for path in layers:
        names = path.split(".")
        if not all(names) or len(names) > DEEPEST_PATH:
            raise CheckpointError(
                f"the path of a layer must be 1..{DEEPEST_PATH} names with dots between, not {path[:80]!r}"
            )
        for depth in range(1, len(names)):
            if (outer := ".".join(names[:depth])) in layers:
                raise CheckpointError(f"layer {path!r} must not lie inside the layer {outer!r}")


def _place(root: nn.Module, path: str, layer: nn.Module) -> None:
    """Put a layer under its path, making the modules around it.

    Names are no attributes here: a traced module may well have a child called ``layers``.
    """
    *parents, name = path.split(".")
    for parent in parents:
        child = root._modules.get(parent)
        if child is None:
            child = root._modules[parent] = nn.Module()
        root = child
    root._modules[name] = layer


def _at(root: nn.Module, path: str) -> nn.Module:
    for name in path.split("."):
        child = root._modules[name]
        assert child is not None, "placed"
        root = child
    return root


def _check_steps(steps: Sequence[Step], layers: Mapping[str, nn.Module]) -> None:
    if not steps:
        raise CheckpointError("a network must have at least one step")
    made = {INPUT}
    for step in steps:
        if step.layer not in layers:
            raise CheckpointError(
                f"step {step.name!r} applies the layer {step.layer!r}, which does not exist"
            )
        missing = [name for name in step.inputs if name not in made]
        if missing or not step.inputs:
            raise CheckpointError(f"step {step.name!r} must read values made before it, not {missing}")
        if step.name in made:
            raise CheckpointError(f"two steps have the name {step.name!r}")
        made.add(step.name)
