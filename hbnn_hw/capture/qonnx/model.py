"""A whole ONNX graph becomes an IR graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.capture.names import identifier
from hbnn_hw.capture.qonnx.activations import planes_stage, quantizer_of
from hbnn_hw.capture.qonnx.constants import FOLDERS, fold
from hbnn_hw.capture.qonnx.handlers import CHOICES, HANDLERS, QUANTIZERS, REMEDIES
from hbnn_hw.capture.qonnx.lowering import LARGEST_VALUE, Layer, Lowering
from hbnn_hw.capture.qonnx.quantizers import WIDEST, WIDEST_WEIGHT, Quantizer, Uniform
from hbnn_hw.capture.qonnx.reading import OnnxGraph, OnnxNode
from hbnn_hw.capture.qonnx.shapes import unflattened
from hbnn_hw.capture.qonnx.values import Constant, Reals, Tensor, Value
from hbnn_hw.errors import CaptureError, GraphError, HbnnError
from hbnn_hw.graph import Graph
from hbnn_hw.lowering.stages import Integers
from hbnn_hw.ops import EncodeBitPlanes
from hbnn_hw.types import Integers as IntegerElement
from hbnn_hw.types import Planes, TensorType


@dataclass(frozen=True, slots=True, kw_only=True)
class InputCode:
    """What the network's input codes stand for: ``scale · code + offset``.

    Attributes
    ----------
    bits
        Codes are 0 … 2**bits - 1.
    scale, offset
        Real numbers; ``InputCode(bits=8, scale=1 / 255)`` is an image of bytes that the network sees as 0…1.
    """

    bits: int
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= WIDEST_WEIGHT or not self.scale > 0:
            raise CaptureError(
                f"an input code must have 1 to {WIDEST_WEIGHT} bits and a positive scale, not {self}"
            )

    def quantizer(self) -> Quantizer:
        """Return the quantizer that makes the codes; real numbers between codes go to the nearest."""
        scale = np.float64(self.scale)
        return _Affine(np.array([scale]), np.array([self.offset]), (1 << self.bits) - 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Affine:
    """The quantizer of an :class:`InputCode`."""

    scale: Reals
    offset: Reals
    levels: int

    def codes(self, x: Reals) -> NDArray[np.int64]:
        codes = np.rint((x - self.offset) / self.scale)
        return np.clip(codes, 0, self.levels).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class QonnxModel:
    """A network read from a QONNX file.

    Attributes
    ----------
    graph
        The captured graph. It reads flat codes in the file's order (channels first).
    notes
        What was left out or taken to be something, in words.
    tensors
        What each tensor of the file is, by its name there; those that IR values hold.
    input_name, output_name
        Names of the tensors in the file.
    """

    graph: Graph
    notes: tuple[str, ...]
    tensors: Mapping[str, Value]
    input_name: str
    output_name: str
    input_quantizer: Quantizer

    def codes(self, x: NDArray[Any]) -> NDArray[np.int64]:
        """Return the codes (batch, features) of real inputs (batch, ...) as the file's network reads them."""
        flat = np.asarray(x, dtype=np.float64).reshape(len(x), -1)
        return self.input_quantizer.codes(flat[..., np.newaxis])[..., 0]

    def tensor(self, name: str, data: NDArray[Any]) -> Reals:
        """Return a tensor of the file as the IR's golden value has it: real numbers in the file's layout.

        Parameters
        ----------
        name
            One of :attr:`tensors`.
        data
            Run-time data of the IR's value :attr:`Value.node`.
        """
        value = self.tensors[name]
        element = self.graph.types[value.node].element
        if data.dtype == np.float64:
            return value.to_onnx(data)
        integers = element.values(data) if isinstance(element, Planes) else data
        stage = value.stage
        if isinstance(stage, Integers):
            return value.to_onnx(integers * stage.scale + stage.offset)
        flat = integers.reshape(-1, value.channels)
        return value.to_onnx(stage.values_at(flat).reshape(integers.shape))


