"""A queue that is deep enough for block RAM: synchronous read, still a word per clock."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.stream_buffers import StreamFifo
from hbnn_hw.timing import SHALLOW_WORDS


class DeepFifo(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """First-in first-out buffer in a memory with synchronous read.

    The word that leaves next is read in every clock, so that it stands at the memory's output when it is
    asked for. It is valid if it had been written before that read began; a word that enters an empty buffer
    therefore shows up one clock later than in distributed RAM.

    Latency 2 (``timing.DEEP_FIFO_LATENCY``), one word per clock in and out without bubbles. Both handshakes
    come from registers. Area: ``depth * width`` bits of block RAM, two pointers and the fill level; 1024
    words of 18 bits are one RAMB18, 28 LUTs and 32 flip-flops (Yosys, xc7).

    Parameters
    ----------
    width
        Bits per word.
    depth
        Words held, at least 3: fewer cannot cover the latency.
    """

    def __init__(self, width: int, depth: int) -> None:
        self.depth = depth
        word = stream.Signature(unsigned(width))
        super().__init__({"i": In(word), "o": Out(word)})

    def elaborate(self, platform: object) -> Module:
        """Build the memory, its two pointers and the fill level."""
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.i.payload.shape(), depth=self.depth, init=[])
        write, read = memory.write_port(), memory.read_port()
        level = Signal(range(self.depth + 1))
        head = Signal(range(self.depth))
        put, get = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(level != self.depth),
            put.eq(self.i.valid & self.i.ready),
            get.eq(self.o.valid & self.o.ready),
            write.en.eq(put),
            write.data.eq(self.i.payload),
            read.en.eq(1),
            read.addr.eq(Mux(get, self._next(head), head)),
            self.o.payload.eq(read.data),
        ]
        m.d.sync += [level.eq(level + put - get), head.eq(read.addr), self.o.valid.eq(level != get)]
        with m.If(put):
            m.d.sync += write.addr.eq(self._next(write.addr))
        return m

    def _next(self, pointer: Value) -> Value:
        return Mux(pointer == self.depth - 1, 0, pointer + 1)


def queue(width: int, depth: int) -> StreamFifo | DeepFifo:
    """Return the queue of a stream: distributed RAM up to ``timing.SHALLOW_WORDS`` words."""
    return StreamFifo(width, depth) if depth <= SHALLOW_WORDS else DeepFifo(width, depth)
