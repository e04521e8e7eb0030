"""All foldings of a layer that the tools can build, each with its cycles and its area.

A matrix unit's folding decides about its surroundings as well: the sliding window in front of it works at the
greatest common divisor of a pixel's channels and the unit's beat, and what follows it takes its PE lanes. A
candidate counts these with the unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from math import gcd, lcm

import numpy as np

from hbnn_hw.errors import FoldingError
from hbnn_hw.estimate.area import Features, area, node_features
from hbnn_hw.estimate.area import mvtu as mvtu_area
from hbnn_hw.estimate.area import width_converter as converter_area
from hbnn_hw.folding import Folding, check_folding, legal_pe, spread
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import (
    HardwareOp,
    Mvtu,
    Pad,
    PadPlanes,
    SlidingWindow,
    StreamOp,
    WidthConverter,
)
from hbnn_hw.passes import LayerFolding
from hbnn_hw.passes.schedule import WORD_BITS, legal_simd, unrolled_folding
from hbnn_hw.search.budget import Resources, resources
from hbnn_hw.step_counts import StepCounts
from hbnn_hw.streams import beat_bits, input_buffer_words
from hbnn_hw.types import TensorType

PARTITION_LIMIT = 1024
"""Most elements of an array in registers: the HLS tools' limit (Vivado HLS error XFORM 203-103)."""

RAM_BUFFER_FOLDS = 32
"""Most column folds whose input buffer is in registers anyway; see :mod:`hbnn_hw.backends.hls.mvtu`."""

CONVERTER_LUTS = 200
"""LUTs that a width converter counts beside its own: each is one more loop, stream and latency to have."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One folding of one layer.

    Attributes
    ----------
    folding
        PE and SIMD.
    entry_lanes
        Elements a beat at which the layer, or the window in front of it, takes its input.
    cycles
        Clock cycles per sample of the slowest of the unit and what is in front of it.
    needs
        Resources of the unit, what is in front of it, and what follows it at its PE lanes.
    """

    folding: Folding
    entry_lanes: int
    cycles: int
    needs: Resources


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One matrix unit with its candidates.

    Attributes
    ----------
    node
        The unit.
    entry
        Type of the value that it, or the window in front of it, takes.
    counts
        Steps of the unit by folding.
    candidates
        Foldings that the tools can build.
    """

    node: Node
    entry: TensorType
    counts: StepCounts
    candidates: tuple[Candidate, ...]


def upstream(graph: Graph, node: Node, *kinds: type[HardwareOp]) -> Node | None:
    """Return the operator whose stream a node reads first, if it is of one of the kinds."""
    name = graph.producer(node.inputs[0])
    found = next((other for other in graph.hardware_nodes if other.name == name), None)
    return found if found and isinstance(found.op, kinds) else None


def converter_needs(value: TensorType, lanes_from: int, lanes_to: int, limit: float) -> Resources | None:
    """Resources that connect two beat widths: none, one converter, or two; None if they are too slow."""
    total = np.zeros(4)
    if lanes_from == lanes_to:
        return total
    ends = [lanes_from, lanes_to]
    if max(ends) % min(ends):
        between = lcm(*ends)
        if beat_bits(value, between) > WORD_BITS or value.n_elements % between:
            between = gcd(*ends)
        ends.insert(1, between)
    for first, second in pairwise(ends):
        if value.n_elements // min(first, second) > limit:
            return None
        op = WidthConverter(lanes_from=first, lanes_to=second)
        total += resources(area(converter_area.features(op, value)))
        total[0] += CONVERTER_LUTS
    return total


@dataclass(frozen=True, slots=True, eq=False)
class _Surroundings:
    """A unit, the window and frame in front of it, and the operators behind it."""

    graph: Graph
    node: Node
    op: Mvtu
    window: Node | None
    frame: Node | None
    behind: tuple[Node, ...]

    @classmethod
    def of(cls, graph: Graph, node: Node, behind: tuple[Node, ...]) -> _Surroundings:
        assert isinstance(node.op, Mvtu)
        window = upstream(graph, node, SlidingWindow)
        frame = upstream(graph, window or node, Pad, PadPlanes)
        return cls(graph, node, node.op, window, frame, behind)

    @property
    def entry(self) -> TensorType:
        """Type of the value that the first of them takes."""
        return self.graph.source_type(self.frame or self.window or self.node)

    def front(self, lanes_in: int, spread_groups: int) -> tuple[list[tuple[Node, HardwareOp]], int]:
        """Return the operators in front with their lanes, and the lanes of the stream that they take."""
        ops: list[tuple[Node, HardwareOp]] = []
        lanes = lanes_in
        if self.window is not None:
            assert isinstance(self.window.op, SlidingWindow)
            block = spread_groups * self.op.group_inputs
            lanes = gcd(block, lanes_in)
            ops.append((self.window, replace(self.window.op, block=block, lanes=lanes)))
        if self.frame is not None and self.graph.types[self.frame.name].shape[-1] % lanes == 0:
            assert isinstance(self.frame.op, StreamOp)
            ops.append((self.frame, replace(self.frame.op, lanes=lanes)))
        return ops, lanes

    def needs(self, ops: list[tuple[Node, HardwareOp]]) -> Resources:
        """Resources of operators with their lanes."""
        total = np.zeros(4)
        for node, op in ops:
            total += resources(area(node_features(self.graph, Node(node.name, op, node.inputs))))
        return total

    def followers(self, pe: int) -> list[tuple[Node, HardwareOp]]:
        """Return the operators behind at the unit's lanes, as far as these divide their channels."""
        found: list[tuple[Node, HardwareOp]] = []
        for node in self.behind:
            values = (*self.graph.input_types(node), self.graph.types[node.name])
            if isinstance(node.op, StreamOp) and gcd(*(value.shape[-1] for value in values)) % pe == 0:
                found.append((node, replace(node.op, lanes=pe)))
        return found


