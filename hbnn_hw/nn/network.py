"""A network of any topology as data: which layers run, in which order, on which values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from hbnn_hw.errors import CheckpointError

INPUT = "x"
"""Name of the network's input among the values."""


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

    The state dictionary has the keys that the traced network had.

    Parameters
    ----------
    layers
        Path (``stages.0.conv``) to layer.
    steps
        In an order in which every value is made before it is read.

    Raises
    ------
    CheckpointError
        If a path cannot be a module's, or a step reads a value that is not made before it.
    """

    def __init__(self, layers: Mapping[str, nn.Module], steps: Sequence[Step]) -> None:
        super().__init__()
        self.steps = tuple(steps)
        for path, layer in layers.items():
            _place(self, path, layer)
        _check_steps(self.steps, layers)

    @property
    def layers(self) -> dict[str, nn.Module]:
        """The layers that steps apply, by path, in the order of their first step."""
        return {step.layer: self.get_submodule(step.layer) for step in self.steps}

    def trace(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield every step's value by name, in order."""
        values = {INPUT: x}
        for step in self.steps:
            values[step.name] = self.get_submodule(step.layer)(*(values[name] for name in step.inputs))
            yield step.name, values[step.name]

    def forward(self, x: Tensor) -> Tensor:
        """Map the input (batch, ...) to the last step's value."""
        y = x
        for _, value in self.trace(x):
            y = value
        return y


def _place(root: nn.Module, path: str, layer: nn.Module) -> None:
    """Put a layer under its path, making the modules around it."""
    *parents, name = path.split(".")
    for parent in parents:
        if not isinstance(getattr(root, parent, None), nn.Module):
            _add(root, parent, nn.Module(), path)
        root = root.get_submodule(parent)
    _add(root, name, layer, path)


def _add(root: nn.Module, name: str, module: nn.Module, path: str) -> None:
    try:
        root.add_module(name, module)
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path!r} cannot be the path of a layer: {error}") from error


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
