"""A unit on integers whose inputs are bit-planes: a decoder in front of each."""

from __future__ import annotations

from collections.abc import Mapping

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

from hbnn_hw.backends.rtl.decode import BeatDecoder
from hbnn_hw.ops.base import range_of
from hbnn_hw.types import Integers, TensorType


class DecodedInputs(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """A unit with a decoder in front of some of its inputs.

    Latency: that of the unit and the decoder; throughput: that of the unit; area: the sum of both.

    Parameters
    ----------
    unit
        A unit on integers.
    decoders
        The decoders by the names of the ports that they feed.
    """

    def __init__(self, unit: wiring.Component, decoders: Mapping[str, BeatDecoder]) -> None:
        self.unit, self.decoders = unit, decoders
        ports = dict(unit.signature.members.items())
        for name, decoder in decoders.items():
            ports[name] = In(stream.Signature(decoder.i.payload.shape()))
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        """Connect the decoders, and all other ports to the unit's own."""
        m = Module()
        m.submodules.unit = self.unit
        for name in self.signature.members:
            port, inner = wiring.flipped(getattr(self, name)), getattr(self.unit, name)
            if name in self.decoders:
                m.submodules[f"{name}_decoder"] = decoder = self.decoders[name]
                wiring.connect(m, port, decoder.i)
                port = decoder.o
            wiring.connect(m, port, inner)
        return m


def as_integers(source: TensorType) -> TensorType:
    """Return the type of a value behind a decoder; integers stay."""
    return TensorType(source.shape, range_of(source))


def with_decoders(unit: wiring.Component, lanes: int, sources: Mapping[str, TensorType]) -> wiring.Component:
    """Put decoders in front of those inputs of a unit on integers that are planes."""
    decoders = {
        name: BeatDecoder(source, lanes)
        for name, source in sources.items()
        if not isinstance(source.element, Integers)
    }
    return DecodedInputs(unit, decoders) if decoders else unit
