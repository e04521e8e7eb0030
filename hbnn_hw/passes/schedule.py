"""Pass: choose PE and SIMD of every layer, and put width converters where neighbours differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import gcd, lcm

from hbnn_hw.errors import FoldingError
from hbnn_hw.folding import KERNEL_STAGES, Folding, check_folding, divisors, legal_pe
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import (
    ArgMax,
    EncodeBitPlanes,
    HardwareOp,
    Mvtu,
    Pad,
    PadPlanes,
    SlidingWindow,
    StreamOp,
    WidthConverter,
    WindowPool,
)
from hbnn_hw.streams import beat_bits, output_edge
from hbnn_hw.types import Bordered

EDGE_BITS = 512
"""Widest TDATA that a schedule chooses by itself [bit]; AXI DMA takes up to 1024."""

WORD_BITS = 4096
"""Widest beat inside that a schedule chooses by itself [bit]: the HLS tools' widest word."""


@dataclass(frozen=True, slots=True)
class LayerFolding:
    """What a user asks for one layer; None leaves the choice to the default.

    Attributes
    ----------
    pe, simd
        Exact values.
    unroll
        Whether all rows and columns are computed at once.
    stages
        Pipeline stages of the logic; for an unrolled layer.
    """

    pe: int | None = None
    simd: int | None = None
    unroll: bool = False
    stages: int | None = None


@dataclass(frozen=True, slots=True)
class FoldingRequest:
    """What a user asks for a network.

    Attributes
    ----------
    pe, simd
        Upper limits for layers without a request of their own: each takes its largest legal value.
    unroll
        Whether layers without a request of their own are unrolled.
    stages
        Pipeline stages of the logic of every unrolled layer without a request of its own.
    layers
        Exact requests by layer name; a value that is not legal is an error.
    """

    pe: int = 16
    simd: int = 16
    unroll: bool = False
    stages: int = KERNEL_STAGES
    layers: Mapping[str, LayerFolding] = field(default_factory=dict)


def _converts(first: int, second: int) -> bool:
    return first % second == 0 or second % first == 0


def _check_request(graph: Graph, request: FoldingRequest) -> None:
    names = [node.name for node in graph.nodes if isinstance(node.op, Mvtu)]
    for name in request.layers:
        if name not in names:
            raise FoldingError(f"there is no layer '{name}' to fold; the layers are {', '.join(names)}")
    for label, value in (("PE", request.pe), ("SIMD", request.simd)):
        if value < 1:
            raise FoldingError(f"the default {label} must be at least 1, not {value}")


def schedule(graph: Graph, request: FoldingRequest) -> Graph:
    """Fold every unit as requested, give all other operators their lanes, and connect them by converters.

    An operator without weights gets as few lanes as keep it from being slower than the slowest matrix unit,
    or the lanes of what it reads if they are enough. The ends get a beat of at most 512 bits.

    Parameters
    ----------
    graph
        Operators on streams, see :func:`hbnn_hw.passes.to_streams`.
    request
        The user's choices.

    Raises
    ------
    FoldingError
        Naming the layer, when a requested PE or SIMD does not divide its shape or two neighbours cannot be
        connected.
    """
    _check_request(graph, request)
    graph = _with_foldings(graph, request)
    graph = _with_lanes(graph)
    return _narrow_output(_with_converters(graph))


def _replaced(graph: Graph, ops: Mapping[str, HardwareOp]) -> Graph:
    nodes = (Node(node.name, ops.get(node.name, node.op), node.inputs) for node in graph.nodes)
    return Graph(graph.name, graph.input_name, graph.input_type, tuple(nodes))


def _upstream(graph: Graph, node: Node, *kinds: type[HardwareOp]) -> Node | None:
    """Return the node whose stream a node reads first, if it is of one of the kinds."""
    producers = {other.name: other for other in graph.hardware_nodes}
    found = producers.get(graph.producer(node.inputs[0]))
    return found if found and isinstance(found.op, kinds) else None


def legal_simd(graph: Graph, node: Node) -> list[int]:
    """Return the legal SIMD of a matrix unit, ascending.

    In a frame of nothing a beat must lie in one pixel: the bit that marks it is the beat's.
    """
    op = node.op
    assert isinstance(op, Mvtu)
    in_frame = isinstance(graph.source_type(node).element, Bordered)
    return divisors(op.group_inputs if in_frame else op.weights.columns)


# --- matrix units


def _with_foldings(graph: Graph, request: FoldingRequest) -> Graph:
    ops: dict[str, HardwareOp] = {}
    pe_of: dict[str, int | None] = {}
    for node in graph.nodes:
        before = pe_of.get(node.inputs[0]) if node.inputs else None
        if not isinstance(node.op, Mvtu):
            pe_of[node.name] = before
            continue
        folding = _choose(graph, node, node.op, request, before)
        ops[node.name] = replace(node.op, folding=folding)
        pe_of[node.name] = folding.pe
    return _replaced(graph, ops)


