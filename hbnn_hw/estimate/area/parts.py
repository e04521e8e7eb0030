"""Parts that many units have, counted as they are built: registers, and LUTs that synthesis cannot merge.

Source: the components of :mod:`hbnn_hw.backends.rtl`, whose names these functions bear.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hbnn_hw.estimate.area.features import Block, Features
from hbnn_hw.estimate.area.memory import (
    TABLE_WORDS,
    bram18_blocks,
    column_luts,
    ram_is_block,
    ram_luts,
    rom_is_block,
)
from hbnn_hw.timing import SHALLOW_WORDS


@dataclass(frozen=True, slots=True)
class Parts:
    """What some parts take for certain.

    Attributes
    ----------
    luts
        LUTs.
    flip_flops
        Flip-flops.
    bram36
        Block RAM in units of 36 kbit.
    """

    luts: float = 0.0
    flip_flops: float = 0.0
    bram36: float = 0.0

    def __add__(self, other: Parts) -> Parts:
        return Parts(self.luts + other.luts, self.flip_flops + other.flip_flops, self.bram36 + other.bram36)


def total(parts: Iterable[Parts]) -> Parts:
    """Add up parts."""
    return sum(parts, Parts())


def counter_bits(*extents: int) -> int:
    """Bits of counters that run through ``extents`` values each."""
    return sum((extent - 1).bit_length() for extent in extents)


def still_bits(step: int) -> int:
    """Low bits of a counter by ``step`` that synthesis finds to be constant: all but one of its zeros."""
    return max(0, (step & -step).bit_length() - 2)


def skid_buffer(width: int) -> Parts:
    """A spare word, whether it is full, and a multiplexer a bit."""
    return Parts(width, width + 1)


def output_register(width: int, *, spaced: bool = False) -> Parts:
    """A word and whether it is full; then a skid buffer, or a note that a spaced word was refused."""
    return Parts(0, width + 2) if spaced else Parts(0, width + 1) + skid_buffer(width)


def pipeline(width_in: int, width_out: int, depth: int) -> Parts:
    """The valid bits of ``depth`` stages and a skid buffer on the narrower side."""
    return Parts(0, depth) + skid_buffer(min(width_in, width_out))


def rom(depth: int, width: int, *, forced: bool = False, columns: int | None = None) -> Parts:
    """A table with synchronous read.

    Parameters
    ----------
    depth, width
        Words, and bits of a word.
    forced
        Whether it asks for block RAM.
    columns
        Different columns of bits, where it is deeper than a LUT; None where they are not known.
    """
    if depth == 1 or not width:
        return Parts()
    if forced or (depth > TABLE_WORDS and rom_is_block(depth, width)):
        return Parts(bram36=bram18_blocks(depth, width) / 2)
    if depth <= TABLE_WORDS // 2:
        return Parts(-(-width // 2), width)
    if depth <= TABLE_WORDS:
        return Parts(width, width)
    kept = width if columns is None else columns
    return Parts(kept * column_luts(depth), kept)


def ram(depth: int, width: int) -> Parts:
    """A memory with a write port and a synchronous read port."""
    if ram_is_block(depth, width):
        return Parts(bram36=bram18_blocks(depth, width) / 2)
    return Parts(ram_luts(depth, width), width)


def queue(depth: int, width: int) -> Parts:
    """Memory, pointers and fill level of a queue; what its counters take in LUTs is fitted."""
    pointer, level = counter_bits(depth), depth.bit_length()
    if depth <= SHALLOW_WORDS:
        return Parts(ram_luts(depth, width), 2 * pointer + level)
    return ram(depth, width) + Parts(0, 2 * pointer + level + 1)


def block_features(
    block: Block, parts: Iterable[Parts], terms: Mapping[str, float], dsps: int = 0
) -> Features:
    """Join what is certain, as the term "exact", with the terms of a block that are fitted."""
    known = total(parts)
    luts = {"exact": known.luts, **terms, "unit": 1.0}
    return Features(block, {name: float(n) for name, n in luts.items()}, known.flip_flops, known.bram36, dsps)
