"""Stream driver for Amaranth's own simulator: random stalls on both sides, reset in mid-stream."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from hbnn_hw.backends.rtl.rom import concatenate
from hbnn_hw.graph import Graph
from hbnn_hw.streams import StreamEdge, input_edge, output_edge


@dataclass
class Run:
    """Words that came out, and the cycle of every transfer."""

    outputs: list[int] = field(default_factory=list)
    input_cycles: list[int] = field(default_factory=list)
    output_cycles: list[int] = field(default_factory=list)


def pattern(seed: int | None) -> Iterator[bool]:
    """Always go without a seed; otherwise runs of going and stalling."""
    rng = random.Random(seed)
    while True:
        yield from [True] if seed is None else [rng.random() < 0.6] * rng.choice((1, 1, 1, 2, 3, 8))


def drive(
    unit: Any, words: Sequence[int], n_outputs: int, stall_seed: int | None = None, reset_after: int = 0
) -> Run:
    """Send words, collect ``n_outputs``; then watch for words too many.

    ``reset_after`` first sends words for so many cycles, resets, and starts over: nothing may remain.
    """
    m = Module()
    m.domains.sync = domain = ClockDomain()
    m.submodules.unit = unit
    simulator = Simulator(m)
    simulator.add_clock(1e-9)
    run = Run()
    limit = 200 * (len(words) + n_outputs) + 100_000

    async def bench(ctx: Any) -> None:
        if reset_after:
            await _cycles(ctx, unit, list(words), reset_after, Run(), stall_seed)
            ctx.set(domain.rst, 1)
            await ctx.tick()
            ctx.set(domain.rst, 0)
        await _cycles(ctx, unit, list(words), limit, run, stall_seed, n_outputs)
        await _cycles(ctx, unit, [], 50, run, None)

    simulator.add_testbench(bench)
    simulator.run()
    return run


async def _cycles(
    ctx: Any, unit: Any, words: list[int], n_cycles: int, run: Run, seed: int | None, n_outputs: int = -1
) -> None:
    send, take = pattern(seed), pattern(None if seed is None else seed + 1)
    offering, sent, held = False, 0, None
    for cycle in range(n_cycles):
        offering = sent < len(words) and (offering or next(send))
        taking = next(take)
        ctx.set(unit.i.valid, offering)
        ctx.set(unit.i.payload, words[sent] if offering else 0)
        ctx.set(unit.o.ready, taking)
        _, _, ready, valid, payload = await ctx.tick().sample(unit.i.ready, unit.o.valid, unit.o.payload)
        if held is not None:
            assert (valid, payload) == (1, held), "a refused word must hold"
        held = payload if valid and not taking else None
        if offering and ready:
            run.input_cycles.append(cycle)
            sent, offering = sent + 1, False
        if valid and taking:
            run.outputs.append(payload)
            run.output_cycles.append(cycle)
            if len(run.outputs) == n_outputs:
                break
    ctx.set(unit.i.valid, 0)


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
    data = dict(graph.trace(inputs))[graph.hardware_output].data
    if data.ndim == 2:
        return data.astype(np.int64)
    return np.tensordot(data.astype(np.int64), 1 << np.arange(data.shape[1]), axes=(1, 0))


def check_network(unit: Any, graph: Graph, inputs: np.ndarray, **options: Any) -> Run:
    """Run a graph's inputs through a unit and compare every output with golden."""
    source, sink = input_edge(graph), output_edge(graph)
    run = drive(unit, words_of(source, inputs), len(inputs) * sink.beats, **options)
    np.testing.assert_array_equal(samples_of(sink, run.outputs), golden(graph, inputs))
    return run
