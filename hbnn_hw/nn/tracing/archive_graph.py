"""The graph of an archive, JSON, as a :class:`~hbnn_hw.nn.tracing.program.Program`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

from torch import Tensor

from hbnn_hw.errors import CaptureError, CheckpointError
from hbnn_hw.nn.tracing.archive_json import Fields
from hbnn_hw.nn.tracing.archive_tensors import dtype_of
from hbnn_hw.nn.tracing.exported import ONE_TENSOR, ROOT
from hbnn_hw.nn.tracing.program import (
    Argument,
    Call,
    ModuleStack,
    Program,
    Ref,
    Symbol,
    TensorForm,
    split_operator,
)

_PLAIN = {"as_int": int, "as_bool": bool, "as_string": str}
_LISTS = {"as_ints": "as_int", "as_floats": "as_float", "as_bools": "as_bool", "as_strings": "as_string"}
_STATE = {
    "parameter": "parameter_name",
    "buffer": "buffer_name",
    "tensor_constant": "tensor_constant_name",
}
"""Kind of an input of the graph that is a tensor of the network, and where its qualified name is."""


def read_graph(module: Fields, tensors: Mapping[str, Tensor]) -> Program:
    """Return what the JSON of a graph module says.

    Parameters
    ----------
    module
        Its entry ``graph_module``.
    tensors
        Parameters, buffers and constants by qualified name.

    Raises
    ------
    CheckpointError
        If it is not as PyTorch writes it.
    CaptureError
        If it has several inputs or outputs.
    """
    graph, signature = module.child("graph"), module.child("signature")
    inputs, state = [], {}
    for spec in signature.children("input_specs"):
        kind, content = spec.only()
        entry = Fields.of(content, module.path, f"{kind!r}")
        if kind in _STATE:
            state[entry.child("arg").text("name")] = entry.text(_STATE[kind])
        else:
            inputs.append(_name(entry.child("arg")))
    outputs = [
        _name(Fields.of(content, module.path, f"{kind!r}").child("arg"))
        for kind, content in (spec.only() for spec in signature.children("output_specs"))
    ]
    if len(inputs) != 1 or len(outputs) != 1:
        raise CaptureError(f"{ONE_TENSOR}, not {len(inputs)} inputs to {len(outputs)} outputs")
    forms = graph.child("tensor_values")
    program = Program(
        calls=tuple(_calls(graph)),
        input=inputs[0],
        output=outputs[0],
        forms={name: _form(forms.child(name)) for name in forms.values},
        state=state,
        tensors=tensors,
    )
    _check_names(program, module.path)
    return program


def _check_names(program: Program, path: str) -> None:
    """Refuse names that stand for two things, and an input of which nothing is known."""
    made = [program.input, *program.state, *(call.name for call in program.calls)]
    if len(set(made)) != len(made):
        raise CheckpointError(f"{path} is damaged: two values of its graph have one name")
    if program.input not in program.forms or not program.forms[program.input].shape:
        raise CheckpointError(f"{path} is damaged: the shape of its input must be (batch, ...)")


def _calls(graph: Fields) -> list[Call]:
    """Return all calls that make tensors; the others deal with sizes, or assert."""
    calls = []
    for node in graph.children("nodes"):
        names = [_name(output) for output in node.children("outputs")]
        if not names or not names[0]:
            continue
        target = node.text("target").removeprefix("torch.ops.")
        operator, overload, in_place = split_operator(target)
        calls.append(
            Call(
                name=names[0],
                operator=operator,
                overload=overload,
                in_place=in_place,
                arguments={
                    given.text("name"): _argument(given.child("arg")) for given in node.children("inputs")
                },
                module=_module(node.child("metadata")),
            )
        )
    return calls


def _name(choice: Fields) -> str:
    """Return the name of a tensor, or of the first of several; nothing for other values."""
    kind, content = choice.only()
    if kind == "as_tensors" and isinstance(content, list) and content:
        content = content[0]
    elif kind != "as_tensor":
        return ""
    return Fields.of(content, choice.path, f"{kind!r}").text("name")


def _argument(choice: Fields) -> Argument:
    kind, content = choice.only()
    if kind == "as_none":
        return None
    if kind == "as_tensor":
        return Ref(Fields.of(content, choice.path, "a tensor").text("name"))
    if kind in ("as_tensors", "as_optional_tensors", "as_sym_ints"):
        items = [Fields.of(item, choice.path, f"an item of {kind!r}") for item in _list(choice, content)]
        return [Ref(item.text("name")) if kind == "as_tensors" else _argument(item) for item in items]
    if kind == "as_optional_tensor":
        return _argument(Fields.of(content, choice.path, f"{kind!r}"))
    if kind in _LISTS:
        return [_plain(choice, _LISTS[kind], item) for item in _list(choice, content)]
    if kind in _PLAIN or kind == "as_float":
        return _plain(choice, kind, content)
    if kind == "as_sym_int":
        return _argument(Fields.of(content, choice.path, f"{kind!r}"))
    # Numbers by name are known only when the program runs; all else (dtypes, devices) no handler looks at.
    return Symbol()


def _plain(choice: Fields, kind: str, value: object) -> bool | int | float | str:
    if kind == "as_float" and _is_real(value):
        return float(value)
    if kind in _PLAIN and type(value) is _PLAIN[kind]:
        return value  # type: ignore[return-value]
    raise CheckpointError(f"{choice.path} is damaged: {kind!r} must not be {value!r:.40}")


def _is_real(value: object) -> TypeGuard[int | float | str]:
    return type(value) in (int, float) or value in ("Infinity", "-Infinity", "NaN")


def _list(choice: Fields, content: object) -> list[object]:
    if not isinstance(content, list):
        raise CheckpointError(f"{choice.path} is damaged: {choice.place} must be a list")
    return content


def _form(entry: Fields) -> TensorForm:
    sizes = [dict(size.values).get("as_int") for size in entry.children("sizes")]
    return TensorForm(tuple(size if type(size) is int else None for size in sizes), dtype_of(entry))


def _module(metadata: Fields) -> ModuleStack:
    stack = metadata.values.get("nn_module_stack")
    if not isinstance(stack, str):
        return ROOT
    _, path, class_name = ("", *stack.rpartition(";")[2].split(","))[-3:] if "," in stack else ("", "", "")
    return ModuleStack(path, class_name)
