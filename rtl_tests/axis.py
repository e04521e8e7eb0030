"""Reusable cocotb source and sink for valid/ready streams, with stall patterns.

Both act at the falling clock edge and look in the read-only phase after it, so the order of events at the
rising edge does not matter.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from cocotb.triggers import FallingEdge, ReadOnly


def always() -> Iterator[bool]:
    """Never stall."""
    while True:
        yield True


def stalls(seed: int) -> Iterator[bool]:
    """Go and stall in runs of random length."""
    rng = random.Random(seed)
    while True:
        yield from [rng.random() < 0.6] * rng.choice((1, 1, 1, 2, 3, 8))


class StreamSource:
    """Send words; once offered, a word stays until it is taken."""

    def __init__(self, clock, valid, ready, payload, pattern):
        self.clock, self.valid, self.ready, self.payload, self.pattern = clock, valid, ready, payload, pattern

    async def send(self, words):
        for word in words:
            while not next(self.pattern):
                self.valid.value = 0
                await FallingEdge(self.clock)
            self.valid.value, self.payload.value = 1, word
            await ReadOnly()
            while not int(self.ready.value):
                await FallingEdge(self.clock)
                await ReadOnly()
            await FallingEdge(self.clock)
        self.valid.value = 0


class StreamSink:
    """Take words and note the cycle of each; check that a refused word holds."""

    def __init__(self, clock, valid, ready, payload, pattern):
        self.clock, self.valid, self.ready, self.payload, self.pattern = clock, valid, ready, payload, pattern
        self.words: list[int] = []
        self.cycles: list[int] = []
        self.cycle = 0

    async def receive(self, count):
        held = None
        while len(self.words) < count:
            go = next(self.pattern)
            self.ready.value = int(go)
            await ReadOnly()
            shown = int(self.payload.value) if int(self.valid.value) else None
            assert held is None or shown == held, f"refused word {held} became {shown}"
            held = shown if not go else None
            if go and shown is not None:
                self.words.append(shown)
                self.cycles.append(self.cycle)
            self.cycle += 1
            await FallingEdge(self.clock)
        self.ready.value = 0