def unrolled_folding(
    name: str, op: Mvtu, asked: LayerFolding | None, by_default: bool = False, stages: int = KERNEL_STAGES
) -> Folding | None:
    """Return the folding of a layer that is to be unrolled, by itself or with all others; else None.

    Raises
    ------
    FoldingError
        If stages are asked for that are no number from 1, or of a folded layer.
    """
    asked = asked or LayerFolding(unroll=by_default)
    has_stages = asked.stages is not None
    if not (asked.unroll or (has_stages and by_default)) or asked.pe or asked.simd:
        if has_stages:
            raise FoldingError(
                f"layer '{name}' is folded, and only an unrolled layer has stages; unroll it, or drop them"
            )
        return None
    folding = Folding(
        pe=op.weights.rows,
        simd=op.weights.columns,
        unrolled=True,
        stages=stages if asked.stages is None else asked.stages,
    )
    check_folding(name, op.weights, folding)
    return folding


def _choose(graph: Graph, node: Node, op: Mvtu, request: FoldingRequest, previous_pe: int | None) -> Folding:
    asked = request.layers.get(node.name)
    unrolled = unrolled_folding(node.name, op, asked, request.unroll, request.stages)
    if unrolled:
        return unrolled
    wanted_pe, wanted_simd = (asked.pe, asked.simd) if asked else (None, None)
    pe = wanted_pe or max(d for d in legal_pe(op.weights.rows, op.groups) if d <= max(1, request.pe))
    folding = Folding(pe=pe, simd=wanted_simd or _choose_simd(graph, node, op, pe, request.simd, previous_pe))
    check_folding(node.name, op.weights, folding, op.groups)
    _check_simd(graph, node, replace(op, folding=folding), folding)
    return folding


def _check_simd(graph: Graph, node: Node, op: Mvtu, folding: Folding) -> None:
    """Raise FoldingError where a beat would mix pixels in a frame of nothing, or groups that differ."""
    if op.spread > 1 and folding.simd != op.group_inputs:
        raise FoldingError(
            f"layer '{node.name}': with PE = {folding.pe} it works on {op.spread} groups at once, which "
            f"needs SIMD = {op.group_inputs}, not {folding.simd}"
        )
    legal = legal_simd(graph, node)
    if folding.simd not in legal:
        raise FoldingError(
            f"layer '{node.name}': its border leaves the sums, so SIMD must divide the {op.group_inputs} "
            f"channels of a pixel, not {folding.simd}; legal values: {', '.join(map(str, legal))}"
        )


def _choose_simd(graph: Graph, node: Node, op: Mvtu, pe: int, limit: int, previous_pe: int | None) -> int:
    """Largest legal value up to the limit, which needs no general width converter if there is such a one."""
    if pe > op.weights.rows // op.groups:
        return op.group_inputs
    legal = divisors(op.group_inputs) if op.window > 1 else legal_simd(graph, node)
    fitting = [d for d in legal if d <= limit and (previous_pe is None or _converts(d, previous_pe))]
    return max(fitting, default=max((d for d in legal if d <= limit), default=1))


# --- all other operators


def _with_lanes(graph: Graph) -> Graph:
    """Give every operator without weights its lanes."""
    interval = max(
        (op.cycles(*graph.input_types(node)) for node in graph.nodes if isinstance(op := node.op, Mvtu)),
        default=1,
    )
    ops = _window_ops(graph, interval)
    lanes = {node.name: node.op.lanes_out for node in graph.nodes if isinstance(node.op, Mvtu)}
    lanes |= {name: op.lanes_out for name, op in ops.items()}
    for node in graph.nodes:
        if not isinstance(node.op, StreamOp) or node.name in ops:
            continue
        lanes[node.name] = _lanes(graph, node, interval, lanes.get(graph.producer(node.inputs[0])))
        ops[node.name] = replace(node.op, lanes=lanes[node.name])
    return _with_encoder(_replaced(graph, ops))


def _window_ops(graph: Graph, interval: int) -> dict[str, HardwareOp]:
    """Windows, and frames in front of them, work at the width of what reads them."""
    ops: dict[str, HardwareOp] = {}
    for node in graph.nodes:
        window = _upstream(graph, node, SlidingWindow)
        if isinstance(node.op, WindowPool) and window:
            lanes = _lanes(graph, node, interval, None)
            ops[node.name] = replace(node.op, lanes=lanes, block=lanes)
            ops |= _window_of(graph, window, lanes, lanes)
        elif isinstance(node.op, Mvtu) and window:
            block = node.op.spread * node.op.group_inputs
            ops |= _window_of(graph, window, block, gcd(block, node.op.lanes_in))
        elif isinstance(node.op, Mvtu):
            ops |= _frame_of(graph, node, node.op.lanes_in)
    return ops


