"""Last stage of a pipeline: a register, and what lets the pipeline stop without a path from the far ready."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.stream_buffers import SkidBuffer


class OutputRegister(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """A register behind which words wait; the pipeline before it moves while ``i.ready`` is high.

    Latency 1, one word per clock. ``i.ready`` comes from a register: it falls in the clock after a word was
    refused and rises in the clock after that word has left. Area: two words of flip-flops and a multiplexer
    each, ``width`` LUT3; of ``spaced`` words one word of flip-flops, since no second one can come
    in the clock in which the refusal is noticed.

    Parameters
    ----------
    width
        Bits per word.
    spaced
        Whether words never come at two clocks with ``i.ready`` after one another.
    """

    def __init__(self, width: int, *, spaced: bool = False) -> None:
        self.spaced = spaced
        word = stream.Signature(unsigned(width))
        super().__init__({"i": In(word), "o": Out(word)})

    def elaborate(self, platform: object) -> Module:
        """Build the register; words that are not spaced need a spare one behind it."""
        m = Module()
        word = Signal(len(self.i.payload))
        full = Signal()
        advance = self.i.ready
        if not self.spaced:
            m.submodules.skid = skid = SkidBuffer(len(word))
            m.d.comb += [skid.i.payload.eq(word), skid.i.valid.eq(full), advance.eq(skid.i.ready)]
            with m.If(advance):
                m.d.sync += [word.eq(self.i.payload), full.eq(self.i.valid)]
            wiring.connect(m, skid.o, wiring.flipped(self.o))
            return m
        refused = Signal()
        m.d.comb += [self.o.payload.eq(word), self.o.valid.eq(full), advance.eq(~refused)]
        m.d.sync += refused.eq(full & ~self.o.ready)
        with m.If(self.i.valid & advance):
            m.d.sync += [word.eq(self.i.payload), full.eq(1)]
        with m.Elif(self.o.ready):
            m.d.sync += full.eq(0)
        return m