def lower_graph(onnx: OnnxGraph, input_code: InputCode | None) -> QonnxModel:
    """Translate an ONNX graph.

    Raises
    ------
    CaptureError
        Naming, at once, every node that cannot be lowered and what to do about it.
    """
    nodes, output, dropped = _needed(onnx)
    _check_supported(nodes)
    try:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            return _lowered(onnx, nodes, output, dropped, input_code)
    except HbnnError:
        raise
    except (ValueError, TypeError, LookupError, ArithmeticError, MemoryError) as error:
        raise CaptureError(f"the network '{onnx.name}' is damaged: {error}") from error


def _needed(onnx: OnnxGraph) -> tuple[list[OnnxNode], str, list[str]]:
    """Return the nodes that the output depends on, without what the host does behind the scores."""
    makers = {name: node for node in onnx.nodes for name in node.outputs}
    output, dropped = onnx.output, []
    while output in makers and makers[output].kind in CHOICES:
        dropped.append(f"{makers[output].title} is left to the host")
        output = makers[output].inputs[0] if makers[output].inputs else ""
    needed, todo = set[str](), [output]
    while todo:
        node = makers.get(todo.pop())
        if node is not None and node.outputs[0] not in needed:
            needed.add(node.outputs[0])
            todo += node.inputs
    return [node for node in onnx.nodes if node.outputs[0] in needed], output, dropped


def _check_supported(nodes: Sequence[OnnxNode]) -> None:
    """Raise CaptureError, naming all of them, if nodes have no handler."""
    offenders = [node for node in nodes if node.kind not in HANDLERS and node.kind not in FOLDERS]
    if not offenders:
        return
    listed = "".join(
        f"\n  {node.title}: {REMEDIES.get(node.kind, 'replace it by supported operators')}"
        for node in offenders
    )
    raise CaptureError(
        f"{len(offenders)} nodes cannot be lowered:{listed}\nsupported are {', '.join(sorted(HANDLERS))}"
    )


def _lowered(
    onnx: OnnxGraph,
    nodes: list[OnnxNode],
    output: str,
    dropped: list[str],
    input_code: InputCode | None,
) -> QonnxModel:
    tensors: dict[str, Tensor] = {
        name: Constant(np.asarray(array, dtype=np.float64))
        for name, array in onnx.constants.items()
        if array.dtype.kind in "fiub"
    }
    host = _host_quantizer(onnx, nodes, tensors, input_code)
    lowering, start, quantizer = _begin(onnx, host, tensors, input_code)
    tensors[onnx.input.name if host is None else host.outputs[0]] = start
    _walk(lowering, [node for node in nodes if node is not host], tensors)
    found = tensors.get(output)
    if not isinstance(found, Value):
        raise CaptureError(f"the output '{output}' must depend on the network's input")
    tensors[output] = lowering.finish(found)
    graph = Graph(identifier(onnx.name), "x", lowering.types["x"], tuple(lowering.nodes))
    try:
        graph.check()
    except GraphError as error:
        raise CaptureError(str(error)) from error
    values = {name: value for name, value in tensors.items() if isinstance(value, Value)}
    return QonnxModel(graph, (*lowering.notes, *dropped), values, onnx.input.name, output, quantizer)


def _host_quantizer(
    onnx: OnnxGraph, nodes: list[OnnxNode], tensors: Mapping[str, Tensor], code: InputCode | None
) -> OnnxNode | None:
    """Return the quantizer that alone reads the network's input: the host applies it and sends its codes."""
    readers = [node for node in nodes if onnx.input.name in node.inputs]
    if code is not None or onnx.input.datatype or len(readers) != 1 or readers[0].kind not in QUANTIZERS:
        return None
    is_first = readers[0].inputs[0] == onnx.input.name
    return readers[0] if is_first and all(name in tensors for name in readers[0].inputs[1:]) else None


