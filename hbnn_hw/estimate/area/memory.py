"""Read-only memories and distributed RAM: block RAM, or LUTs."""

from __future__ import annotations

import numpy as np

from hbnn_hw.planes import Bits

BRAM18_DEPTHS = {1: 16384, 2: 8192, 4: 4096, 9: 2048, 18: 1024, 36: 512}
"""Words of one 18-kbit block RAM by word width [bit]. Source: Xilinx UG473, table 1-4."""

LUT_WORDS = 64
"""Words of one column that a LUT holds."""

RAM32M_BITS = 6
"""Bits per word, of 32 words, in one RAM32M (four LUT6 sites) with a write and a read port (UG474)."""

BLOCK_BITS = 16 * 513
"""Table bits per 18-kbit block above which synthesis chooses block RAM: Yosys prices a block at 513 and a
table bit kept in logic at 1/16 (``memory_libmap``); measured on tables of 2 to 1024 words."""

MUX_OVERHEAD = 0.27
"""LUT per 64-word table for multiplexers behind the free MUXF7 and MUXF8; measured on 512 and 1024 words."""


def bram18_blocks(depth: int, width: int) -> int:
    """Blocks of 18 kbit for ``depth`` words of ``width`` bits, in the best aspect ratio."""
    return min(-(-width // w) * -(-depth // d) for w, d in BRAM18_DEPTHS.items())


def rom_is_block(depth: int, width: int) -> bool:
    """Tell whether a table goes into block RAM: it does above :data:`BLOCK_BITS` bits per block."""
    return depth > 1 and depth * width > BLOCK_BITS * bram18_blocks(depth, width)


def rom_bram36(depth: int, width: int) -> float:
    """Block RAM of a table in units of 36 kbit."""
    return bram18_blocks(depth, width) / 2


def distinct_columns(table: Bits, up_to_complement: bool = False) -> int:
    """Count the different bit columns of a table (words, width) that are not constant.

    Synthesis keeps one of equal columns; an inverted column takes no second LUT, but a second register.
    """
    columns = table ^ table[0] if up_to_complement else table
    varying = columns[:, (table != table[0]).any(axis=0)]
    return int(np.unique(varying, axis=1).shape[1])


def rom_luts(table: Bits) -> float:
    """LUT6 of a table (words, width) that is kept in logic.

    A column of up to 64 words is one LUT; of up to two words it is a constant or the address itself. Beyond,
    it is one LUT per 64 words (a power of two of them up to four, joined by MUXF7 and MUXF8 at no cost), and
    multiplexers for more.
    """
    each = column_luts(len(table))
    return distinct_columns(table, up_to_complement=True) * each if each else 0.0


def column_luts(depth: int) -> float:
    """LUT6 of one column of a table of ``depth`` words in logic, see :func:`rom_luts`."""
    if depth <= 2:
        return 0.0
    parts = -(-depth // LUT_WORDS)
    return float(1 << (parts - 1).bit_length()) if parts <= 4 else parts * (1 + MUX_OVERHEAD)


def distributed_ram_luts(depth: int, width: int) -> int:
    """LUT6 sites of a RAM of ``depth`` words of ``width`` bits with one write and one read port."""
    if depth < 2:
        return 0
    return 4 * -(-width // RAM32M_BITS) * -(-depth // 32)


LUTRAM_DEPTH, LUTRAM_BITS = 128, 4608
"""Deepest and largest RAM [words, bit] of an operator without weights that goes to LUTs, as the HLS back end
has it (:mod:`hbnn_hw.backends.hls.windows`)."""

LUTS_PER_BRAM18 = 200
"""LUTs that are as scarce as one 18-kbit block: 218,600 to 1,090 on the XC7Z045 (its utilization report)."""


def ram(depth: int, width: int) -> tuple[float, float]:
    """Return (LUT, BRAM36) of a RAM with a write and a read port, where the HLS back end puts it."""
    if depth <= LUTRAM_DEPTH or depth * width <= LUTRAM_BITS:
        return float(distributed_ram_luts(depth, width)), 0.0
    return 0.0, bram18_blocks(depth, width) / 2


def fifo(depth: int, width: int) -> tuple[float, float]:
    """Return (LUT, BRAM36) of a FIFO: shift registers of 32 words, or blocks where those are scarcer.

    Source: FINN-R's cost of a FIFO, ``2 ceil(log2 depth) + ceil(depth / 32) ceil(width / 2)`` LUTs.
    """
    control = 2 * (depth - 1).bit_length()
    in_luts, blocks = -(-depth // 32) * -(-width // 2), bram18_blocks(depth, width)
    if in_luts <= LUTS_PER_BRAM18 * blocks:
        return float(control + in_luts), 0.0
    return float(control), blocks / 2
