"""One stream for several readers."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.stream_buffers import SkidBuffer
from hbnn_hw.ops import Fork
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import TensorType


class StreamFork(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """Every beat goes to all readers, each of which takes it in its own time.

    A reader that has the beat already waits for the others. Latency 0, a beat per clock. Area: 37
    LUT and 35 flip-flops for 32 bits and 2 readers (Yosys, xc7).

    Parameters
    ----------
    width
        Bits per beat.
    readers
        Number of readers.

    Attributes
    ----------
    i
        The stream.
    o0, o1, ...
        A stream for each reader.
    """

    def __init__(self, width: int, readers: int) -> None:
        word = stream.Signature(unsigned(width))
        self.names = [f"o{at}" for at in range(readers)]
        super().__init__({"i": In(word)} | {name: Out(word) for name in self.names})

    def elaborate(self, platform: object) -> Module:
        """Note for every reader whether it has the beat; the beat goes once all have it."""
        m = Module()
        m.submodules.skid = skid = SkidBuffer(len(self.i.payload))
        wiring.connect(m, wiring.flipped(self.i), skid.i)
        beat, has_it = skid.o, []
        for name in self.names:
            reader = getattr(self, name)
            done, served = Signal(name=f"{name}_done"), Signal(name=f"{name}_served")
            m.d.comb += [
                reader.payload.eq(beat.payload),
                reader.valid.eq(beat.valid & ~done),
                served.eq(done | reader.ready),
            ]
            with m.If(beat.valid):
                m.d.sync += done.eq(served & ~beat.ready)
            has_it.append(served)
        m.d.comb += beat.ready.eq(Cat(*has_it).all())
        return m


def build(op: Fork, source: TensorType, *, readers: int) -> StreamFork:
    """Return the unit of an IR operator for so many readers."""
    return StreamFork(beat_bits(source, op.lanes), readers)
