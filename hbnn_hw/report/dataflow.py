"""Geometry of the dataflow picture: hardware nodes as boxes in reading order, streams as arrows."""

from __future__ import annotations

from dataclasses import dataclass

from hbnn_hw.estimate import Estimate, NodeEstimate
from hbnn_hw.graph import Graph

BOX_WIDTH, BOX_HEIGHT = 160, 92
SMALL_WIDTH = 76
GAP, ROW_GAP = 46, 34
PICTURE_WIDTH = 1040
NAME_CHARACTERS = 18
_SMALL = {"WidthConverter": "regroup", "EncodeBitPlanes": "encode"}


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
class Dataflow:
    """The picture."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" + ("" if count == 1 else "s")


def short(name: str) -> str:
    """Shorten a name that would not fit its box."""
    return name if len(name) <= NAME_CHARACTERS else name[: NAME_CHARACTERS - 1] + "…"


def box_text(graph: Graph, node: NodeEstimate) -> tuple[str, tuple[str, ...]]:
    """Title and lines of a node's box."""
    layer = node.layer
    if layer is None:
        op = next(n for n in graph.hardware_nodes if n.name == node.name).hardware
        return _SMALL.get(node.kind, node.kind), (f"{op.lanes_in} → {op.lanes_out}",)
    fold = "unrolled" if layer.unrolled else f"PE {layer.pe} × SIMD {layer.simd}"
    bits = f"weights {layer.average_bits:.2f} b, input {layer.input_planes} b"
    return short(node.name), (f"{layer.columns} → {layer.rows}", bits, fold, _plural(node.cycles, "cycle"))


def _width(node: NodeEstimate) -> int:
    return BOX_WIDTH if node.layer else SMALL_WIDTH


def _place(graph: Graph, estimate: Estimate) -> list[Box]:
    """Put the boxes left to right, into as many rows as they need."""
    boxes: list[Box] = []
    x, y = GAP, 8
    for node in estimate.nodes:
        width = _width(node)
        if x + width + GAP > PICTURE_WIDTH and x > GAP:
            x, y = GAP, y + BOX_HEIGHT + ROW_GAP
        height = BOX_HEIGHT if node.layer else 46
        title, lines = box_text(graph, node)
        top = y + (BOX_HEIGHT - height) // 2
        slowest = node.name == estimate.bottleneck and len(estimate.nodes) > 1
        boxes.append(Box(x, top, width, height, title, lines, slowest, node.layer is None))
        x += width + GAP
    return boxes


def _stream_label(graph: Graph, name: str, lanes: int) -> str:
    """Bits that a stream carries in a clock cycle."""
    return f"{lanes * graph.types[name].element.bits} b"


def _arrow(start: tuple[int, int], end: tuple[int, int], label: str) -> Arrow:
    """Straight to the right; from the end of a row, down and back to the next one's start."""
    (x0, y0), (x1, y1) = start, end
    if y0 == y1:
        return Arrow(f"M{x0} {y0}H{x1 - 2}", label, (x0 + x1) // 2 - 2, y0 - 7)
    between = y1 - (BOX_HEIGHT + ROW_GAP) // 2
    path = f"M{x0} {y0}h18V{between}H{x1 - 26}V{y1}H{x1 - 2}"
    return Arrow(path, label, x0 + 18, y0 - 7)


def dataflow(graph: Graph, estimate: Estimate) -> Dataflow:
    """Lay out the picture of a network."""
    boxes = _place(graph, estimate)
    nodes = graph.hardware_nodes
    left = [(box.x, box.y + box.height // 2) for box in boxes]
    right = [(box.x + box.width, box.y + box.height // 2) for box in boxes]
    arrows = [
        _arrow((4, left[0][1]), left[0], _stream_label(graph, nodes[0].inputs[0], nodes[0].hardware.lanes_in))
    ]
    for index, node in enumerate(nodes):
        end = left[index + 1] if index + 1 < len(boxes) else (right[index][0] + GAP - 4, right[index][1])
        arrows.append(_arrow(right[index], end, _stream_label(graph, node.name, node.hardware.lanes_out)))
    height = max(box.y + box.height for box in boxes) + 14
    return Dataflow(PICTURE_WIDTH, height, tuple(boxes), tuple(arrows))
