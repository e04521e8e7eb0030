"""Cycle-exact prediction of the RTL accelerator: interval, latency, and the time of every output beat.

The hardware is a chain of stream units without a global controller, so its timing follows from each unit's
own rule. Here every unit is a recurrence: offered a word at some cycle, it tells the cycle at which it takes
it, having pushed what follows from it to the next unit. No unit looks ahead, so the recurrences compose.

The pipeline depths below are the ones the components are built from (:mod:`hbnn_hw.backends.rtl`). Needs
neither Amaranth nor a simulator.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from hbnn_hw.folding import LUT_ROM_DEPTH
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Mvtu, WidthConverter
from hbnn_hw.streams import input_buffer_words, input_edge, sample_interval

FOLDED_DEPTH = 5
"""Clocks from a step's issue to its output beat: operands, counts, contribution, accumulator, output."""

BLOCK_ROM_STAGES = 1
"""Clocks more where the weights come from block RAM, whose output is slow and gets a register."""

UNROLLED_EDGE = 1
"""Clocks of an unrolled unit besides the stages of its logic, which end in the output register."""

ADD_DEPTH = 1
"""Clocks from a beat of the terms to that of their sums."""

CONCAT_DEPTH = 1
"""Clocks from a beat of an input to the same beat of the result."""

FORK_DEPTH = 0
"""Clocks from a beat to its offer to all readers."""

DECODE_DEPTH = 2
"""Clocks from planes to their numbers: operands, sums."""

THRESHOLD_DEPTH = 2
"""Clocks from integers to their codes: operands, comparisons."""

RESCALE_DEPTH = 4
"""Clocks from integers to those of another scale: operands, constants, product, sum."""

CONVERTER_DEPTH = 1
"""Clocks from the last input word that a regrouped word needs to that word."""

SHALLOW_WORDS = 64
"""Words of the deepest queue in distributed RAM, which is read in the same clock (RAM64X1D, UG474)."""

FIFO_LATENCY = 1
"""Clocks from a word's entry to its offer at the output of an empty queue in distributed RAM."""

DEEP_FIFO_LATENCY = 2
"""The same of a deeper queue, whose memory is read synchronously."""


class _Unit(ABC):
    """A stream unit in the chain."""

    @abstractmethod
    def push(self, offered: int) -> int:
        """Offer the next word from cycle ``offered`` on; return the cycle in which it is taken."""

    @abstractmethod
    def finish(self) -> None:
        """Let everything in flight leave."""


@dataclass(slots=True)
class _Sink(_Unit):
    """An always ready receiver that notes the arrival of every beat."""

    times: list[int] = field(default_factory=list)

    def push(self, offered: int) -> int:
        self.times.append(offered)
        return offered

    def finish(self) -> None:
        return


@dataclass(slots=True)
class _Collector(_Unit):
    """Narrow to wide: the last part of a word waits until the word before it has left; no other part does."""

    after: _Unit
    ratio: int
    count: int = 0
    taken: int = -1
    left: int = -1

    def push(self, offered: int) -> int:
        self.taken = max(offered, self.taken + 1)
        self.count += 1
        if self.count == self.ratio:
            self.count = 0
            self.taken = max(self.taken, self.left + 1)
            self.left = self.after.push(self.taken + CONVERTER_DEPTH)
        return self.taken

    def finish(self) -> None:
        self.after.finish()


@dataclass(slots=True)
class _Cutter(_Unit):
    """Wide to narrow: the next word may be taken in the cycle in which a skid buffer takes the last part.

    That is as soon as the part before has left the skid buffer, and the part itself leaves in the same cycle
    if it can.
    """

    after: _Unit
    ratio: int
    moved: int = 0
    left: int = -1

    def push(self, offered: int) -> int:
        taken = max(offered, self.moved)
        self.moved = taken + CONVERTER_DEPTH - 1
        for _ in range(self.ratio):
            self.moved = max(self.moved, self.left) + 1
            self.left = self.after.push(self.moved)
        return taken

    def finish(self) -> None:
        self.after.finish()


@dataclass(slots=True)
class _Fifo(_Unit):
    """A word enters once the word ``depth`` places before it has left in an earlier cycle."""

    after: _Unit
    depth: int
    latency: int
    taken: int = -1
    left: deque[int] = field(default_factory=deque)

    def push(self, offered: int) -> int:
        self.taken = max(offered, self.taken + 1)
        if len(self.left) == self.depth:
            self.taken = max(self.taken, self.left.popleft() + 1)
        previous = self.left[-1] if self.left else -1
        self.left.append(self.after.push(max(self.taken + self.latency, previous + 1)))
        return self.taken

    def finish(self) -> None:
        self.after.finish()


