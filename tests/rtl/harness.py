"""Stream driver for Amaranth's own simulator: random stalls on every port, reset in mid-stream."""

from __future__ import annotations

import random
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from hbnn_hw.backends.rtl.rom import concatenate
from hbnn_hw.graph import Graph
from hbnn_hw.streams import StreamEdge, input_edge, output_edge
from hbnn_hw.types import Planes

ENDLESS = 1 << 62
"""A number of words that is never reached."""


@dataclass
class Transfers:
    """Words that went through one port, and the cycle of each."""

    words: list[int] = field(default_factory=list)
    cycles: list[int] = field(default_factory=list)


@dataclass
class Run:
    """Words that came out of ``o``, and the cycle of every transfer."""

    outputs: list[int]
    input_cycles: list[int]
    output_cycles: list[int]


def pattern(seed: int | None) -> Iterator[bool]:
    """Always go without a seed; otherwise runs of going and stalling."""
    rng = random.Random(seed)
    while True:
        yield from [True] if seed is None else [rng.random() < 0.6] * rng.choice((1, 1, 1, 2, 3, 8))


class Source:
    """Offer words at a port; what was offered stays until it is taken."""

    def __init__(self, port: Any, words: Sequence[int], seed: int | None) -> None:
        self.port, self.words, self.pattern = port, words, pattern(seed)
        self.offering = False
        self.seen = Transfers()

    def act(self, ctx: Any) -> None:
        sent = len(self.seen.words)
        self.offering = sent < len(self.words) and (self.offering or next(self.pattern))
        ctx.set(self.port.valid, self.offering)
        ctx.set(self.port.payload, self.words[sent] if self.offering else 0)

    def observe(self, cycle: int, ready: int) -> None:
        if self.offering and ready:
            self.seen.words.append(self.words[len(self.seen.words)])
            self.seen.cycles.append(cycle)
            self.offering = False


class Sink:
    """Take words at a port, as many as ``count`` and then any that should not come."""

    def __init__(self, port: Any, count: int, seed: int | None) -> None:
        self.port, self.count, self.pattern = port, count, pattern(seed)
        self.taking, self.held = False, None
        self.seen = Transfers()

    @property
    def is_done(self) -> bool:
        return len(self.seen.words) >= self.count

    def act(self, ctx: Any) -> None:
        self.taking = next(self.pattern)
        ctx.set(self.port.ready, self.taking)

    def observe(self, cycle: int, valid: int, payload: int) -> None:
        if self.held is not None:
            assert (valid, payload) == (1, self.held), "a refused word must hold"
        self.held = payload if valid and not self.taking else None
        if valid and self.taking:
            self.seen.words.append(payload)
            self.seen.cycles.append(cycle)


def drive(
    unit: Any, words: Sequence[int], n_outputs: int, stall_seed: int | None = None, reset_after: int = 0
) -> Run:
    """Drive a unit with the ports ``i`` and ``o``: see :func:`drive_ports`."""
    seen = drive_ports(unit, {"i": words}, {"o": n_outputs}, stall_seed=stall_seed, reset_after=reset_after)
    return Run(seen["o"].words, seen["i"].cycles, seen["o"].cycles)