def _asked(graph: Graph, node: Node, op: Mvtu, asked: LayerFolding | None) -> Iterator[Folding]:
    """Yield the legal foldings, or those of them that the user asks for."""
    rows = op.weights.rows
    unrolled = unrolled_folding(node.name, op, asked)
    if unrolled:
        yield unrolled
        return
    if asked:
        check_folding(node.name, op.weights, Folding(asked.pe or 1, asked.simd or 1), op.groups)
    of_layer = legal_simd(graph, node)
    for pe in legal_pe(rows, op.groups):
        at_once = spread(Folding(pe, 1), rows, op.groups)
        for simd in of_layer if at_once == 1 else [op.group_inputs]:
            if asked and ((asked.pe or pe) != pe or (asked.simd or simd) != simd):
                continue
            yield Folding(pe, simd)


def _fits_tools(unit: mvtu_area.Unit, folding: Folding, steps: mvtu_area.Steps, lanes_in: int) -> bool:
    """Whether words and partitioned arrays are within the HLS tools' limits."""
    levels = unit.op.thresholds.levels if unit.op.thresholds else 1
    words = (lanes_in * unit.input_planes + unit.mark_bits, folding.pe * unit.output_bits)
    in_registers = steps.column_folds > RAM_BUFFER_FOLDS and not steps.is_regular
    groups = lanes_in // folding.simd
    buffer = steps.column_folds * groups * unit.input_planes if in_registers else 0
    return max(words) <= WORD_BITS and max(folding.pe, folding.pe * levels, buffer) <= PARTITION_LIMIT


def _candidate(
    around: _Surroundings, unit: mvtu_area.Unit, counts: StepCounts, folding: Folding
) -> Candidate | None:
    op, source = around.op, around.graph.source_type(around.node)
    groups = spread(folding, op.weights.rows, op.groups)
    lanes_in = folding.simd * groups
    n_steps = 1 if folding.unrolled else counts.steps(folding)
    if not _fits_tools(unit, folding, mvtu_area.Steps.of(op, folding, n_steps), lanes_in):
        return None
    front, entry_lanes = around.front(lanes_in, groups)
    cycles = [op.places(source) * n_steps]
    cycles += [ahead.cycles(*around.graph.input_types(node)) for node, ahead in front]
    needs = resources(area(_unit_features(around, unit, folding, n_steps)))
    needs += around.needs(front) + around.needs(around.followers(folding.pe))
    if around.window is not None:
        joined = converter_needs(source, entry_lanes, lanes_in, np.inf)
        assert joined is not None
        needs += joined
        if entry_lanes != lanes_in:
            cycles.append(source.n_elements // min(entry_lanes, lanes_in))
    return Candidate(folding, entry_lanes, max(cycles), needs)


def _unit_features(around: _Surroundings, unit: mvtu_area.Unit, folding: Folding, n_steps: int) -> Features:
    if folding.unrolled:
        return mvtu_area.unrolled(unit, folding.stages)
    folded = Node(around.node.name, replace(around.op, folding=folding), around.node.inputs)
    return mvtu_area.bound(unit, folding, n_steps, input_buffer_words(around.graph, folded, n_steps))


def layer_of(graph: Graph, node: Node, behind: tuple[Node, ...], asked: LayerFolding | None) -> Layer:
    """Make all candidates of a matrix unit.

    Parameters
    ----------
    graph
        Operators on streams, not scheduled.
    node
        The unit.
    behind
        Operators that take its lanes.
    asked
        What the user asks for this layer.

    Raises
    ------
    FoldingError
        If nothing that is asked for can be built.
    """
    around = _Surroundings.of(graph, node, behind)
    unit = mvtu_area.Unit.of(around.op, graph.source_type(node))
    counts = StepCounts(around.op.weights, around.op.groups)
    made = (_candidate(around, unit, counts, folding) for folding in _asked(graph, node, around.op, asked))
    candidates = tuple(candidate for candidate in made if candidate)
    if not candidates:
        raise FoldingError(
            f"layer '{node.name}': no folding that is asked for fits the HLS tools' words of {WORD_BITS} "
            f"bits and arrays of {PARTITION_LIMIT} elements; ask for other PE and SIMD"
        )
    return Layer(node, around.entry, counts, candidates)