@dataclass(slots=True)
class _Pipeline(_Unit):
    """A matrix unit: steps issued one per clock, results ``depth`` clocks later, frozen when refused.

    ``runs`` holds, per sample, what lies between two points of interest: (steps to issue, whether the first
    of them takes a word from the stream, whether the last of them emits a result). A result that is refused
    at cycle v and leaves at cycle o freezes the pipeline in v + 1 … o.
    """

    after: _Unit
    depth: int
    runs: list[tuple[int, bool, bool]]
    at: int = 0
    free: int = 0
    in_flight: deque[int] = field(default_factory=deque)

    def push(self, offered: int) -> int:
        taken = self._issue(1, max(self.free, offered))
        while self.at < len(self.runs) and not self.runs[self.at][1]:
            steps = self.runs[self.at][0]
            self._issue(steps, self.free + steps - 1)
        self.at %= len(self.runs)
        return taken

    def _issue(self, steps: int, last: int) -> int:
        """Issue a run whose last step would come at cycle ``last`` without freezes; return when it does."""
        while self.in_flight and self.in_flight[0] < last:
            offered = self.in_flight.popleft()
            frozen = self.after.push(offered) - offered
            # Consecutive steps shift by the freeze; a single step that waited for its word moves behind it.
            last = last + frozen if steps > 1 else max(last, offered + frozen + 1)
            self.in_flight = deque(time + frozen for time in self.in_flight)
        if self.runs[self.at][2]:
            self.in_flight.append(last + self.depth)
        self.at += 1
        self.free = last + 1
        return last

    def finish(self) -> None:
        while self.in_flight:
            offered = self.in_flight.popleft()
            frozen = self.after.push(offered) - offered
            self.in_flight = deque(time + frozen for time in self.in_flight)
        self.after.finish()


def _runs(op: Mvtu) -> list[tuple[int, bool, bool]]:
    """Cut a unit's schedule behind every emitting step and around every reading step."""
    if op.scheduled_folding.unrolled:
        return [(1, True, True)]
    schedule = op.schedule()
    reads, emits = schedule.reads_stream, schedule.last_of_row_fold
    ends = np.flatnonzero(reads | emits | np.append(reads[1:], True))
    lengths = np.diff(ends, prepend=-1)
    return [
        (int(length), bool(reads[end]), bool(emits[end])) for length, end in zip(lengths, ends, strict=True)
    ]


def _unit(graph: Graph, node: Node, after: _Unit) -> _Unit:
    op = node.op
    if isinstance(op, WidthConverter) and op.lanes_from != op.lanes_to:
        if op.lanes_from < op.lanes_to:
            return _Collector(after, op.lanes_to // op.lanes_from)
        return _Cutter(after, op.lanes_from // op.lanes_to)
    if not isinstance(op, Mvtu):
        return after
    unit: _Unit = _Pipeline(after, matrix_depth(op), _runs(op))
    words = input_buffer_words(graph, node)
    latency = FIFO_LATENCY if words <= SHALLOW_WORDS else DEEP_FIFO_LATENCY
    return _Fifo(unit, words, latency) if words else unit


def matrix_depth(op: Mvtu) -> int:
    """Clocks from the last step of a row fold, or the vector of an unrolled unit, to its output beat."""
    if op.scheduled_folding.unrolled:
        return UNROLLED_EDGE + op.scheduled_folding.stages
    return FOLDED_DEPTH + (BLOCK_ROM_STAGES if op.place_cycles() > LUT_ROM_DEPTH else 0)


def arg_max_depth(lanes: int) -> int:
    """Clocks from the last scores to the class: operands, keys, the rounds among the lanes, the best."""
    return 3 + (lanes - 1).bit_length()


@dataclass(frozen=True, slots=True)
class BeatTimes:
    """Cycles of every transfer at the accelerator's edges, counted from the first input beat.

    Attributes
    ----------
    inputs, outputs
        Cycle of every input and output beat, in order.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def beat_times(graph: Graph, n_images: int) -> BeatTimes:
    """Predict when every beat is transferred if neither side ever waits.

    Parameters
    ----------
    graph
        A scheduled graph.
    n_images
        Samples sent without gaps.
    """
    sink = _Sink()
    chain: list[_Unit] = [sink]
    for node in reversed(graph.hardware_nodes):
        chain.append(_unit(graph, node, chain[-1]))
    inputs: list[int] = []
    for _ in range(n_images * input_edge(graph).beats):
        inputs.append(chain[-1].push(inputs[-1] + 1 if inputs else 0))
    chain[-1].finish()
    return BeatTimes(tuple(inputs), tuple(sink.times))


def latency_cycles(graph: Graph) -> int:
    """Clock cycles from the first input beat of a sample to its last output beat, without stalls."""
    return beat_times(graph, 1).outputs[-1]


def interval_cycles(graph: Graph) -> int:
    """Clock cycles between samples at full throughput."""
    return sample_interval(graph)
