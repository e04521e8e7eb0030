"""A whole ONNX graph becomes an IR graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.capture.names import identifier
from hbnn_hw.capture.qonnx.constants import FOLDERS, fold
from hbnn_hw.capture.qonnx.handlers import CHOICES, HANDLERS, REMEDIES
from hbnn_hw.capture.qonnx.inputs import InputCode, begin, host_quantizer
from hbnn_hw.capture.qonnx.lowering import Layer, Lowering
from hbnn_hw.capture.qonnx.quantizers import Quantizer
from hbnn_hw.capture.qonnx.reading import OnnxGraph, OnnxNode
from hbnn_hw.capture.qonnx.values import Constant, Reals, Tensor, Value
from hbnn_hw.errors import CaptureError, GraphError, HbnnError
from hbnn_hw.graph import Graph
from hbnn_hw.lowering.stages import Integers
from hbnn_hw.types import Planes


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
    input_quantizer
        Makes the codes of real inputs, on the host.
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
    host = host_quantizer(onnx, nodes, tensors, input_code)
    lowering, start, quantizer = begin(onnx, host, tensors, input_code)
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
