"""Rules of valid/ready streams around a unit, for a proof that the unit keeps them."""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Assert, Assume, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

Rule = Callable[[object], object]


class StreamMonitor(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """A unit whose neighbours are free to do what the stream rules allow, and assertions on its outputs.

    What was offered and not taken is offered again, unchanged, unless there was a reset. It is assumed of
    every input and asserted of every output.

    Simulation and synthesis do not need it: no latency, and area for proofs only.

    Parameters
    ----------
    unit
        A unit whose ports are all streams.

    Attributes
    ----------
    (ports of the unit)
        Its streams.
    """

    def __init__(self, unit: wiring.Component) -> None:
        self.unit = unit
        super().__init__(dict(unit.signature.members.items()))

    def elaborate(self, platform: object) -> Module:
        """Connect the unit and watch every port."""
        m = Module()
        m.submodules.unit = self.unit
        for name, member in self.signature.members.items():
            port, inner = getattr(self, name), getattr(self.unit, name)
            wiring.connect(m, wiring.flipped(port), inner)
            held = self._held(m, name, inner)
            m.d.comb += Assume(held) if member.flow == In else Assert(held)
        return m

    @staticmethod
    def _held(m: Module, name: str, port: stream.Interface) -> Signal:
        """Tell whether a port offers what it refused to give a clock ago."""
        refused, payload = Signal(name=f"{name}_refused"), Signal.like(port.payload, name=f"{name}_before")
        held = Signal(name=f"{name}_held")
        m.d.sync += [refused.eq(port.valid & ~port.ready), payload.eq(port.payload)]
        m.d.comb += held.eq(~refused | (port.valid & (port.payload == payload)))
        return held
