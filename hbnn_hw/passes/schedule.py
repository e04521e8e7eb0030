"""Pass: choose PE and SIMD of every layer, and put width converters where neighbours differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hbnn_hw.errors import FoldingError
from hbnn_hw.folding import Folding, check_folding, divisors
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import EncodeBitPlanes, Mvtu, WidthConverter
from hbnn_hw.streams import output_edge

EDGE_BITS = 512
"""Widest TDATA that a schedule chooses by itself [bit]; AXI DMA takes up to 1024."""


@dataclass(frozen=True, slots=True)
class LayerFolding:
    """What a user asks for one layer; None leaves the choice to the default."""

    pe: int | None = None
    simd: int | None = None
    unroll: bool = False


@dataclass(frozen=True, slots=True)
class FoldingRequest:
    """What a user asks for a network.

    Attributes
    ----------
    pe, simd
        Upper limits for layers without a request of their own: each takes its largest legal value.
    unroll
        Whether layers without a request of their own are unrolled.
    layers
        Exact requests by layer name; a value that is not legal is an error.
    """

    pe: int = 16
    simd: int = 16
    unroll: bool = False
    layers: Mapping[str, LayerFolding] = field(default_factory=dict)


def _converts(first: int, second: int) -> bool:
    return first % second == 0 or second % first == 0


def _choose_simd(columns: int, limit: int, previous_pe: int | None) -> int:
    """Largest divisor up to the limit that the previous layer's beats can be regrouped to."""
    legal = [
        d for d in divisors(columns) if d <= limit and (previous_pe is None or _converts(d, previous_pe))
    ]
    return max(legal, default=1)


def _choose(name: str, op: Mvtu, request: FoldingRequest, previous_pe: int | None) -> Folding:
    asked = request.layers.get(name)
    if (asked.unroll if asked else request.unroll) and not (asked and (asked.pe or asked.simd)):
        return Folding(pe=op.weights.rows, simd=op.weights.columns, unrolled=True)
    wanted_pe, wanted_simd = (asked.pe, asked.simd) if asked else (None, None)
    folding = Folding(
        pe=wanted_pe or max(d for d in divisors(op.weights.rows) if d <= max(1, request.pe)),
        simd=wanted_simd or _choose_simd(op.weights.columns, max(1, request.simd), previous_pe),
    )
    check_folding(name, op.weights, folding)
    return folding


def _check_request(graph: Graph, request: FoldingRequest) -> None:
    names = [node.name for node in graph.nodes if isinstance(node.op, Mvtu)]
    for name in request.layers:
        if name not in names:
            raise FoldingError(f"there is no layer '{name}' to fold; the layers are {', '.join(names)}")
    for label, value in (("PE", request.pe), ("SIMD", request.simd)):
        if value < 1:
            raise FoldingError(f"the default {label} must be at least 1, not {value}")


def _edge_lanes(elements_per_beat: int, lane_bits: int) -> int:
    """Most lanes that divide a beat and keep the edge within EDGE_BITS."""
    return max(d for d in divisors(elements_per_beat) if d == 1 or d * lane_bits <= EDGE_BITS)


def _converter(name: str, source: str, lanes_from: int, lanes_to: int) -> Node:
    if not _converts(lanes_from, lanes_to):
        raise FoldingError(
            f"layer '{name}': its SIMD = {lanes_to} and the previous layer's PE = {lanes_from} must divide "
            "one another; change one of them"
        )
    return Node(f"{name}_width", WidthConverter(lanes_from=lanes_from, lanes_to=lanes_to), (source,))


def schedule(graph: Graph, request: FoldingRequest) -> Graph:
    """Fold every unit as requested and connect units of different width by converters.

    The input encoder and the output get a beat of at most 512 bits. A graph with operators that no back
    end emits is returned as it is, because its streams are not known.

    Raises
    ------
    FoldingError
        Naming the layer, when a requested PE or SIMD does not divide its shape or two neighbours cannot be
        connected.
    """
    _check_request(graph, request)
    if not graph.is_emittable:
        return graph
    nodes: list[Node] = []
    lanes: dict[str, int] = {}
    renamed: dict[str, str] = {}
    previous_pe: int | None = None
    for node in graph.nodes:
        inputs = tuple(renamed.get(name, name) for name in node.inputs)
        if isinstance(node.op, EncodeBitPlanes):
            nodes.append(Node(node.name, node.op, inputs))  # its lanes follow from its consumer, below
            continue
        if not isinstance(node.op, Mvtu):
            nodes.append(Node(node.name, node.op, inputs))
            continue
        folding = _choose(node.name, node.op, request, previous_pe)
        (source,) = inputs
        if source not in lanes and nodes and isinstance(nodes[-1].op, EncodeBitPlanes):
            lanes[source] = _edge_lanes(folding.simd, lane_bits=8)
            nodes[-1] = replace(nodes[-1], op=replace(nodes[-1].op, lanes=lanes[source]))
        if lanes.get(source, folding.simd) != folding.simd:
            nodes.append(_converter(node.name, source, lanes[source], folding.simd))
            source = nodes[-1].name
        nodes.append(Node(node.name, replace(node.op, folding=folding), (source,)))
        lanes[node.name] = previous_pe = folding.pe
    return _narrow_output(Graph(graph.name, graph.input_name, graph.input_type, tuple(nodes)))


def _narrow_output(graph: Graph) -> Graph:
    """Put a converter behind a last layer whose beat is wider than the edge allows."""
    last = graph.hardware_nodes[-1]
    edge = output_edge(graph)
    lanes = _edge_lanes(edge.lanes, edge.lane_bits)
    if lanes == edge.lanes:
        return graph
    converter = Node("output_width", WidthConverter(lanes_from=edge.lanes, lanes_to=lanes), (last.name,))
    at = graph.nodes.index(last) + 1
    behind = tuple(
        replace(node, inputs=tuple(converter.name if name == last.name else name for name in node.inputs))
        for node in graph.nodes[at:]
    )
    nodes = (*graph.nodes[:at], converter, *behind)
    return Graph(graph.name, graph.input_name, graph.input_type, nodes)
