"""Values of each operator's template: everything a layer header says, computed here.

One function per hardware operator, found through :data:`LAYER_VALUES`; its template is
``templates/hls/<operator>.h.j2``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hbnn_hw.backends.hls.elements import (
    add_values,
    arg_max_values,
    concat_values,
    decode_values,
    fork_values,
    rescale_values,
    threshold_values,
)
from hbnn_hw.backends.hls.mvtu import mvtu_values
from hbnn_hw.backends.hls.windows import (
    pad_planes_values,
    pad_values,
    pool_values,
    sliding_window_values,
    window_pool_values,
)
from hbnn_hw.errors import GraphError
from hbnn_hw.graph import Graph, Node, type_text
from hbnn_hw.ops import (
    OPS,
    Add,
    ArgMax,
    Concat,
    Decode,
    EncodeBitPlanes,
    Fork,
    HardwareOp,
    Mvtu,
    Pad,
    PadPlanes,
    Pool,
    Rescale,
    SlidingWindow,
    Threshold,
    WidthConverter,
    WindowPool,
)
from hbnn_hw.streams import beat_bits

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
    Add: add_values,
    ArgMax: arg_max_values,
    Concat: concat_values,
    Decode: decode_values,
    EncodeBitPlanes: _encoder_values,
    Fork: fork_values,
    Mvtu: mvtu_values,
    Pad: pad_values,
    PadPlanes: pad_planes_values,
    Pool: pool_values,
    Rescale: rescale_values,
    SlidingWindow: sliding_window_values,
    Threshold: threshold_values,
    WidthConverter: _converter_values,
    WindowPool: window_pool_values,
}
"""What each operator adds to the common values of its layer."""


@dataclass(frozen=True, slots=True)
class StreamArgument:
    """One stream that a layer's function reads or writes.

    Attributes
    ----------
    name
        The parameter's name: ``source``, ``source2`` …, ``sink``, ``sink2`` …
    bits
        Width of a beat.
    lanes
        Elements of a beat.
    """

    name: str
    bits: int
    lanes: int


def _arguments(stem: str, widths: list[tuple[int, int]]) -> list[StreamArgument]:
    return [
        StreamArgument(stem if index == 0 else f"{stem}{index + 1}", bits, lanes)
        for index, (bits, lanes) in enumerate(widths)
    ]


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
    types, result = graph.input_types(node), graph.types[node.name]
    sources = _arguments("source", [(beat_bits(value, op.lanes_in), op.lanes_in) for value in types])
    n_sinks = max(1, len(graph.readers(node))) if isinstance(op, Fork) else 1
    sinks = _arguments("sink", [(beat_bits(result, op.lanes_out), op.lanes_out)] * n_sinks)
    common: Values = {
        "name": node.name,
        "function": function,
        "guard": f"HBNN_LAYER_{function.upper()}_H",
        "index": index,
        "source_type": type_text(types[0]),
        "source_types": [type_text(value) for value in types],
        "result_type": type_text(result),
        "sources": sources,
        "sinks": sinks,
        "lanes_in": op.lanes_in,
        "lanes_out": op.lanes_out,
        "input_bits": sources[0].bits,
        "output_bits": sinks[0].bits,
        "cycles": op.cycles(*types),
    }
    return common | LAYER_VALUES[type(op)](graph, node)
