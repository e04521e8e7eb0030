"""Buffers between stream units: a skid buffer that cuts the ready path, and a FIFO."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class SkidBuffer(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """One spare word behind a pipeline, so that the pipeline's ready is a register.

    Latency 0 while the consumer is ready, one word per clock. Area: ``width`` flip-flops and as many
    multiplexers. Without it the ready signal would run through all layers in one clock.

    Parameters
    ----------
    width
        Bits per word.
    """

    def __init__(self, width: int) -> None:
        word = stream.Signature(unsigned(width))
        super().__init__({"i": In(word), "o": Out(word)})

    def elaborate(self, platform: object) -> Module:
        """Build the buffer: the spare word is filled only when the consumer refuses."""
        m = Module()
        full = Signal()
        spare = Signal(self.i.payload.shape())
        m.d.comb += [
            self.i.ready.eq(~full),
            self.o.valid.eq(full | self.i.valid),
            self.o.payload.eq(Mux(full, spare, self.i.payload)),
        ]
        with m.If(~full):
            m.d.sync += [spare.eq(self.i.payload), full.eq(self.i.valid & ~self.o.ready)]
        with m.Elif(self.o.ready):
            m.d.sync += full.eq(0)
        return m


class StreamFifo(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """First-in first-out buffer in distributed RAM.

    Latency 1, one word per clock in and out. Area: ``depth * width`` bits of LUT RAM and two counters. Both
    handshakes come from registers.

    Parameters
    ----------
    width
        Bits per word.
    depth
        Words held, at least 2.
    """

    def __init__(self, width: int, depth: int) -> None:
        self.depth = depth
        word = stream.Signature(unsigned(width))
        super().__init__({"i": In(word), "o": Out(word)})

    def elaborate(self, platform: object) -> Module:
        """Build the memory, its two pointers and the fill level."""
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.i.payload.shape(), depth=self.depth, init=[])
        write, read = memory.write_port(), memory.read_port(domain="comb")
        level = Signal(range(self.depth + 1))
        put, get = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(level != self.depth),
            self.o.valid.eq(level != 0),
            put.eq(self.i.valid & self.i.ready),
            get.eq(self.o.valid & self.o.ready),
            write.en.eq(put),
            write.data.eq(self.i.payload),
            self.o.payload.eq(read.data),
        ]
        m.d.sync += level.eq(level + put - get)
        for pointer, moves in ((write.addr, put), (read.addr, get)):
            with m.If(moves):
                m.d.sync += pointer.eq(Mux(pointer == self.depth - 1, 0, pointer + 1))
        return m
