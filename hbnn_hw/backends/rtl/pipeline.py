"""Frame of units that take beat by beat: registers between two streams that move on together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from amaranth.hdl import Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import stream

from hbnn_hw.backends.rtl.rom import Rom
from hbnn_hw.backends.rtl.stream_buffers import SkidBuffer


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Stages of registers that all take their next value at clocks with ``advance``.

    A skid buffer on the narrower side makes the ready signal of the input a register. One beat per clock;
    ``depth`` clocks of latency. Area besides the stages: the skid buffer.

    Attributes
    ----------
    m
        Module of the unit.
    beat
        Payload that enters, as long as ``enters``.
    enters
        Whether a beat enters at this clock.
    arrives
        Whether a beat enters the last stage at this clock.
    advance
        Whether the stages move on at this clock.
    result
        To be driven with the payload behind the last stage: registers, or what depends on them alone.
    """

    m: Module
    beat: Value
    enters: Value
    arrives: Value
    advance: Value
    result: Signal

    @classmethod
    def between(
        cls,
        m: Module,
        source: stream.Interface,
        sink: stream.Interface,
        depth: int,
        leaves: Value | None = None,
    ) -> Pipeline:
        """Lay ``depth`` stages, at least one, between two streams of a module.

        ``leaves`` tells, where a beat enters the last stage, whether a result leaves with it.
        """
        m.submodules.skid = skid = SkidBuffer(min(len(source.payload), len(sink.payload)))
        skids_input = len(source.payload) < len(sink.payload)
        if skids_input:
            _join(m, source, skid.i)
            source = skid.o
        else:
            _join(m, skid.o, sink)
            sink = skid.i
        valid = [source.valid, *(Signal(name=f"valid{at}") for at in range(1, depth + 1))]
        advance, enters, arrives = Signal(), Signal(), Signal()
        result = Signal(len(sink.payload), name="result")
        m.d.comb += [
            advance.eq(sink.ready | ~valid[-1] if skids_input else sink.ready),
            source.ready.eq(advance),
            enters.eq(valid[0] & advance),
            arrives.eq(valid[-2] & advance),
            sink.valid.eq(valid[-1]),
            sink.payload.eq(result),
        ]
        with m.If(advance):
            m.d.sync += [after.eq(before) for before, after in pairwise(valid)]
            if leaves is not None:
                m.d.sync += valid[-1].eq(valid[-2] & leaves)
        return cls(m, source.payload, enters, arrives, advance, result)

    def register(self, source: Value, name: str, shape: Shape | None = None) -> Signal:
        """Add a register of a stage, of the source's shape or another.

        Its content means nothing before the first beat, so it has no reset.
        """
        stage = Signal(source.shape() if shape is None else shape, name=name, reset_less=True)
        with self.m.If(self.advance):
            self.m.d.sync += stage.eq(source)
        return stage

    def constants(self, name: str, width: int, words: Sequence[int]) -> Value | int:
        """Constants of the beat that is in the first stage; beat ``b`` of a sample has ``words[b]``.

        Words that repeat are stored once; one word for all beats is returned as a number, for logic.
        """
        period = smallest_period(words)
        if period == 1:
            return words[0]
        self.m.submodules[name] = rom = Rom(width, words[:period])
        place = Signal(range(period), name=f"{name}_place")
        self.m.d.comb += [rom.en.eq(self.advance), rom.address.eq(place)]
        with self.m.If(self.enters):
            self.m.d.sync += place.eq(Mux(place == period - 1, 0, place + 1))
        return rom.data


def _join(m: Module, source: stream.Interface, sink: stream.Interface) -> None:
    m.d.comb += [
        sink.payload.eq(source.payload),
        sink.valid.eq(source.valid),
        source.ready.eq(sink.ready),
    ]


def smallest_period(words: Sequence[int]) -> int:
    """Return the smallest divisor of the length after which all words repeat."""
    n = len(words)
    return next(p for p in range(1, n + 1) if n % p == 0 and list(words[p:]) == list(words[: n - p]))


def fields(word: Value | int, widths: Sequence[int]) -> list[Value | int]:
    """Cut a word into fields, the first from the least significant bits; numbers give plain numbers."""
    found: list[Value | int] = []
    at = 0
    for width in widths:
        found.append(word >> at & ((1 << width) - 1) if isinstance(word, int) else word[at : at + width])
        at += width
    return found


def signed_field(field: Value | int, width: int) -> Value:
    """Read a field as two's complement."""
    return (Const(field, width) if isinstance(field, int) else field).as_signed()


def numbers(word: Value, width: int, is_signed: bool) -> list[Value]:
    """Cut a beat into elements of ``width`` bits and read them as integers."""
    elements = (word[at : at + width] for at in range(0, len(word), width))
    return [element.as_signed() if is_signed else element for element in elements]
