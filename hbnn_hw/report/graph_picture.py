"""Picture of an IR graph: nodes as boxes from top to bottom, one row a step, branches side by side."""

from __future__ import annotations

from dataclasses import dataclass

from hbnn_hw.graph import Graph, Node, type_text
from hbnn_hw.inspection import sums_of, weights_of, window_text
from hbnn_hw.ops import Convolution
from hbnn_hw.templating import render

BOX_WIDTH, LINE_HEIGHT = 280, 16
GAP, ROW_GAP, LANE = 34, 40, 14
MARGIN = 16
CHARACTERS = 44


@dataclass(frozen=True, slots=True)
class Box:
    """One value: rectangle [px], title, and lines of text."""

    x: int
    y: int
    height: int
    title: str
    lines: tuple[str, ...]
    has_weights: bool

    @property
    def middle(self) -> int:
        """Horizontal middle."""
        return self.x + BOX_WIDTH // 2

    @property
    def bottom(self) -> int:
        """Lower edge."""
        return self.y + self.height


@dataclass(frozen=True, slots=True)
class GraphPicture:
    """The picture: size [px], boxes, and one SVG path for each input of each node."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    arrows: tuple[str, ...]


def _fitting(text: str) -> str:
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 1] + "…"


def box_text(graph: Graph, node: Node) -> tuple[str, ...]:
    """Return the lines of a node: operator, type of its value, weights and the range of their sums."""
    element, weights = graph.types[node.name].element, weights_of(node)
    lines = [type(node.op).__name__, type_text(graph.types[node.name])]
    if isinstance(node.op, Convolution):
        lines.insert(1, window_text(node.op))
    if weights is not None:
        lines.append(f"{weights.rows} × {weights.columns} weights of {weights.average_bits():.2f} bits")
        if weights.encoding is not None:
            lines.append(f"stored in {weights.stored_average_bits():.2f} bits")
    if (sums := sums_of(graph, node)) is not None and sums != element:
        lines.append(f"sums {sums.low}…{sums.high}")
    return tuple(map(_fitting, lines))


def _steps(graph: Graph) -> dict[str, int]:
    """Return the row of every value: one below the lowest of its inputs."""
    steps = {graph.input_name: 0}
    for node in graph.nodes:
        steps[node.name] = 1 + max((steps[name] for name in node.inputs), default=0)
    return steps


def _columns(graph: Graph, steps: dict[str, int]) -> dict[str, int]:
    """Return the place of every value in its row: below its first input where that is free."""
    columns = {graph.input_name: 0}
    first_free: dict[int, int] = {}
    for node in graph.nodes:
        wanted = min((columns[name] for name in node.inputs), default=0)
        column = max(wanted, first_free.get(steps[node.name], 0))
        columns[node.name] = column
        first_free[steps[node.name]] = column + 1
    return columns


def _boxes(graph: Graph, steps: dict[str, int]) -> dict[str, Box]:
    texts: dict[str, tuple[str, ...]] = {graph.input_name: ("input", type_text(graph.input_type))}
    texts |= {node.name: box_text(graph, node) for node in graph.nodes}
    with_weights = {node.name for node in graph.nodes if weights_of(node) is not None}
    heights = {name: (len(lines) + 1) * LINE_HEIGHT + 12 for name, lines in texts.items()}
    tops = [MARGIN]
    for step in range(max(steps.values()) + 1):
        tallest = max(heights[name] for name, at in steps.items() if at == step)
        tops.append(tops[-1] + tallest + ROW_GAP)
    columns = _columns(graph, steps)
    return {
        name: Box(
            MARGIN + columns[name] * (BOX_WIDTH + GAP),
            tops[steps[name]],
            heights[name],
            _fitting(name),
            lines,
            name in with_weights,
        )
        for name, lines in texts.items()
    }


def _lanes(edges: list[tuple[str, str]], steps: dict[str, int]) -> dict[tuple[str, str], int]:
    """Give every edge that passes a row a lane beside the boxes; lanes are used again further down."""
    lanes: dict[tuple[str, str], int] = {}
    free_from: list[int] = []
    for source, target in sorted(edges, key=lambda edge: steps[edge[0]]):
        if steps[target] - steps[source] < 2 or (source, target) in lanes:
            continue
        lane = next((i for i, row in enumerate(free_from) if row <= steps[source]), len(free_from))
        free_from[lane : lane + 1] = [steps[target]]
        lanes[source, target] = lane
    return lanes


def _arrow(source: Box, target: Box, number: int, lane: int | None) -> str:
    """Straight down or around a corner, the inputs of a node side by side; on a lane beside all boxes."""
    start, end = f"M{source.middle} {source.bottom}", f"V{target.y - 2}"
    entry = min(target.middle + number * LANE, target.x + BOX_WIDTH - LANE)
    if lane is not None:
        return f"{start}V{source.bottom + 8}H{lane}V{target.y - 18}H{entry}{end}"
    if source.middle == entry:
        return f"{start}{end}"
    return f"{start}V{target.y - 18}H{entry}{end}"


def graph_picture(graph: Graph) -> GraphPicture:
    """Lay out the picture of any graph, captured or lowered, with branches or without."""
    steps = _steps(graph)
    boxes = _boxes(graph, steps)
    edges = [(source, node.name, i) for node in graph.nodes for i, source in enumerate(node.inputs)]
    lanes = _lanes([(source, target) for source, target, _ in edges], steps)
    right = max(box.x for box in boxes.values()) + BOX_WIDTH
    arrows = tuple(
        _arrow(
            boxes[source],
            boxes[target],
            number,
            right + (lanes[source, target] + 1) * LANE if (source, target) in lanes else None,
        )
        for source, target, number in edges
    )
    width = right + (max(lanes.values(), default=-1) + 1) * LANE + MARGIN
    height = max(box.bottom for box in boxes.values()) + MARGIN
    return GraphPicture(width, height, tuple(boxes.values()), arrows)


def graph_svg(graph: Graph) -> str:
    """Draw a graph as an SVG file of its own; the same graph gives the same text."""
    values = {"picture": graph_picture(graph), "name": graph.name, "box_width": BOX_WIDTH}
    return render("report/graph.svg.j2", values | {"line_height": LINE_HEIGHT})
