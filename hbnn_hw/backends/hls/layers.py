"""Values of each operator's template: everything a layer header says, computed here.

One function per hardware operator, found through :data:`LAYER_VALUES`; its template is
``templates/hls/<operator>.h.j2``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hbnn_hw.backends.hls.mvtu import mvtu_values
from hbnn_hw.errors import GraphError
from hbnn_hw.graph import Graph, Node, type_text
from hbnn_hw.ops import OPS, EncodeBitPlanes, HardwareOp, Mvtu, WidthConverter

Values = dict[str, Any]
"""Names and values of one template."""


def op_name(op: HardwareOp) -> str:
    """Return the name of an operator, which is also the name of its template."""
    return next(name for name, kind in OPS.items() if kind is type(op))


def _converter_values(graph: Graph, node: Node) -> Values:
    source = graph.source_type(node)
    lanes_in, lanes_out = node.hardware.lanes_in, node.hardware.lanes_out
    kernel = "forward" if lanes_in == lanes_out else "narrow" if lanes_in > lanes_out else "widen"
    return {
        "kernel": kernel,
        "ratio": max(lanes_in, lanes_out) // min(lanes_in, lanes_out),
        "bits": source.element.bits,
    }


def _encoder_values(graph: Graph, node: Node) -> Values:
    return {"n_bits": graph.source_type(node).element.bits}


LAYER_VALUES: dict[type[HardwareOp], Callable[[Graph, Node], Values]] = {
    EncodeBitPlanes: _encoder_values,
    Mvtu: mvtu_values,
    WidthConverter: _converter_values,
}
"""What each operator adds to the common values of its layer."""


def stream_bits(graph: Graph, name: str, lanes: int) -> int:
    """Width in bits of the stream that carries a value with ``lanes`` elements a beat."""
    return lanes * graph.types[name].element.bits


def layer_values(graph: Graph, node: Node, index: int, function: str) -> Values:
    """Return all values of one layer's template.

    Raises
    ------
    FoldingError
        If the layer is beyond what the HLS tools accept.
    GraphError
        If the operator has no HLS form.
    """
    op = node.hardware
    if type(op) not in LAYER_VALUES:
        raise GraphError(f"'{node.name}' is a {type(op).__name__}, which the HLS back end does not emit")
    common: Values = {
        "name": node.name,
        "function": function,
        "guard": f"HBNN_LAYER_{function.upper()}_H",
        "index": index,
        "source_type": type_text(graph.source_type(node)),
        "result_type": type_text(graph.types[node.name]),
        "lanes_in": op.lanes_in,
        "lanes_out": op.lanes_out,
        "input_bits": stream_bits(graph, node.inputs[0], op.lanes_in),
        "output_bits": stream_bits(graph, node.name, op.lanes_out),
        "cycles": op.cycles(graph.source_type(node)),
    }
    return common | LAYER_VALUES[type(op)](graph, node)
