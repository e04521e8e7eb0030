"""Rules of valid/ready streams around a unit, for a proof that the unit keeps them."""

from __future__ import annotations

from amaranth.hdl import Assert, Assume, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import Flow


class StreamMonitor(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """A unit whose neighbours are free to do all that the stream rules allow, and assertions on its outputs.

    What is offered and not taken is offered again a clock later, unchanged, unless there is a reset: that is
    assumed of every input and asserted of every output. Latency and throughput are the unit's own; the
    monitor is for proofs alone (:mod:`hbnn_hw.verify.stream_proof`) and costs no area in any design.

    Parameters
    ----------
    unit
        A unit all of whose ports are streams; they are the monitor's ports, too.
    is_numbered
        Of units that hand words on: the words that come in are numbered, and the words that leave each output
        must have the same numbers, so that none is lost, doubled or out of order.
    """

    def __init__(self, unit: wiring.Component, is_numbered: bool = False) -> None:
        self.unit, self.is_numbered = unit, is_numbered
        super().__init__(dict(unit.signature.members.items()))

    def elaborate(self, platform: object) -> Module:
        """Connect the unit and watch every port."""
        m = Module()
        m.submodules.unit = self.unit
        for name, member in self.signature.members.items():
            port = getattr(self, name)
            wiring.connect(m, wiring.flipped(port), getattr(self.unit, name))
            law = Assume if member.flow == Flow.In else Assert
            m.d.comb += law(self._holds(m, name, port))
            if self.is_numbered:
                m.d.comb += law(self._counts(m, name, port))
        return m

    @staticmethod
    def _holds(m: Module, name: str, port: stream.Interface) -> Value:
        """Tell whether a port still offers what was refused a clock ago."""
        refused = Signal(name=f"{name}_refused")
        before = Signal.like(port.payload, name=f"{name}_before")
        m.d.sync += [refused.eq(port.valid & ~port.ready), before.eq(port.payload)]
        return ~refused | (port.valid & (port.payload == before))

    @staticmethod
    def _counts(m: Module, name: str, port: stream.Interface) -> Value:
        """Tell whether a port's word is the number of words before it, as far as it has bits."""
        number = Signal.like(port.payload, name=f"{name}_number")
        with m.If(port.valid & port.ready):
            m.d.sync += number.eq(number + 1)
        return ~port.valid | (port.payload == number)
