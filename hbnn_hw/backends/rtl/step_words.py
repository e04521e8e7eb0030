"""What a folded unit's memories give its processing elements for every step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Module, Value
from numpy.typing import NDArray

from hbnn_hw.backends.rtl.popcount import count_bits
from hbnn_hw.backends.rtl.rom import Rom, RomStyle, concatenate, register, rom_words, split
from hbnn_hw.backends.rtl.step_control import StepControl
from hbnn_hw.backends.rtl.xor_rom import XorRom
from hbnn_hw.folding import FoldSchedule, weight_words
from hbnn_hw.ops import Mvtu
from hbnn_hw.planes import Bits
from hbnn_hw.timing import BLOCK_ROM_STAGES
from hbnn_hw.xor_wiring import XorWiring, xor_wirings


@dataclass(frozen=True, slots=True, eq=False)
class StepWords:
    """The contents of the memories, by step.

    Attributes
    ----------
    op
        The scheduled operator.
    schedule
        Its steps.
    weights, masks
        uint8 (steps, pe, simd).
    wiring
        How FleXOR's stored slices feed the lanes; None where the memory holds the weights themselves.
    style
        Where synthesis puts the memories.
    """

    op: Mvtu
    schedule: FoldSchedule
    weights: Bits
    masks: Bits
    wiring: XorWiring | None
    style: RomStyle

    @classmethod
    def of(cls, op: Mvtu, style: RomStyle | None) -> StepWords:
        """Cut the weights of an operator into steps; the style follows from the depth if there is none."""
        schedule, encoding, folding = op.schedule(), op.weights.encoding, op.scheduled_folding
        weights, masks = weight_words(op.weights, folding, schedule)
        wiring = None if encoding is None else next(xor_wirings(encoding, folding), None)
        return cls(op, schedule, weights, masks, wiring, style or RomStyle.of_depth(schedule.n_steps))

    @property
    def extra_stages(self) -> int:
        """Registers behind the memories, which give a word a clock after its step's issue without them."""
        return BLOCK_ROM_STAGES if self.style is RomStyle.BLOCK else 0

    @property
    def weight_bits(self) -> int:
        """Bits of the weight memory: n_in for n_out weights where they stay encoded."""
        encoding = self.op.weights.encoding
        if encoding is None or self.wiring is None:
            return self.weights.size
        decoders = self.op.scheduled_folding.pe // self.wiring.group_pes
        return self.schedule.n_steps * decoders * self.wiring.n_slots * encoding.n_in

    @property
    def masked(self) -> bool:
        """Whether a word of some step lacks entries; whole words that are missing take no step at all."""
        return not self.masks.all()

    @property
    def masks_shared(self) -> bool:
        """Whether all processing elements have the same mask, as under maps that rows share."""
        return bool((self.masks == self.masks[:, :1]).all())

    def add_weights(self, m: Module, control: StepControl, advance: Value) -> list[Value]:
        """Add the weight memory; return each processing element's word, with the operands of its step."""
        encoding, folding = self.op.weights.encoding, self.op.scheduled_folding
        if encoding is None or self.wiring is None:
            return self._rom(m, "weight_rom", self.weights, control.step, advance)
        m.submodules.weight_rom = rom = XorRom(encoding, self.wiring, folding, self.schedule, self.style)
        m.d.comb += [rom.step.eq(control.step), rom.en.eq(advance)]
        if rom.has_planes:
            m.d.comb += rom.plane.eq(control.plane)
        return split(self._staged(m, rom.data, advance, "weight_rom"), folding.simd)

    def add_masks(self, m: Module, control: StepControl, advance: Value) -> list[Value]:
        """Add the mask memory; return each processing element's word, as late as the weights."""
        pe = self.op.scheduled_folding.pe
        if not self.masks_shared:
            return self._rom(m, "mask_rom", self.masks, control.step, advance)
        return self._rom(m, "mask_rom", self.masks[:, :1], control.step, advance) * pe

    def add_populations(self, m: Module, control: StepControl, advance: Value) -> list[Value]:
        """Add the number of entries that every word has; it comes a clock later than the word."""
        counts: NDArray[np.int64] = self.masks.sum(axis=2, dtype=np.int64)
        width = count_bits(self.masks.shape[2])
        words = [concatenate([(count, width) for count in row]) for row in counts.tolist()]
        m.submodules.population_rom = rom = Rom(width * counts.shape[1], words, self.style)
        m.d.comb += [rom.address.eq(register(m, control.step, advance, "step1")), rom.en.eq(advance)]
        return split(self._staged(m, rom.data, advance, "population_rom"), width)

    def _rom(self, m: Module, name: str, bits: Bits, step: Value, advance: Value) -> list[Value]:
        """Add a ROM of one word per step (steps, rows, simd); return each row's part."""
        n_steps, rows, simd = bits.shape
        m.submodules[name] = rom = Rom(rows * simd, rom_words(bits.reshape(n_steps, rows * simd)), self.style)
        m.d.comb += [rom.address.eq(step), rom.en.eq(advance)]
        return split(self._staged(m, rom.data, advance, name), simd)

    def _staged(self, m: Module, word: Value, advance: Value, name: str) -> Value:
        """Add the registers behind a memory."""
        for stage in range(self.extra_stages):
            word = register(m, word, advance, f"{name}_data{stage}")
        return word
