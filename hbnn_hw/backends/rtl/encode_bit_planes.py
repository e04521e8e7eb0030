"""Input encoder: the bits of an unsigned code are its bipolar planes."""

from __future__ import annotations

from amaranth.hdl import Module, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.ops import EncodeBitPlanes
from hbnn_hw.types import TensorType


class BitPlaneEncoder(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """Wires: plane p of an element is bit p of its code, so code and planes have the same layout.

    Latency 0, no area.

    Parameters
    ----------
    lanes
        Elements per word.
    n_bits
        Bits per element.
    """

    def __init__(self, lanes: int, n_bits: int) -> None:
        word = stream.Signature(unsigned(lanes * n_bits))
        super().__init__({"i": In(word), "o": Out(word)})

    def elaborate(self, platform: object) -> Module:
        """Connect input and output."""
        m = Module()
        m.d.comb += [
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
        ]
        return m


def build(op: EncodeBitPlanes, source: TensorType) -> BitPlaneEncoder:
    """Return the unit of an IR operator."""
    del source
    return BitPlaneEncoder(op.lanes, op.n_bits)
