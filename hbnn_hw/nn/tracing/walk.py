"""The state of a walk through a program's calls, and the network that grows on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn

from torch import dtype

from hbnn_hw.errors import CaptureError
from hbnn_hw.nn.latent import Plain
from hbnn_hw.nn.tracing.program import Argument, Call, Program, Ref, Shape, Symbol, TensorForm


class Refused(Exception):  # noqa: N818 - never seen by users: all of them are told at once
    """A call that has no place in a network; says why, and what to do."""


@dataclass(frozen=True, slots=True)
class LayerUse:
    """A layer applied to values.

    Attributes
    ----------
    output
        Name of the value that it makes.
    inputs
        Names of values.
    layer
        Which layer; equal ones are one layer.
    """

    output: str
    inputs: tuple[str, ...]
    layer: LayerKey


@dataclass(frozen=True, slots=True)
class LayerKey:
    """What tells one layer from another.

    Attributes
    ----------
    kind
        See :data:`hbnn_hw.nn.registry.KINDS`.
    config
        Its fields as JSON.
    state
        Key in the layer's state dictionary, and qualified name in the network's.
    path
        Where a layer without state would like to be.
    """

    kind: str
    config: str
    state: tuple[tuple[str, str], ...]
    path: str

    @property
    def fields(self) -> dict[str, Plain]:
        """The fields of its description."""
        fields: dict[str, Plain] = json.loads(self.config)
        return fields


@dataclass(slots=True)
class Walk:
    """What is known while the calls of a program become layers, one after the other.

    Attributes
    ----------
    program
        What is walked through.
    values
        The value that stands for each tensor of the program, by its name.
    uses
        Layers applied so far.
    readers
        How many calls read each tensor.
    """

    program: Program
    values: dict[str, str]
    readers: Mapping[str, int]
    uses: list[LayerUse] = field(default_factory=list)
    _functional: dict[str, int] = field(default_factory=dict)

    def form(self, name: str) -> TensorForm:
        """Return shape and dtype of a tensor by name."""
        if name not in self.program.forms:
            raise Refused(f"nothing is known of its tensor {name!r}")
        return self.program.forms[name]

    def shape(self, ref: Ref) -> Shape:
        """Return the sizes of a tensor."""
        return self.form(ref.name).shape

    def dtype(self, ref: Ref) -> dtype:
        """Return the dtype of a tensor."""
        return self.form(ref.name).dtype

    def output_form(self, call: Call) -> TensorForm:
        """Return shape and dtype of what a call makes."""
        return self.form(call.name)

    def rank(self, ref: Ref) -> int:
        """Return the number of dimensions of a tensor, the batch's included."""
        return len(self.shape(ref))

    def sides(self, shape: Shape) -> tuple[int, ...]:
        """Return all sizes but the batch's; refuse if one is not known."""
        known = tuple(size for size in shape[1:] if size is not None)
        if len(known) != len(shape) - 1:
            raise Refused("sizes behind the batch must be fixed; export with only the batch dynamic")
        return known

    def apply(
        self,
        call: Call,
        kind: str,
        fields: Mapping[str, Plain],
        inputs: Sequence[str],
        *,
        state: Mapping[str, Ref] | None = None,
        part: str = "",
    ) -> str:
        """Apply a layer; return the name of the value that it makes.

        Parameters
        ----------
        call
            What it stands for.
        kind, fields
            Its description.
        inputs
            Names of values.
        state
            Tensors of the program by key of the layer's state dictionary.
        part
            Name of this layer among several that stand for one call.
        """
        named = tuple((key, self.state_name(ref)) for key, ref in (state or {}).items())
        key = LayerKey(
            kind, json.dumps(fields, sort_keys=True), named, "" if named else self._path(call, part)
        )
        output = f"{call.name}:{len(self.uses)}"
        self.uses.append(LayerUse(output, tuple(inputs), key))
        return output

    def amend_last(self, fields: Mapping[str, Plain]) -> str:
        """Give the layer applied last other fields; return the name of its value."""
        last = self.uses[-1]
        layer = replace(last.layer, config=json.dumps(fields, sort_keys=True))
        self.uses[-1] = replace(last, layer=layer)
        return last.output

    def integers_of(self, layer: LayerKey, name: str) -> list[int]:
        """Return a field of a layer that is a list of whole numbers."""
        value = layer.fields[name]
        assert isinstance(value, list), "a list of sizes"
        return [size for size in value if isinstance(size, int)]

    def has_one_reader(self, value: str) -> bool:
        """Whether one call reads a value, under all the names that it has in the program."""
        names = [name for name, known in self.values.items() if known == value]
        return all(self.readers.get(name, 0) == 1 for name in names)

    def state_name(self, ref: Ref) -> str:
        """Return the qualified name of a parameter or buffer; refuse anything computed."""
        name = self.program.state.get(ref.name)
        if name is None or name not in self.program.tensors:
            raise Refused(
                "its weights must be parameters or buffers of the network, not computed or constant"
            )
        return name

    def _path(self, call: Call, part: str) -> str:
        """Return the path of a layer without state: its module's, or a name for it in the module's."""
        path, name = call.module.path, part or call.operator.rpartition(".")[2]
        if call.module.is_layer and path:
            return f"{path}_{part}" if part else path
        wanted = f"{path}.{name}" if path else name
        count = self._functional[wanted] = self._functional.get(wanted, 0) + 1
        return wanted if count == 1 else f"{wanted}_{count}"

    def value(self, ref: Ref) -> str:
        """Return the value that stands for a tensor; refuse a parameter, a constant."""
        if ref.name not in self.values:
            raise Refused(
                "it computes with a parameter or a constant tensor; use a layer that has it, such as "
                "nn.BatchNorm2d or OutputScale, or a Python number"
            )
        return self.values[ref.name]

    # --- arguments of a call ---

    def tensor(self, call: Call, name: str) -> Ref:
        """Return an argument that must be a tensor."""
        value = call.arguments.get(name)
        return value if isinstance(value, Ref) else _wrong(name, "a tensor", value)

    def optional_tensor(self, call: Call, name: str) -> Ref | None:
        """Return an argument that is a tensor or missing."""
        return None if call.arguments.get(name) is None else self.tensor(call, name)

    def number(self, call: Call, name: str, default: float | None = None) -> float:
        """Return an argument that must be a number."""
        value = call.arguments.get(name, default)
        return float(value) if _is_number(value) else _wrong(name, "a number", value)  # type: ignore[arg-type]

    def integer(self, call: Call, name: str, default: int | None = None) -> int:
        """Return an argument that must be a whole number."""
        value = call.arguments.get(name, default)
        return value if type(value) is int else _wrong(name, "a whole number", value)

    def flag(self, call: Call, name: str, default: bool) -> bool:
        """Return an argument that must be true or false."""
        value = call.arguments.get(name, default)
        return value if isinstance(value, bool) else _wrong(name, "true or false", value)

    def integers(self, call: Call, name: str, default: Sequence[int] = ()) -> list[int]:
        """Return an argument that must be whole numbers; one alone is a list of one."""
        value = call.arguments.get(name, list(default))
        items = value if isinstance(value, list) else [value]
        whole = [item for item in items if type(item) is int]
        return whole if len(whole) == len(items) else _wrong(name, "whole numbers", value)


def _is_number(value: Argument) -> bool:
    return type(value) in (int, float)


def _wrong(name: str, wanted: str, value: Argument) -> NoReturn:
    found = "known only when the network runs" if isinstance(value, Symbol) else repr(value)[:80]
    raise Refused(f"its argument {name!r} must be {wanted}, not {found}")


def refuse_all(refusals: Sequence[str]) -> NoReturn:
    """Raise one error for all calls that have no place in a network."""
    raise CaptureError(
        f"the network cannot be captured; {len(refusals)} of its operations must be changed:\n"
        + "\n".join(f"- {refusal}" for refusal in refusals)
    )
