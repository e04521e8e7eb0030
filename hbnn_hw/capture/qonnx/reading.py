"""An ONNX file as plain, checked data. Nothing in it is trusted, and nothing outside it is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from hbnn_hw.errors import CaptureError
from hbnn_hw.extras import require

if TYPE_CHECKING:
    import onnx

LARGEST_FILE = 1 << 30
"""Bytes of the largest file that is read."""

Attribute = int | float | str | tuple[int, ...] | tuple[float, ...] | np.ndarray[Any, Any]
"""Value of a node's attribute."""

_STORED = {"UINT8": "UINT8", "INT8": "INT8", "UINT16": "UINT16", "INT16": "INT16"}
"""FINN's names of integers that tensors may be stored in."""

Kind = TypeVar("Kind", int, float, str)


@dataclass(frozen=True, slots=True, eq=False)
class OnnxNode:
    """One node of an ONNX graph.

    Attributes
    ----------
    name
        Its name, or that of its first output where it has none.
    kind
        Operator, ``op_type``; the domain does not matter.
    inputs, outputs
        Names of tensors; '' for an optional input that is left out.
    attributes
        By name.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]

    @property
    def title(self) -> str:
        """Name and operator, for a complaint."""
        return f"'{self.name}' ({self.kind})"

    def integer(self, name: str, default: int) -> int:
        """Return an integer attribute."""
        return self._scalar(name, default, int)

    def number(self, name: str, default: float) -> float:
        """Return a real attribute, finite."""
        value = float(self._scalar(name, default, float))
        if not np.isfinite(value):
            raise CaptureError(f"{name} of {self.title} must be finite, not {value}")
        return value

    def text(self, name: str, default: str) -> str:
        """Return a text attribute."""
        return self._scalar(name, default, str)

    def _scalar(self, name: str, default: Kind, kind: type[Kind]) -> Kind:
        value = self.attributes.get(name, default)
        if not isinstance(value, kind):
            raise CaptureError(f"{name} of {self.title} must be {kind.__name__}, not {value!r:.60}")
        return value

    def integers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """Return an attribute of several integers."""
        value = self.attributes.get(name, default)
        if not isinstance(value, tuple) or not all(isinstance(v, int) for v in value):
            raise CaptureError(f"{name} of {self.title} must be integers, not {value!r:.60}")
        return tuple(int(v) for v in value)


@dataclass(frozen=True, slots=True, eq=False)
class OnnxInput:
    """The network's input.

    Attributes
    ----------
    name
        Of the tensor.
    shape
        Without the batch; extents from 1.
    datatype
        FINN's name of its integers (``UINT8``, ``BIPOLAR``), if the file says one.
    """

    name: str
    shape: tuple[int, ...]
    datatype: str | None


@dataclass(frozen=True, slots=True, eq=False)
class OnnxGraph:
    """A network as an ONNX file has it: nodes in an order in which every tensor is made before it is read."""

    name: str
    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, np.ndarray[Any, Any]]
    input: OnnxInput
    output: str


def read(path: Path) -> OnnxGraph:
    """Read a file.

    Raises
    ------
    CaptureError
        If it is missing, larger than 1 GiB, damaged, keeps tensors in other files, or is no network with one
        input and one output.
    ToolMissingError
        If the package onnx is not installed.
    """
    require("onnx", "qonnx", "reading an ONNX file")
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise CaptureError(f"'{path}' must not be larger than {LARGEST_FILE} bytes, not {size}")
        content = path.read_bytes()
    except OSError as error:
        raise CaptureError(f"cannot read '{path}': {error.strerror}") from error
    return parse(content, path.stem, f"'{path}'")


def parse(content: bytes, name: str, title: str = "the file") -> OnnxGraph:
    """Read the content of a file; see :func:`read`."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.ModelProto.FromString(content)
        return _graph(model, name)
    except CaptureError as error:
        raise CaptureError(f"{title}: {error}") from error
    except (DecodeError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError) as error:
        raise CaptureError(f"{title} is not an ONNX file, or is damaged: {error}") from error


