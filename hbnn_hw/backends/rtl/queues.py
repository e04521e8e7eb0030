"""How deep the queues between units are: what the IR asks for, and what units that pause ask on top.

A window that shows its last places, and a frame while it is written, take nothing for a while. What comes in
that time has to wait somewhere, or the unit that gives it stops; if that is the slowest of the network, its
interval would grow. Where all units before have the time to stop, nothing is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import numpy as np

from hbnn_hw.buffering import MARGIN, SHALLOW, stream_depths
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Pad, PadPlanes, SlidingWindow, WidthConverter
from hbnn_hw.streams import input_buffer_words, sample_interval


def queue_words(graph: Graph) -> dict[tuple[str, int], int]:
    """Words of the queue in front of every input of every unit, by node and position; 0 for none.

    Two words are what the units' own registers hold (:data:`hbnn_hw.buffering.SHALLOW`), unless a vector of
    two words has to wait there.
    """
    nodes = {node.name: node for node in graph.hardware_nodes}
    slowest = _slowest_before(graph)
    words = {}
    for place, depth in stream_depths(graph).items():
        node = nodes[place[0]]
        least = depth if depth > SHALLOW else input_buffer_words(graph, node)
        words[place] = max(least, _words_of_a_pause(graph, node, slowest))
    return words


def _slowest_before(graph: Graph) -> dict[str, int]:
    """Clocks per sample of the slowest unit in front of every unit; 0 where there is none."""
    slowest: dict[str, int] = {}
    for node in graph.hardware_nodes:
        before = [name for name in map(graph.producer, node.inputs) if name in slowest]
        slowest[node.name] = max((max(slowest[name], graph.cycles[name]) for name in before), default=0)
    return slowest


def _words_of_a_pause(graph: Graph, node: Node, slowest: Mapping[str, int]) -> int:
    """Return the words that come while a unit takes nothing, 0 if those before it may stop for so long."""
    interval = sample_interval(graph)
    match node.op:
        case SlidingWindow():
            pause = _pause_of_window(graph, node, node.op)
            words = _words_of_next_image(graph, node, node.op, pause)
        case Pad() | PadPlanes():
            pause = _pause_of_frame(graph, node)
            words = _words_during(graph, node, pause)
        case _:
            return 0
    return words if words > 1 and slowest[node.name] + pause > interval else 0


def _words_during(graph: Graph, node: Node, clocks: int) -> int:
    """Return the words that may come in some clocks: at twice the mean pace, as from a pooling of 2 × 2."""
    words = graph.source_type(node).n_elements // node.hardware.lanes_in
    return 2 * clocks * words // sample_interval(graph) + 1


def _pause_of_frame(graph: Graph, node: Node) -> int:
    """Clocks in which a frame is written and nothing is taken: most below one image and above the next."""
    (reads,) = node.hardware.reads(*graph.input_types(node))
    taking = np.flatnonzero(np.diff(reads, prepend=0))
    return int(np.diff(taking, append=taking[0] + len(reads)).max()) - 1


def _pause_of_window(graph: Graph, node: Node, op: SlidingWindow) -> int:
    """Clocks in which a window shows places and has all rows of their image already."""
    source, (_, bottom) = graph.source_type(node), _frame_rows(graph, node)
    place_rows = op.sides(source)[0]
    first_of_last = max(0, -(-(source.shape[0] - bottom - op.spans[0]) // op.stride[0]))
    busy = max(graph.cycles[name] for name in (node.name, *_readers(graph, node)))
    return ceil(max(0, place_rows - first_of_last) * busy / place_rows)


def _words_of_next_image(graph: Graph, node: Node, op: SlidingWindow, pause: int) -> int:
    """Return the words of the next image that come during a window's pause.

    Its memory keeps no more rows than the places need, so the next image waits in front of it: the frame
    above that, which nothing holds up, and the rows that the layer before it gives at the schedule's pace.
    """
    source, (top, bottom) = graph.source_type(node), _frame_rows(graph, node)
    rows = top + (source.shape[0] - top - bottom) * pause / sample_interval(graph)
    return ceil(op.row_beats(source) * rows) + MARGIN


def _frame_rows(graph: Graph, node: Node) -> tuple[int, int]:
    """Rows (top, bottom) of the frame that a window's image has."""
    name = graph.producer(node.inputs[0])
    frame = next((other.op for other in graph.hardware_nodes if other.name == name), None)
    return (frame.padding[0], frame.padding[1]) if isinstance(frame, Pad | PadPlanes) else (0, 0)


def _readers(graph: Graph, node: Node) -> list[str]:
    """Names of the units that a window's words reach, converters between left out."""
    names = []
    for reader, _ in graph.readers(node):
        names += _readers(graph, reader) if isinstance(reader.op, WidthConverter) else [reader.name]
    return names
