"""Stream width converter: cut a beat into parts, or collect parts into a beat."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.ops import WidthConverter
from hbnn_hw.types import TensorType


class StreamWidthConverter(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """Regroup words of ``width_in`` bits into words of ``width_out`` bits, lowest bits first.

    Latency 1 clock (``timing.CONVERTER_DEPTH``) from the last input word that a result needs. One word per
    clock on the narrower side without bubbles. Area: flip-flops for one wide word, a counter, and when
    cutting a multiplexer per bit (the word shifts).

    Parameters
    ----------
    width_in, width_out
        Bits per word; one divides the other. Equal widths are wires.
    """

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__(
            {"i": In(stream.Signature(unsigned(width_in))), "o": Out(stream.Signature(unsigned(width_out)))}
        )

    def elaborate(self, platform: object) -> Module:
        """Build the direction that the widths ask for."""
        width_in, width_out = len(self.i.payload), len(self.o.payload)
        m = Module()
        if width_in == width_out:
            m.d.comb += [
                self.o.payload.eq(self.i.payload),
                self.o.valid.eq(self.i.valid),
                self.i.ready.eq(self.o.ready),
            ]
        elif width_in < width_out:
            self._collect(m, width_out // width_in)
        else:
            self._cut(m, width_in // width_out)
        return m

    def _collect(self, m: Module, ratio: int) -> None:
        word = Signal(len(self.o.payload))
        count = Signal(range(ratio))
        full = Signal()
        m.d.comb += [
            self.o.payload.eq(word),
            self.o.valid.eq(full),
            self.i.ready.eq(~full | self.o.ready),
        ]
        with m.If(self.o.ready):
            m.d.sync += full.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [word.eq(Cat(word[len(self.i.payload) :], self.i.payload)), count.eq(count + 1)]
            with m.If(count == ratio - 1):
                m.d.sync += [full.eq(1), count.eq(0)]

    def _cut(self, m: Module, ratio: int) -> None:
        word = Signal(len(self.i.payload))
        count = Signal(range(ratio))
        full = Signal()
        m.d.comb += [
            self.o.payload.eq(word[: len(self.o.payload)]),
            self.o.valid.eq(full),
            self.i.ready.eq(~full | (self.o.ready & (count == ratio - 1))),
        ]
        with m.If(full & self.o.ready):
            m.d.sync += [word.eq(word >> len(self.o.payload)), count.eq(count + 1)]
            with m.If(count == ratio - 1):
                m.d.sync += [full.eq(0), count.eq(0)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [word.eq(self.i.payload), full.eq(1)]


def build(op: WidthConverter, source: TensorType) -> StreamWidthConverter:
    """Return the unit of an IR operator."""
    bits = source.element.bits
    return StreamWidthConverter(op.lanes_from * bits, op.lanes_to * bits)
