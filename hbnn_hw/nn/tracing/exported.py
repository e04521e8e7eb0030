"""A live :class:`torch.export.ExportedProgram` as a :class:`Program`."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind

from hbnn_hw.errors import CaptureError
from hbnn_hw.nn.tracing.program import (
    Argument,
    Call,
    ModuleStack,
    Program,
    Ref,
    Shape,
    Symbol,
    TensorForm,
    split_operator,
)

ONE_TENSOR = (
    "a network must map one tensor to one tensor; wrap it in a module whose forward takes and returns one"
)
ROOT = ModuleStack("", "")


def read_exported(exported: ExportedProgram) -> Program:
    """Return what an exported program says.

    Raises
    ------
    CaptureError
        If it has several inputs or outputs.
    """
    signature = exported.graph_signature
    inputs = [spec for spec in signature.input_specs if spec.kind is InputKind.USER_INPUT]
    outputs = [spec for spec in signature.output_specs if spec.kind is OutputKind.USER_OUTPUT]
    if len(inputs) != 1 or len(outputs) != 1:
        raise CaptureError(f"{ONE_TENSOR}, not {len(inputs)} inputs to {len(outputs)} outputs")
    nodes = list(exported.graph.nodes)
    aliases = _first_outputs(nodes)
    return Program(
        calls=tuple(
            _call(node, aliases) for node in nodes if _makes_tensor(node) and node.name not in aliases
        ),
        input=str(inputs[0].arg.name),
        output=aliases.get(str(outputs[0].arg.name), str(outputs[0].arg.name)),
        forms={node.name: form for node in nodes if (form := _form(node)) is not None},
        state={
            str(spec.arg.name): str(spec.target)
            for spec in signature.input_specs
            if spec.kind is not InputKind.USER_INPUT
        },
        tensors={**exported.constants, **exported.state_dict},
    )


def _first_outputs(nodes: list[fx.Node]) -> dict[str, str]:
    """Map what takes the first of several outputs to the call that has them."""
    return {
        node.name: node.args[0].name
        for node in nodes
        if node.target is operator.getitem and isinstance(node.args[0], fx.Node) and node.args[1] == 0
    }


def _makes_tensor(node: fx.Node) -> bool:
    """Whether a node calls something for a tensor; all others deal with sizes, or assert."""
    value = node.meta.get("val")
    first = value[0] if isinstance(value, tuple | list) and value else value
    return node.op == "call_function" and isinstance(first, Tensor)


def _form(node: fx.Node) -> TensorForm | None:
    value = node.meta.get("val")
    first = value[0] if isinstance(value, tuple | list) and value else value
    return TensorForm(_shape(first), first.dtype) if isinstance(first, Tensor) else None


def _shape(tensor: Tensor) -> Shape:
    return tuple(size if type(size) is int else None for size in tensor.shape)


def _call(node: fx.Node, aliases: Mapping[str, str]) -> Call:
    name, overload, in_place = split_operator(str(node.target))
    return Call(
        name=node.name,
        operator=name,
        overload=overload,
        in_place=in_place,
        arguments={key: _argument(value, aliases) for key, value in _named(node).items()},
        module=_module(node),
    )


def _named(node: fx.Node) -> dict[str, Any]:
    """Return a node's arguments by their names in the schema; by position where there is none."""
    schema = node.target._schema.arguments if isinstance(node.target, torch._ops.OpOverload) else ()
    names = [argument.name for argument in schema] or [str(i) for i in range(len(node.args))]
    return dict(zip(names, node.args, strict=False)) | dict(node.kwargs)


def _argument(value: Any, aliases: Mapping[str, str]) -> Argument:  # noqa: ANN401 - any argument of a node
    if isinstance(value, fx.Node):
        if not isinstance(value.meta.get("val"), Tensor | tuple | list):
            return Symbol()
        return Ref(aliases.get(value.name, value.name))
    if isinstance(value, list | tuple):
        return [_argument(item, aliases) for item in value]
    return value if value is None or type(value) in (bool, int, float, str) else str(value)


def _module(node: fx.Node) -> ModuleStack:
    stack = [*node.meta.get("nn_module_stack", {}).values()]
    if not stack:
        return ROOT
    path, class_ = stack[-1]
    return ModuleStack(
        str(path), class_ if isinstance(class_, str) else f"{class_.__module__}.{class_.__qualname__}"
    )