def _graph(model: onnx.ModelProto, name: str) -> OnnxGraph:
    graph = model.graph
    constants = {_text(tensor.name): _array(tensor) for tensor in graph.initializer}
    if len(graph.sparse_initializer):
        raise CaptureError("sparse initializers are not supported; write dense ones")
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise CaptureError(
            f"the network must have one input and one output, not {len(inputs)} and {len(graph.output)}"
        )
    nodes = tuple(_node(node) for node in graph.node)
    _check_order(nodes, {inputs[0].name, *constants})
    datatypes = {
        _text(annotation.tensor_name): _text(entry.value)
        for annotation in graph.quantization_annotation
        for entry in annotation.quant_parameter_tensor_names
        if entry.key == "finn_datatype" and not entry.value.startswith("FLOAT")
    }
    return OnnxGraph(name, nodes, constants, _input(inputs[0], datatypes), _text(graph.output[0].name))


def _node(node: onnx.NodeProto) -> OnnxNode:
    attributes = {_text(attribute.name): _attribute(attribute) for attribute in node.attribute}
    if not node.output:
        raise CaptureError(f"'{node.name}' ({node.op_type}) must have an output")
    inputs, outputs = (tuple(_text(name) for name in names) for names in (node.input, node.output))
    return OnnxNode(_text(node.name) or outputs[0], _text(node.op_type), inputs, outputs, attributes)


def _text(value: object) -> str:
    """Return a name; protobuf gives bytes where a file holds no valid text."""
    if not isinstance(value, str):
        raise CaptureError(f"every name must be valid UTF-8 text, not {value!r:.60}")
    return value


def _check_order(nodes: Iterable[OnnxNode], known: set[str]) -> None:
    """Raise CaptureError unless every tensor is made once, and before it is read; so there are no cycles."""
    for node in nodes:
        missing = [name for name in node.inputs if name and name not in known]
        if missing:
            raise CaptureError(f"{node.title} reads '{missing[0]}', which is not made before it")
        again = [name for name in node.outputs if name in known]
        if again:
            raise CaptureError(f"{node.title} makes '{again[0]}', which is there already")
        known.update(name for name in node.outputs if name)


def _attribute(attribute: onnx.AttributeProto) -> Attribute:
    import onnx

    kinds = onnx.AttributeProto
    match attribute.type:
        case kinds.INT:
            return int(attribute.i)
        case kinds.FLOAT:
            return float(attribute.f)
        case kinds.STRING:
            return attribute.s.decode("utf-8", errors="replace")
        case kinds.INTS:
            return tuple(int(v) for v in attribute.ints)
        case kinds.FLOATS:
            return tuple(float(v) for v in attribute.floats)
        case kinds.TENSOR:
            return _array(attribute.t)
        case other:
            return f"an attribute of kind {other}"


def _array(tensor: onnx.TensorProto) -> np.ndarray[Any, Any]:
    """Return a tensor's values; those that are kept in other files are refused."""
    import onnx
    from onnx import numpy_helper

    if tensor.data_location == onnx.TensorProto.EXTERNAL or len(tensor.external_data):
        raise CaptureError(
            f"tensor '{tensor.name}' must be in the file itself; save the model without external data"
        )
    if prod(tensor.dims) > LARGEST_FILE or any(extent < 0 for extent in tensor.dims):
        raise CaptureError(f"tensor '{tensor.name}' must not have the shape {tuple(tensor.dims)}")
    array: np.ndarray[Any, Any] = numpy_helper.to_array(tensor)
    return array


def _input(value: onnx.ValueInfoProto, datatypes: Mapping[str, str]) -> OnnxInput:
    import onnx

    kind = value.type.tensor_type
    shape = tuple(d.dim_value for d in kind.shape.dim)[1:]
    if not 1 <= len(shape) <= 3 or any(extent < 1 for extent in shape) or prod(shape) > LARGEST_FILE:
        raise CaptureError(
            f"the input '{value.name}' must have a batch axis and 1 to 3 known extents, not {shape}; "
            "set its shape, for example with onnx.tools.update_model_dims"
        )
    stored = _STORED.get(onnx.TensorProto.DataType.Name(kind.elem_type))
    return OnnxInput(_text(value.name), shape, datatypes.get(value.name, stored))
