"""Geometry of the dataflow picture: hardware nodes as boxes in reading order, streams as arrows.

A stream to the next box is an arrow between the two. A stream that passes other boxes, as those of residual
branches do, leaves its box into a numbered circle and comes out of the circle of the same number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hbnn_hw.estimate import Estimate, NodeEstimate
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import HardwareOp, Pool, SlidingWindow
from hbnn_hw.report.figures import plural
from hbnn_hw.streams import beat_bits

BOX_WIDTH, BOX_HEIGHT = 160, 92
SMALL_WIDTH, SMALL_HEIGHT = 76, 46
GAP, ROW_GAP = 46, 46
STUB = 12
PICTURE_WIDTH = 1040
NAME_CHARACTERS = 18
_SMALL = {
    "Add": "add",
    "ArgMax": "arg-max",
    "Concat": "concat",
    "Decode": "decode",
    "EncodeBitPlanes": "encode",
    "Fork": "fork",
    "Pad": "frame",
    "PadPlanes": "frame",
    "Pool": "pool",
    "Rescale": "rescale",
    "SlidingWindow": "window",
    "Threshold": "threshold",
    "WidthConverter": "regroup",
    "WindowPool": "pool",
}


@dataclass(frozen=True, slots=True)
class Box:
    """One node: rectangle [px], title, lines of text, and whether it is the bottleneck."""

    x: int
    y: int
    width: int
    height: int
    title: str
    lines: tuple[str, ...]
    slowest: bool
    small: bool


@dataclass(frozen=True, slots=True)
class Arrow:
    """One stream: an SVG path, and its label with the label's place [px]."""

    path: str
    label: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Circle:
    """One end of a stream that passes other boxes: an SVG path of its stub, the number, its place [px]."""

    path: str
    label: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Dataflow:
    """The picture."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    circles: tuple[Circle, ...] = ()


def slowest(estimate: Estimate) -> frozenset[str]:
    """Names of the nodes that set the pace; none where all are equally fast."""
    names = frozenset(node.name for node in estimate.nodes if node.cycles == estimate.interval_cycles)
    return names if len(names) < len(estimate.nodes) else frozenset()


def short(name: str) -> str:
    """Shorten a name that would not fit its box to its end, which tells layers of one block apart."""
    return name if len(name) <= NAME_CHARACTERS else "…" + name[1 - NAME_CHARACTERS :]


def box_text(graph: Graph, node: NodeEstimate) -> tuple[str, tuple[str, ...]]:
    """Title and lines of a node's box."""
    layer = node.layer
    if layer is None:
        op = next(n for n in graph.hardware_nodes if n.name == node.name).hardware
        return _SMALL.get(node.kind, node.kind), (_small_line(op),)
    fold = "unrolled" if layer.unrolled else f"PE {layer.pe} × SIMD {layer.simd}"
    bits = f"weights {layer.average_bits:.2f} b, input {layer.input_planes} b"
    return short(node.name), (f"{layer.columns} → {layer.rows}", bits, fold, plural(node.cycles, "cycle"))


def _small_line(op: HardwareOp) -> str:
    """Kernel of what has one, else the lanes."""
    if isinstance(op, SlidingWindow | Pool):
        return f"{op.kernel[0]}×{op.kernel[1]}"
    if op.lanes_in != op.lanes_out:
        return f"{op.lanes_in} → {op.lanes_out}"
    return plural(op.lanes_in, "lane")


def _width(node: NodeEstimate) -> int:
    return BOX_WIDTH if node.layer else SMALL_WIDTH


def _place(graph: Graph, estimate: Estimate) -> list[Box]:
    """Put the boxes left to right, into as many rows as they need."""
    boxes: list[Box] = []
    slow = slowest(estimate)
    x, y = GAP, 8 + STUB
    for node in estimate.nodes:
        width = _width(node)
        if x + width + GAP > PICTURE_WIDTH and x > GAP:
            x, y = GAP, y + BOX_HEIGHT + ROW_GAP
        height = BOX_HEIGHT if node.layer else SMALL_HEIGHT
        title, lines = box_text(graph, node)
        top = y + (BOX_HEIGHT - height) // 2
        boxes.append(Box(x, top, width, height, title, lines, node.name in slow, node.layer is None))
        x += width + GAP
    return boxes


