"""AXI4-Stream edges of an accelerator: how samples become beats.

A beat holds ``lanes`` elements, each in a lane of ``lane_bits`` bits (8, 16 or 32, so that a DMA sees
plain little-endian arrays), lane 0 in the least significant bits. TLAST marks the last beat of a sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import GraphError, ShapeError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import EncodeBitPlanes, Mvtu, SlidingWindow, WidthConverter
from hbnn_hw.types import Bordered, Integers, Planes, TensorType

LANE_WIDTHS = (8, 16, 32)

SHIFT_REGISTER_WORDS = 16
"""Words of a queue that costs one LUT a bit, as the shallowest one does (7-series SRL16E, UG474)."""


@dataclass(frozen=True, slots=True)
class StreamEdge:
    """Layout of one AXI4-Stream edge.

    Attributes
    ----------
    elements
        Elements per sample.
    lanes
        Elements per beat.
    element_bits
        Significant bits of an element; the rest of its lane is its sign or zero extension.
    lane_bits
        Bits per lane: 8, 16 or 32.
    signed
        Whether elements are two's complement.
    """

    elements: int
    lanes: int
    element_bits: int
    lane_bits: int
    signed: bool

    @property
    def beats(self) -> int:
        """Beats per sample."""
        return self.elements // self.lanes

    @property
    def data_bits(self) -> int:
        """Width of TDATA."""
        return self.lanes * self.lane_bits

    @property
    def data_bytes(self) -> int:
        """Width of TDATA in bytes."""
        return self.data_bits // 8

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Numpy type of a lane, little-endian."""
        return np.dtype(f"<{'i' if self.signed else 'u'}{self.lane_bits // 8}")

    def to_beats(self, samples: NDArray[np.int64]) -> list[int]:
        """Pack samples (batch, elements) into beats, sample by sample."""
        flat = np.asarray(samples)
        if flat.ndim != 2 or flat.shape[1] != self.elements:
            raise ShapeError(
                f"the stream carries samples of {self.elements} elements, not an array of {flat.shape}"
            )
        octets = np.ascontiguousarray(flat.astype(self.dtype)).tobytes()
        step = self.data_bytes
        return [int.from_bytes(octets[at : at + step], "little") for at in range(0, len(octets), step)]

    def from_beats(self, beats: list[int]) -> NDArray[np.int64]:
        """Unpack beats into samples int64 (batch, elements)."""
        octets = b"".join(beat.to_bytes(self.data_bytes, "little") for beat in beats)
        return np.frombuffer(octets, dtype=self.dtype).reshape(-1, self.elements).astype(np.int64)


def beat_bits(value: TensorType, lanes: int) -> int:
    """Width in bits of a beat inside the accelerator that carries ``lanes`` elements of a value."""
    mark = 1 if isinstance(value.element, Bordered) else 0
    return lanes * value.element.bits + mark


def _edge(value: TensorType, lanes: int) -> StreamEdge:
    element = value.element
    if isinstance(element, Planes):
        if element.scales != tuple(1 << p for p in range(element.n_planes)):
            raise GraphError(f"only uniform codes can cross the edge, not planes of scales {element.scales}")
        width, signed = element.n_planes, False
    elif isinstance(element, Integers):
        width, signed = element.bits, element.signed
    else:
        raise GraphError("real values cannot cross the accelerator's edge")
    lane_bits = next((bits for bits in LANE_WIDTHS if bits >= width), None)
    if lane_bits is None:
        raise GraphError(f"an element of {width} bits does not fit a lane of {LANE_WIDTHS[-1]} bits")
    return StreamEdge(value.n_elements, lanes, width, lane_bits, signed)


def input_edge(graph: Graph) -> StreamEdge:
    """Layout of the accelerator's input stream: the graph's input codes."""
    return _edge(graph.types[graph.hardware_input], graph.hardware_nodes[0].hardware.lanes_in)


def output_edge(graph: Graph) -> StreamEdge:
    """Layout of the accelerator's output stream: the value of the last hardware node."""
    last = graph.hardware_nodes[-1]
    return _edge(graph.types[last.name], last.hardware.lanes_out)


def sample_interval(graph: Graph) -> int:
    """Clock cycles between samples at full throughput: the slowest node's."""
    return max(node_cycles(graph).values())


def node_cycles(graph: Graph) -> dict[str, int]:
    """Clock cycles per sample of every hardware node, by name."""
    return dict(graph.cycles)


def input_buffer_words(graph: Graph, node: Node, place_cycles: int | None = None) -> int:
    """Words of the queue in front of a unit, 0 for none.

    A folded unit takes its whole vector during its first pass and nothing afterwards, while the layer before
    it delivers beat by beat through its whole interval. One vector's words in between decouple the two;
    without them the intervals of neighbours would add instead of the slower one setting the pace. The
    first unit needs none where the encoder feeds it directly: the outside stream can deliver a word per
    clock. A sliding window likewise waits for its first rows at the pace of the layer before it, unless a
    queue has taken them in while it was busy with the image before.

    ``place_cycles`` are those of the unit, where they are known already.
    """
    if isinstance(node.op, SlidingWindow):
        return _fill_words(graph, node, node.op)
    words = vector_words(graph, node)
    if not words or not isinstance(node.op, Mvtu):
        return 0
    window = _window_before(graph, node)
    if window is None:
        return words
    return words * (2 + _vectors_during_fill(graph, node.op, window, place_cycles or node.op.place_cycles()))


def vector_words(graph: Graph, node: Node) -> int:
    """Words of a vector that wait in front of a folded unit, 0 where none need to."""
    op = node.op
    if not isinstance(op, Mvtu) or op.scheduled_folding.unrolled:
        return 0
    words = op.weights.columns // op.scheduled_folding.simd
    fed_by_encoder = any(
        isinstance(other.op, EncodeBitPlanes) and other.name in map(graph.producer, node.inputs)
        for other in graph.nodes
    )
    return 0 if words == 1 or fed_by_encoder else words


def _window_before(graph: Graph, node: Node) -> Node | None:
    """Return the sliding window whose words a unit reads, through a converter or not; None without one."""
    source = graph.producer(node.inputs[0])
    before = next((other for other in graph.hardware_nodes if other.name == source), None)
    if before is None or isinstance(before.op, SlidingWindow):
        return before
    return _window_before(graph, before) if isinstance(before.op, WidthConverter) else None


def _vectors_during_fill(graph: Graph, op: Mvtu, window: Node, place_cycles: int) -> int:
    """Vectors that a unit uses up while the window in front of it takes the first rows of an image."""
    assert isinstance(window.op, SlidingWindow)
    source = graph.source_type(window)
    # The lanes that the schedule gives the window: it may not have them yet.
    lanes = gcd(op.spread * op.group_inputs, op.lanes_in)
    fill = window.op.spans[0] * source.shape[1] * source.shape[2] // lanes
    return -(-fill // place_cycles)


def _fill_words(graph: Graph, node: Node, op: SlidingWindow) -> int:
    """Words of a window's first rows, or what a shift register holds if the layer has the time to wait."""
    source, interval = graph.source_type(node), sample_interval(graph)
    readers = (reader for reader, _ in graph.readers(node))
    of_readers = (reader.hardware.cycles(*graph.input_types(reader)) for reader in readers)
    busy = max([op.cycles(source), *of_readers])
    words = max(op.spans[0], op.stride[0]) * op.row_beats(source)
    waits = busy + interval * op.spans[0] // source.shape[0] <= interval
    return min(words, SHIFT_REGISTER_WORDS) if waits else words