def drive_ports(
    unit: Any,
    words: Mapping[str, Sequence[int]],
    counts: Mapping[str, int],
    *,
    stall_seed: int | None = None,
    stalling: Container[str] | None = None,
    reset_after: int = 0,
) -> dict[str, Transfers]:
    """Send words to every input, collect ``counts`` words of every output; then watch for words too many.

    With ``stall_seed`` every port stalls by a pattern of its own, or only those named in ``stalling``.
    ``reset_after`` first sends words for so many cycles, resets, and starts over: nothing may remain.
    Returns the transfers of every port by name, counted from the start after the reset.
    """
    m = Module()
    m.domains.sync = domain = ClockDomain()
    m.submodules.unit = unit
    simulator = Simulator(m)
    simulator.add_clock(1e-9)
    names = [*words, *counts]
    stalling = names if stalling is None else stalling
    seeds = {
        name: stall_seed + at if stall_seed is not None and name in stalling else None
        for at, name in enumerate(names)
    }
    limit = 200 * (sum(map(len, words.values())) + sum(counts.values())) + 100_000
    seen: dict[str, Transfers] = {}

    def ends(endless: bool) -> tuple[list[Source], list[Sink]]:
        asked = dict.fromkeys(counts, ENDLESS) if endless else counts
        return (
            [Source(getattr(unit, name), words[name], seeds[name]) for name in words],
            [Sink(getattr(unit, name), asked[name], seeds[name]) for name in counts],
        )

    async def bench(ctx: Any) -> None:
        if reset_after:
            await _cycles(ctx, *ends(endless=True), range(reset_after))
            ctx.set(domain.rst, 1)
            await ctx.tick()
            ctx.set(domain.rst, 0)
        sources, sinks = ends(endless=False)
        cycle = await _cycles(ctx, sources, sinks, range(limit))
        for sink in sinks:
            sink.pattern, sink.count = pattern(None), ENDLESS
        await _cycles(ctx, [], sinks, range(cycle, cycle + 50))
        seen.update({name: end.seen for name, end in zip(names, [*sources, *sinks], strict=True)})

    simulator.add_testbench(bench)
    simulator.run()
    return seen


async def _cycles(ctx: Any, sources: list[Source], sinks: list[Sink], cycles: range) -> int:
    """Clock until all sinks have their words; return the next cycle."""
    signals = [source.port.ready for source in sources]
    signals += [signal for sink in sinks for signal in (sink.port.valid, sink.port.payload)]
    at = cycles.start
    for at in cycles:
        for end in (*sources, *sinks):
            end.act(ctx)
        _, _, *values = await ctx.tick().sample(*signals)
        found = iter(values)
        for source in sources:
            source.observe(at, next(found))
        for sink in sinks:
            sink.observe(at, next(found), next(found))
        if all(sink.is_done for sink in sinks):
            break
    for source in sources:
        ctx.set(source.port.valid, 0)
    return at + 1


def words_of(edge: StreamEdge, samples: np.ndarray) -> list[int]:
    """Join the elements (batch, n) of every beat without the padding of AXI lanes."""
    rows = samples.reshape(-1, edge.lanes).tolist()
    return [concatenate([(value, edge.element_bits) for value in row]) for row in rows]


def samples_of(edge: StreamEdge, words: Sequence[int]) -> np.ndarray:
    """Undo :func:`words_of`."""
    mask, sign = (1 << edge.element_bits) - 1, 1 << (edge.element_bits - 1)
    fields = [word >> (lane * edge.element_bits) & mask for word in words for lane in range(edge.lanes)]
    values = [value - 2 * (value & sign) if edge.signed else value for value in fields]
    return np.array(values, dtype=np.int64).reshape(-1, edge.elements)


def golden(graph: Graph, inputs: np.ndarray) -> np.ndarray:
    """Codes or integers (batch, n) that leave the accelerator, by the operators' plain meaning."""
    return edge_values(graph, inputs)[1]


def edge_values(graph: Graph, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What enters the accelerator for a batch, in the order of its stream, and what leaves it: (batch, n)."""
    values = dict(graph.trace(inputs))
    leaving = values[graph.hardware_output].data.astype(np.int64)
    if isinstance(graph.types[graph.hardware_output].element, Planes):
        leaving = np.tensordot(leaving, 1 << np.arange(leaving.shape[1]), axes=(1, 0))
    entering = values[graph.hardware_input].data.astype(np.int64)
    return entering.reshape(len(inputs), -1), leaving.reshape(len(inputs), -1)


def check_network(unit: Any, graph: Graph, inputs: np.ndarray, **options: Any) -> Run:
    """Run a graph's inputs through a unit and compare every output with golden."""
    source, sink = input_edge(graph), output_edge(graph)
    entering, leaving = edge_values(graph, inputs)
    run = drive(unit, words_of(source, entering), len(inputs) * sink.beats, **options)
    np.testing.assert_array_equal(samples_of(sink, run.outputs), leaving)
    return run