def _window_of(graph: Graph, window: Node, block: int, lanes: int) -> dict[str, HardwareOp]:
    assert isinstance(window.op, SlidingWindow)
    return {window.name: replace(window.op, block=block, lanes=lanes)} | _frame_of(graph, window, lanes)


def _frame_of(graph: Graph, node: Node, lanes: int) -> dict[str, HardwareOp]:
    """The frame right in front of a node, at its lanes; frames of channels have lanes of their own."""
    frame = _upstream(graph, node, PadPlanes, Pad)
    if not frame or lanes not in _legal_lanes(graph, frame) or len(graph.consumers(frame.name)) > 1:
        return {}
    assert isinstance(frame.op, StreamOp)
    return {frame.name: replace(frame.op, lanes=lanes)}


def _legal_lanes(graph: Graph, node: Node) -> list[int]:
    """Return the lanes that divide all channels of an operator and fit a word, ascending."""
    values = (*graph.input_types(node), graph.types[node.name])
    if isinstance(node.op, ArgMax):  # one element leaves, whatever comes in a beat
        values = graph.input_types(node)
    channels = gcd(*(value.shape[-1] for value in values))
    if isinstance(node.op, Pad):
        channels = gcd(channels, *node.op.channels)
    if isinstance(node.op, WindowPool):
        channels = graph.types[node.name].shape[-1]
    widest = max(value.element.bits for value in values)
    return [d for d in divisors(channels) if d == 1 or d * widest < WORD_BITS]


def _lanes(graph: Graph, node: Node, interval: int, before: int | None) -> int:
    """Fewest lanes that keep up with the network, or those of the stream that is read if they do."""
    assert isinstance(node.op, StreamOp)
    types, legal = graph.input_types(node), _legal_lanes(graph, node)
    enough = [d for d in legal if replace(node.op, lanes=d).cycles(*types) <= interval] or [legal[-1]]
    if before is None or before in enough:
        return before or enough[0]
    return next((d for d in enough if _converts(d, before)), enough[0])


def _with_encoder(graph: Graph) -> Graph:
    """Give the encoder the lanes of what reads it, as far as the edge allows."""
    ops: dict[str, HardwareOp] = {}
    for node in graph.nodes:
        if isinstance(node.op, EncodeBitPlanes):
            wanted = [reader.hardware.lanes_in for reader, _ in graph.readers(node)]
            lanes = _edge_lanes(wanted[0] if wanted else graph.types[node.name].shape[-1], lane_bits=8)
            ops[node.name] = replace(node.op, lanes=lanes)
    return _replaced(graph, ops)


# --- streams


def _edge_lanes(elements_per_beat: int, lane_bits: int) -> int:
    """Most lanes that divide a beat and keep the edge within EDGE_BITS."""
    return max(d for d in divisors(elements_per_beat) if d == 1 or d * lane_bits <= EDGE_BITS)


def _with_converters(graph: Graph) -> Graph:
    """Put a width converter, or two, where the beats of a stream are not what its reader takes."""
    nodes: list[Node] = []
    lanes = {node.name: node.hardware.lanes_out for node in graph.hardware_nodes}
    for node in graph.nodes:
        inputs = []
        for index, name in enumerate(node.inputs):
            given = lanes.get(graph.producer(name))
            if given is not None and isinstance(node.op, HardwareOp) and given != node.op.lanes_in:
                label = f"{node.name}_width" if len(node.inputs) == 1 else f"{node.name}_width{index + 1}"
                for converter in _converters(graph, label, name, given, node.op.lanes_in):
                    nodes.append(converter)
                    name = converter.name
            inputs.append(name)
        nodes.append(Node(node.name, node.op, tuple(inputs)))
    return Graph(graph.name, graph.input_name, graph.input_type, tuple(nodes))


def _converters(graph: Graph, label: str, source: str, lanes_from: int, lanes_to: int) -> list[Node]:
    """Return one converter, or two by way of a beat that both widths divide, or that divides both."""
    while label in graph.types:
        label += "_2"
    if _converts(lanes_from, lanes_to):
        return [Node(label, WidthConverter(lanes_from=lanes_from, lanes_to=lanes_to), (source,))]
    value = graph.types[source]
    between = lcm(lanes_from, lanes_to)
    if beat_bits(value, between) > WORD_BITS:
        between = gcd(lanes_from, lanes_to)
    first = Node(f"{label}_by_{between}", WidthConverter(lanes_from=lanes_from, lanes_to=between), (source,))
    return [first, Node(label, WidthConverter(lanes_from=between, lanes_to=lanes_to), (first.name,))]


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
