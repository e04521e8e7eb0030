"""Weights of every step from FleXOR's stored bits: a ROM, and the XOR decoder between it and its user.

Source: Lee et al., NeurIPS 2020 (arXiv 2009.04126), section 3.
"""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import NDArray

from hbnn_hw.backends.rtl.rom import Rom, RomStyle, register, rom_words
from hbnn_hw.backends.rtl.xor_decoder import XorParameters
from hbnn_hw.folding import Folding, FoldSchedule
from hbnn_hw.xor_encoding import XorEncoding
from hbnn_hw.xor_wiring import XorWiring, inverted_rows, stored_words


class XorRom(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """The weight words of a folded unit, kept encoded; takes the place of a :class:`Rom` of plain words.

    Latency 1, one word per clock while ``en`` is high. Area: a ROM of n_in / n_out of the plain one's bits
    (``n_steps * slices * n_in``), an XOR decoder per weight plane with a multiplexer behind several, and,
    if rows are turned over, one ROM bit per step and PE. At 64 × 640 weights, PE 16, SIMD 40, 8 bits
    for 10 with two taps, a unit in LUTs takes 1,894 of them, with plain weights 1,766 (Yosys, xc7).

    Parameters
    ----------
    encoding
        The stored bits and matrices.
    wiring
        How slices feed the lanes.
    folding, schedule
        PE, SIMD and the steps of the unit.
    style
        Where synthesis puts the stored bits.

    Attributes
    ----------
    en, step
        Read the word of a step.
    plane
        Weight plane of that step; only where there are several with matrices of their own.
    data
        ``pe * simd`` weight bits, those of PE 0 in the least significant places.
    """

    def __init__(
        self,
        encoding: XorEncoding,
        wiring: XorWiring,
        folding: Folding,
        schedule: FoldSchedule,
        style: RomStyle,
    ) -> None:
        self.encoding = encoding
        self.wiring = wiring
        self.pe, self.simd = folding.pe, folding.simd
        stored = stored_words(encoding, wiring, folding, schedule).swapaxes(0, 1)
        self.stored = Rom(stored[0].size, rom_words(stored.reshape(len(stored), -1)), style)
        self.turned = self._turned_rows(folding, schedule, style)
        ports = {"en": In(1), "step": In(range(schedule.n_steps)), "data": Out(unsigned(self.pe * self.simd))}
        if self.has_planes:
            ports["plane"] = In(range(encoding.n_planes))
        super().__init__(ports)

    @property
    def has_planes(self) -> bool:
        """Whether planes have matrices of their own."""
        matrices = self.encoding.matrices
        return bool((matrices != matrices[:1]).any())

    def _turned_rows(self, folding: Folding, schedule: FoldSchedule, style: RomStyle) -> Rom | None:
        inverted = inverted_rows(self.encoding, folding)
        if inverted is None:
            return None
        bits: NDArray[np.int64] = inverted[:, schedule.row_fold, schedule.plane].T
        return Rom(folding.pe, rom_words(bits.astype(np.uint8)), style)

    def elaborate(self, platform: object) -> Module:
        """Read, decode, turn over."""
        m = Module()
        for name, rom in (("stored", self.stored), ("turned", self.turned)):
            if rom is not None:
                m.submodules[name] = rom
                m.d.comb += [rom.address.eq(self.step), rom.en.eq(self.en)]
        weights = self._decoded(m)
        if self.turned is not None:
            flips = [bit.replicate(self.simd) for bit in self.turned.data]
            weights = weights ^ Cat(*flips)
        m.d.comb += self.data.eq(weights)
        return m

    def _decoded(self, m: Module) -> Value:
        """Decode with the matrix of the step's plane."""
        if not self.has_planes:
            return self._lanes(m, 0)
        of_planes = [self._lanes(m, plane) for plane in range(self.encoding.n_planes)]
        now = register(m, self.plane, self.en, "now")
        decoded = of_planes[0]
        for plane, lanes in enumerate(of_planes[1:], start=1):
            decoded = Mux(now == plane, lanes, decoded)
        return decoded

    def _lanes(self, m: Module, plane: int) -> Value:
        """Add one plane's decoder; bring its outputs into the order of the lanes."""
        parameters = XorParameters(np.ascontiguousarray(self.encoding.matrices[plane]))
        groups, slots = self.pe // self.wiring.group_pes, self.wiring.n_slots
        m.submodules[f"decoder{plane}"] = decoder = parameters.create(groups * slots)
        decoded = Signal(len(decoder.decoded), name=f"decoded{plane}")
        m.d.comb += [decoder.encoded.eq(self.stored.data), decoded.eq(decoder.decoded)]
        places = self.wiring.slot * parameters.n_out + self.wiring.output
        stride = slots * parameters.n_out
        return Cat(decoded[group * stride + place] for group in range(groups) for place in places.tolist())
