"""Stream width converter: cut a beat into parts, or collect parts into a beat."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.stream_buffers import SkidBuffer
from hbnn_hw.errors import FoldingError
from hbnn_hw.ops import WidthConverter
from hbnn_hw.types import Bordered, TensorType


class StreamWidthConverter(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """Regroup words of ``width_in`` bits into words of ``width_out`` bits, lowest bits first.

    A mark stands above the word and goes with all of its parts, which have the same mark.

    Latency 1 clock (``timing.CONVERTER_DEPTH``) from the last input word that a result needs. One word per
    clock on the narrower side without bubbles; the ready signals of both directions are registers. Area: 6
    LUT and 59 flip-flops from 8 to 32 bits, 39 and 45 from 32 to 8 (Yosys, xc7).

    Parameters
    ----------
    width_in, width_out
        Bits per word, without the mark; one divides the other. Equal widths are wires.
    mark_bits
        Bits of the mark: 1 for planes with a border, 0 for all others.
    """

    def __init__(self, width_in: int, width_out: int, mark_bits: int = 0) -> None:
        self.width_in, self.width_out, self.mark_bits = width_in, width_out, mark_bits
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(width_in + mark_bits))),
                "o": Out(stream.Signature(unsigned(width_out + mark_bits))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the direction that the widths ask for."""
        m = Module()
        if self.width_in == self.width_out:
            m.d.comb += [
                self.o.payload.eq(self.i.payload),
                self.o.valid.eq(self.i.valid),
                self.i.ready.eq(self.o.ready),
            ]
        elif self.width_in < self.width_out:
            self._collect(m, self.width_out // self.width_in)
        else:
            self._cut(m, self.width_in // self.width_out)
        return m

    def _collect(self, m: Module, ratio: int) -> None:
        """Keep all parts but the last, with which they move on to the output register."""
        parts = Signal(self.width_out - self.width_in, reset_less=True)
        word = Signal(len(self.o.payload), reset_less=True)
        count = Signal(range(ratio))
        takes, is_last, full = Signal(), Signal(), Signal()
        part = self.i.payload[: self.width_in]
        m.d.comb += [
            self.o.payload.eq(word),
            self.o.valid.eq(full),
            self.i.ready.eq(~is_last | ~full),
            takes.eq(self.i.valid & self.i.ready),
            is_last.eq(count == ratio - 1),
        ]
        with m.If(self.o.ready):
            m.d.sync += full.eq(0)
        with m.If(takes):
            m.d.sync += [parts.eq(Cat(parts, part)[self.width_in :]), count.eq(Mux(is_last, 0, count + 1))]
            with m.If(is_last):
                m.d.sync += [word.eq(Cat(parts, self.i.payload)), full.eq(1)]

    def _cut(self, m: Module, ratio: int) -> None:
        """Shift the word along, behind a skid buffer of one part."""
        m.submodules.skid = skid = SkidBuffer(len(self.o.payload))
        word = Signal(len(self.i.payload), reset_less=True)
        full, advance = Signal(), Signal()
        loads = Signal(init=1)  # no part is left behind the one that is offered
        moved = Signal(range(ratio - 1))
        mark = word[self.width_in :]
        m.d.comb += [
            skid.i.payload.eq(Cat(word[: self.width_out], mark)),
            skid.i.valid.eq(full),
            advance.eq(~full | skid.i.ready),
            self.i.ready.eq(loads & advance),
        ]
        with m.If(advance):
            # What is loaded without a valid word, or stands in the place of a part that moved, is never sent.
            first_parts = self.width_in - self.width_out
            rest = Mux(loads, self.i.payload[:first_parts], word[self.width_out : self.width_in])
            m.d.sync += word[: self.width_in].eq(Cat(rest, self.i.payload[first_parts:]))
            with m.If(loads):
                m.d.sync += [
                    mark.eq(self.i.payload[self.width_in :]),
                    full.eq(self.i.valid),
                    loads.eq(~self.i.valid),
                ]
            with m.Else():
                m.d.sync += [loads.eq(moved == ratio - 2), moved.eq(Mux(moved == ratio - 2, 0, moved + 1))]
        wiring.connect(m, skid.o, wiring.flipped(self.o))


def build(op: WidthConverter, source: TensorType) -> StreamWidthConverter:
    """Return the unit of an IR operator.

    Raises
    ------
    FoldingError
        If beats of a value with a border would hold elements of several pixels.
    """
    bits, is_bordered = source.element.bits, isinstance(source.element, Bordered)
    wider = max(op.lanes_from, op.lanes_to)
    if is_bordered and source.shape[-1] % wider:
        raise FoldingError(
            f"the beats of a value {source.shape} with a border must each lie in one pixel; {wider} lanes do "
            f"not divide {source.shape[-1]} channels: choose lanes that do"
        )
    return StreamWidthConverter(op.lanes_from * bits, op.lanes_to * bits, int(is_bordered))