def _stream_label(graph: Graph, name: str, lanes: int) -> str:
    """Bits that a stream carries in a clock cycle."""
    return f"{beat_bits(graph.types[name], lanes)} b"


def _arrow(start: tuple[int, int], end: tuple[int, int], label: str) -> Arrow:
    """Straight to the right; from the end of a row, down and back to the next one's start."""
    (x0, y0), (x1, y1) = start, end
    if y0 == y1:
        return Arrow(f"M{x0} {y0}H{x1 - 2}", label, (x0 + x1) // 2 - 2, y0 - 7)
    between = y1 - (BOX_HEIGHT + ROW_GAP) // 2
    path = f"M{x0} {y0}h18V{between}H{x1 - 26}V{y1}H{x1 - 2}"
    return Arrow(path, label, x0 + 18, y0 - 7)


def _left(box: Box) -> tuple[int, int]:
    return box.x, box.y + box.height // 2


def _right(box: Box) -> tuple[int, int]:
    return box.x + box.width, box.y + box.height // 2


def _edges(graph: Graph) -> list[tuple[int, int]]:
    """Streams between boxes as (writer, reader), both by their place in the order; the input is -1."""
    places: Mapping[str, int] = {node.name: at for at, node in enumerate(graph.hardware_nodes)}
    return [
        (places.get(graph.producer(name), -1), reader)
        for reader, node in enumerate(graph.hardware_nodes)
        for name in node.inputs
    ]


def _circles(boxes: list[Box], jumps: list[tuple[int, int]]) -> list[Circle]:
    """Number the streams that pass other boxes; several circles at one box stand side by side."""
    circles: list[Circle] = []
    below: dict[int, int] = {}
    above: dict[int, int] = {}
    for number, (writer, reader) in enumerate(jumps, start=1):
        target = boxes[reader]
        if writer < 0:
            x, y = 12, _left(boxes[0])[1] + STUB + 8
            circles.append(Circle(f"M{x} {y - 8}v-{STUB}", str(number), x, y))
        else:
            source = boxes[writer]
            x = source.x + 20 + 22 * below.get(writer, 0)
            below[writer] = below.get(writer, 0) + 1
            y = source.y + source.height + STUB
            circles.append(Circle(f"M{x} {source.y + source.height}V{y - 6}", str(number), x, y))
        x = target.x + 20 + 22 * above.get(reader, 0)
        above[reader] = above.get(reader, 0) + 1
        circles.append(Circle(f"M{x} {target.y - STUB + 6}V{target.y - 1}", str(number), x, target.y - STUB))
    return circles


def dataflow(graph: Graph, estimate: Estimate) -> Dataflow:
    """Lay out the picture of a network, with branches or without."""
    boxes = _place(graph, estimate)
    nodes: tuple[Node, ...] = graph.hardware_nodes
    first, last = boxes[0], boxes[-1]
    label = _stream_label(graph, nodes[0].inputs[0], nodes[0].hardware.lanes_in)
    arrows = [_arrow((4, _left(first)[1]), _left(first), label)]
    jumps: list[tuple[int, int]] = []
    for writer, reader in _edges(graph):
        if writer + 1 != reader:
            jumps.append((writer, reader))
        elif writer >= 0:
            label = _stream_label(graph, nodes[writer].name, nodes[writer].hardware.lanes_out)
            arrows.append(_arrow(_right(boxes[writer]), _left(boxes[reader]), label))
    label = _stream_label(graph, nodes[-1].name, nodes[-1].hardware.lanes_out)
    arrows.append(_arrow(_right(last), (_right(last)[0] + GAP - 4, _right(last)[1]), label))
    height = max(box.y + box.height for box in boxes) + 14
    return Dataflow(PICTURE_WIDTH, height, tuple(boxes), tuple(arrows), tuple(_circles(boxes, jumps)))
