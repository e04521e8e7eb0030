"""Read-only memories with synchronous read."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np
from amaranth.hdl import Cat, Const, Module, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.lut import Fabric, lut, lut_pair
from hbnn_hw.backends.rtl.rom_contents import rom_instance
from hbnn_hw.folding import LUT_ROM_DEPTH
from hbnn_hw.planes import Bits


class RomStyle(Enum):
    """Where synthesis puts a read-only memory."""

    AUTO = "auto"
    """Its own choice."""
    LUT = "lut"
    """LUTs, one per bit up to 64 words; for Yosys alone, which refuses what Vivado calls it."""
    BLOCK = "block"
    """Block RAM."""

    @classmethod
    def of_depth(cls, depth: int) -> RomStyle:
        """Choose for a memory of wide words: block RAM where LUTs would need more than two per bit."""
        return cls.BLOCK if depth > LUT_ROM_DEPTH else cls.AUTO


_TABLE_DEPTH = 64
"""Most words that a LUT6 tells apart. Synthesis of a large unit makes two LUTs of what fits into one."""

_ATTRIBUTES: dict[RomStyle, dict[str, str | int]] = {
    RomStyle.AUTO: {},
    RomStyle.LUT: {"logic_block": 1},
    RomStyle.BLOCK: {"rom_style": "block"},
}


class Rom(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """A table of words that is read with one clock of latency, so that block RAM can hold it.

    Latency 1, one read per clock while ``en`` is high; ``data`` holds while it is low. A table of one word
    becomes a constant. Area on a fabric with LUT6, unless in block RAM: one per bit, half of that up to 32
    words.

    Parameters
    ----------
    width
        Bits per word.
    words
        The content; word ``i`` is read at address ``i``.
    style
        Where synthesis puts it.
    """

    def __init__(self, width: int, words: Sequence[int], style: RomStyle = RomStyle.AUTO) -> None:
        self.words = list(words)
        self.style = style
        address = In(range(len(self.words)))
        super().__init__({"en": In(1), "address": address, "data": Out(unsigned(width))})

    def elaborate(self, platform: object) -> Module:
        """Build the memory, as tables or for synthesis to place."""
        m = Module()
        fabric = Fabric.of(platform)
        if len(self.words) == 1:
            m.d.comb += self.data.eq(self.words[0])
        elif fabric is Fabric.XC7 and self.style is not RomStyle.BLOCK and len(self.words) <= _TABLE_DEPTH:
            self._look_up(m, fabric)
        elif platform is None:
            self._read(m)
        else:
            ports = (self.address, self.en, self.data)
            m.submodules.memory = rom_instance(self.words, *ports, _ATTRIBUTES[self.style])
        return m

    def _look_up(self, m: Module, fabric: Fabric) -> None:
        """Add a table per bit, or per two bits up to 32 words, and a register."""
        address = [*self.address, *[Const(0, 1)] * (5 - len(self.address))]
        bits = self._columns()
        outputs: list[Value] = []
        if len(address) == 5:
            for at in range(0, len(bits) - 1, 2):
                pair = (bits[at], bits[at + 1])
                outputs += lut_pair(m, fabric, pair, address, (f"bit{at}", f"bit{at + 1}"))
        for at in range(len(outputs), len(bits)):
            outputs.append(lut(m, fabric, bits[at], address, f"bit{at}"))
        word = Signal(len(bits), reset_less=True)
        with m.If(self.en):
            m.d.sync += word.eq(Cat(*outputs))
        m.d.comb += self.data.eq(word)

    def _columns(self) -> list[int]:
        """Return every data bit as a function of the address, that of word ``i`` in bit ``i``."""
        rows = [f"{word:0{len(self.data)}b}" for word in reversed(self.words)]
        return [int("".join(column), 2) for column in zip(*rows, strict=True)][::-1]

    def _read(self, m: Module) -> None:
        """Add a memory that Amaranth's simulator knows."""
        m.submodules.memory = memory = Memory(
            shape=self.data.shape(),
            depth=len(self.words),
            init=self.words,
            attrs=_ATTRIBUTES[self.style],
        )
        port = memory.read_port()
        m.d.comb += [port.addr.eq(self.address), port.en.eq(self.en), self.data.eq(port.data)]


def rom_words(bits: Bits) -> list[int]:
    """Join bits (words, n) into integers, bit 0 in the least significant place."""
    packed = np.packbits(bits, axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def concatenate(fields: Sequence[tuple[int, int]]) -> int:
    """Join (value, width) fields into one word, the first in the least significant bits.

    Negative values are stored in two's complement.
    """
    word, at = 0, 0
    for value, width in fields:
        word |= (int(value) & ((1 << width) - 1)) << at
        at += width
    return word


def split(vector: Value, width: int) -> list[Value]:
    """Cut a signal into fields of equal width, least significant first."""
    return [vector[at : at + width] for at in range(0, len(vector), width)]


def register(m: Module, source: Value, enable: Value, name: str) -> Value:
    """Add a register that takes ``source`` at clocks with ``enable``; return its output."""
    stage = Signal(len(source), name=name)
    with m.If(enable):
        m.d.sync += stage.eq(source)
    return stage