def _begin(
    onnx: OnnxGraph, host: OnnxNode | None, tensors: Mapping[str, Tensor], code: InputCode | None
) -> tuple[Lowering, Value, Quantizer]:
    """Return the walk with the input's operators, the first value, and the quantizer of the host."""
    features = prod(onnx.input.shape)
    if features > LARGEST_VALUE:
        raise CaptureError(f"the input must have at most {LARGEST_VALUE} values, not {features}")
    if host is not None:
        inputs = (None, *(tensors[name] for name in host.inputs[1:]))
        place = Value("x", Integers(scale=1.0, low=0, high=1, spread=1.0), (1,), (0,))
        quantizer = quantizer_of(Layer(host, inputs), place, WIDEST_WEIGHT)
    elif code is not None:
        quantizer = code.quantizer()
    else:
        quantizer = _annotated(onnx)
    if quantizer.levels < 1 or (quantizer.scale < 0).any():
        raise CaptureError("the quantizer of the input must have two values at least, and a positive scale")
    bits = quantizer.levels.bit_length()
    lowering = Lowering("x", TensorType((features,), IntegerElement(0, (1 << bits) - 1)))
    value = Value("x", Integers(scale=1.0, low=0, high=1, spread=1.0), (features,), (0,))
    if len(onnx.input.shape) > 1:
        value = unflattened(lowering, "image", value, onnx.input.shape)
    scale, lowest = (np.full(value.channels, c[0]) for c in (quantizer.scale, quantizer.offset))
    if bits > WIDEST:
        stage = lowering.straight(value.node, scale, lowest)
    else:
        node = lowering.put("encode", EncodeBitPlanes(n_bits=bits), value.node)
        stage = planes_stage(lowering, node, scale, lowest, (1 << bits) - 1)
        value = Value(node, stage, value.shape, value.axes)
    return lowering, Value(value.node, stage, value.shape, value.axes), quantizer


_DATATYPES = {"BIPOLAR": (-1, 1, 2), "BINARY": (0, 1, 1), "TERNARY": (-1, 1, 1)}


def _annotated(onnx: OnnxGraph) -> Quantizer:
    """Return the quantizer of an input whose datatype the file says."""
    name = onnx.input.datatype or ""
    if name in _DATATYPES:
        low, high, step = _DATATYPES[name]
        return _Affine(np.array([float(step)]), np.array([float(low)]), (high - low) // step)
    kind, _, bits = name.partition("INT")
    if kind in ("", "U") and bits.isdigit() and 1 <= int(bits) <= WIDEST_WEIGHT:
        half = 0 if kind else 1 << (int(bits) - 1)
        full = (1 << int(bits)) - 1
        return Uniform(step=np.ones(1), zero=np.zeros(1), low=-half, high=full - half, rounding=np.rint)
    raise CaptureError(
        f"the input '{onnx.input.name}' must be quantized: put a Quant node behind it, annotate its datatype "
        "(set_tensor_datatype), or say what its codes stand for, as in "
        "load(path, InputCode(bits=8, scale=1 / 255)) or 'hbnn-hw convert --input-bits 8 --input-scale'"
    )


def _walk(lowering: Lowering, nodes: list[OnnxNode], tensors: dict[str, Tensor]) -> None:
    """Handle all nodes but those behind one that failed, so that every failure told is its own."""
    failures: list[HbnnError] = []
    for node in nodes:
        if any(name and name not in tensors for name in node.inputs):
            continue
        inputs = tuple(tensors[name] if name else None for name in node.inputs)
        try:
            tensors[node.outputs[0]] = _handled(lowering, node, inputs)
        except HbnnError as error:
            failures.append(error)
    if len(failures) == 1:
        raise CaptureError(str(failures[0])) from failures[0]
    if failures:
        listed = "".join(f"\n  {error}" for error in failures)
        raise CaptureError(f"the network cannot be lowered in {len(failures)} places:{listed}")


def _handled(lowering: Lowering, node: OnnxNode, inputs: tuple[Tensor | None, ...]) -> Tensor:
    if any(isinstance(value, Value) for value in inputs):
        if node.kind not in HANDLERS:
            raise CaptureError(f"{node.title} can only be computed of constants")
        return HANDLERS[node.kind](lowering, Layer(node, inputs))
    return fold(node, [value for value in inputs if isinstance(value, Constant)])
