"""What an exported program says, whether it comes from a live model or from an archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor, dtype


@dataclass(frozen=True, slots=True)
class Ref:
    """A tensor by its name in the program."""

    name: str


@dataclass(frozen=True, slots=True)
class Symbol:
    """A number that is known only when the program runs, such as the size of the batch."""


Argument: TypeAlias = "Ref | Symbol | bool | int | float | str | list[Argument] | None"
"""An argument of a call."""

Shape: TypeAlias = "tuple[int | None, ...]"
"""Sizes of a tensor; None where it is known only when the program runs."""


@dataclass(frozen=True, slots=True)
class TensorForm:
    """Shape and dtype of a value."""

    shape: Shape
    dtype: dtype


@dataclass(frozen=True, slots=True)
class ModuleStack:
    """The module whose forward pass made a call, innermost.

    Attributes
    ----------
    path
        As ``named_modules`` gives it; empty for the network itself.
    class_name
        Qualified, such as ``torch.nn.modules.activation.ReLU``.
    """

    path: str
    class_name: str

    @property
    def is_layer(self) -> bool:
        """Whether it is a layer of PyTorch's own, or of ours: not made of other modules."""
        return self.class_name.startswith(("torch.nn.modules.", "hbnn_hw.nn.")) and not (
            self.class_name.startswith("torch.nn.modules.container.")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One operator applied to arguments.

    Attributes
    ----------
    name
        Of its (first) output.
    operator
        Without overload and without the underscore of in-place ones: ``aten.conv2d``.
    overload
        Such as ``default``, ``Tensor``.
    in_place
        Whether it overwrites its first argument.
    arguments
        By their names in the operator's schema; those left out have its defaults.
    module
        Where it was called.
    """

    name: str
    operator: str
    overload: str
    in_place: bool
    arguments: Mapping[str, Argument]
    module: ModuleStack


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A traced forward pass from one tensor to one tensor.

    Attributes
    ----------
    calls
        In order.
    input, output
        Names of values.
    forms
        Shape and dtype of every value by name.
    state
        Qualified name, such as ``stages.0.conv.weight``, of every tensor that is none of the values.
    tensors
        Parameters and buffers by qualified name.
    """

    calls: tuple[Call, ...]
    input: str
    output: str
    forms: Mapping[str, TensorForm]
    state: Mapping[str, str]
    tensors: Mapping[str, Tensor]


def split_operator(target: str) -> tuple[str, str, bool]:
    """Split ``aten.add_.Tensor`` into operator, overload and whether it is in place."""
    operator, _, overload = target.rpartition(".")
    in_place = operator.endswith("_") and not operator.endswith("__")
    return operator.removesuffix("_") if in_place else operator, overload, in_place
