"""The IR as a QONNX file: standard nodes that the ``qonnx`` executor runs to the same integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hbnn_hw.errors import GraphError
from hbnn_hw.extras import require
from hbnn_hw.graph import Graph
from hbnn_hw.passes import fold_thresholds, hoist_signs

if TYPE_CHECKING:
    import onnx

__all__ = ["export"]


def export(graph: Graph, batch: int = 1) -> onnx.ModelProto:
    """Write a captured or lowered graph as QONNX.

    Each tensor holds the integers of the IR's value of the same name, in float32, or in float64 where they
    could exceed 2**24; planes are the integers that they stand for. Real numbers in front of quantizers are
    folded into thresholds first. Images have their channels first.

    Parameters
    ----------
    graph
        Any stage of a network.
    batch
        Samples at a time: the executor needs to know.

    Raises
    ------
    GraphError
        Naming all operators that QONNX cannot express.
    RangeError
        If sums could leave the range in which they are exact.
    ToolMissingError
        If the package onnx is not installed.
    """
    require("onnx", "qonnx", "writing a QONNX file")
    from onnx import TensorProto, helper

    from hbnn_hw.backends.qonnx.operators import EMITTERS, Place, onnx_shape
    from hbnn_hw.backends.qonnx.writer import DOMAIN, OPSET, Tensor, Writer

    graph = fold_thresholds(hoist_signs(graph))
    graph.check()
    offenders = [f"'{n.name}' ({type(n.op).__name__})" for n in graph.nodes if type(n.op) not in EMITTERS]
    if offenders:
        raise GraphError(
            f"QONNX has no form for {', '.join(offenders)}; put a quantizer directly behind its affine"
        )
    writer = Writer(batch)
    tensors = {graph.input_name: Tensor(writer.unique(graph.input_name), onnx_shape(batch, graph.input_type))}
    writer.annotate(tensors[graph.input_name], graph.input_type.element)
    for node in graph.nodes:
        sources = tuple(tensors[name] for name in node.inputs)
        inputs = tuple(graph.types[name] for name in node.inputs)
        place = Place(node.name, sources, inputs, graph.types[node.name])
        tensors[node.name] = EMITTERS[type(node.op)](writer, node.op, place)
        writer.annotate(tensors[node.name], place.output.element)
    source, output = tensors[graph.input_name], tensors[graph.output_name]
    output = writer.cast(output, double=False)
    kinds = {info.name: info for info in writer.value_infos}
    outputs = [kinds.pop(output.name)] if output.name in kinds else []
    model = helper.make_graph(
        writer.nodes,
        graph.name,
        [helper.make_tensor_value_info(source.name, TensorProto.FLOAT, source.shape)],
        outputs,
        initializer=writer.initializers,
        value_info=list(kinds.values()),
    )
    model.quantization_annotation.extend(writer.annotations())
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(model, producer_name="hbnn_hw", opset_imports=opsets, ir_version=8)
