"""Which lanes of a pooling take the minimum instead of the maximum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Module, Value
from numpy.typing import NDArray

from hbnn_hw.backends.rtl.rom import Rom, concatenate


@dataclass(frozen=True, slots=True)
class TurnedLanes:
    """One word per beat of a pixel, or a single one for all of them.

    Attributes
    ----------
    words
        Bit i of a beat's word: lane i takes the minimum.
    """

    words: tuple[tuple[bool, ...], ...]

    @classmethod
    def of(cls, smallest: NDArray[np.bool_] | None, lanes: int) -> TurnedLanes:
        """Cut the channels into beats; None for none."""
        if smallest is None:
            return cls(((False,) * lanes,))
        words = [tuple(map(bool, word)) for word in smallest.reshape(-1, lanes)]
        return cls((words[0],) if len(set(words)) == 1 else tuple(words))

    @property
    def constant(self) -> tuple[bool, ...] | None:
        """The word of all beats; None if they differ."""
        return self.words[0] if len(self.words) == 1 else None

    @property
    def any(self) -> bool:
        """Whether there is a minimum at all."""
        return any(map(any, self.words))

    def build(self, m: Module, beat: Value, advance: Value) -> Value:
        """Add a ROM; return the word of the beat that was given a clock with ``advance`` ago."""
        words = [concatenate([(int(bit), 1) for bit in word]) for word in self.words]
        m.submodules.turned_lanes = rom = Rom(len(self.words[0]), words)
        m.d.comb += [rom.address.eq(beat), rom.en.eq(advance)]
        return rom.data
