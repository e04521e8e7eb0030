"""Read-only memories with synchronous read."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class Rom(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """A table of words that is read with one clock of latency, so that block RAM can hold it.

    Latency 1, one read per clock while ``en`` is high; ``data`` holds while it is low. A table of one word
    becomes a constant.

    Parameters
    ----------
    width
        Bits per word.
    words
        The content; word ``i`` is read at address ``i``.
    """

    def __init__(self, width: int, words: Sequence[int]) -> None:
        self.words = list(words)
        address = In(range(len(self.words)))
        super().__init__({"en": In(1), "address": address, "data": Out(unsigned(width))})

    def elaborate(self, platform: object) -> Module:
        """Build the memory."""
        m = Module()
        if len(self.words) == 1:
            m.d.comb += self.data.eq(self.words[0])
            return m
        m.submodules.memory = memory = Memory(shape=self.data.shape(), depth=len(self.words), init=self.words)
        port = memory.read_port()
        m.d.comb += [port.addr.eq(self.address), port.en.eq(self.en), self.data.eq(port.data)]
        return m


def concatenate(fields: Sequence[tuple[int, int]]) -> int:
    """Join (value, width) fields into one word, the first in the least significant bits.

    Negative values are stored in two's complement.
    """
    word, at = 0, 0
    for value, width in fields:
        word |= (int(value) & ((1 << width) - 1)) << at
        at += width
    return word


def split(vector: Value, width: int) -> list[Value]:
    """Cut a signal into fields of equal width, least significant first."""
    return [vector[at : at + width] for at in range(0, len(vector), width)]


def register(m: Module, source: Value, enable: Value, name: str) -> Value:
    """Add a register that takes ``source`` at clocks with ``enable``; return its output."""
    stage = Signal(len(source), name=name)
    with m.If(enable):
        m.d.sync += stage.eq(source)
    return stage
