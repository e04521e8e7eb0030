"""Read-only memories and distributed RAM: block RAM, or LUTs."""

from __future__ import annotations

import math

BRAM18_DEPTHS = {1: 16384, 2: 8192, 4: 4096, 9: 2048, 18: 1024, 36: 512}
"""Words of one 18-kbit block RAM by word width [bit]. Source: Xilinx UG473, table 1-4."""

LUT_ADDRESS = 6
"""Address bits of a table in one LUT."""

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


def distinct_columns(depth: int, width: int) -> float:
    """Expected number of different bit columns, up to complement, in a random table.

    A column of ``depth`` bits is one of ``2**depth``; in short tables many of the ``width`` columns repeat.
    """
    kinds = 2.0 ** min(depth - 1, 60)
    return float(kinds * -math.expm1(width * math.log1p(-1 / kinds))) if kinds > 1 else 1.0


def rom_luts(depth: int, width: int) -> float:
    """LUT6 that a random table of ``depth`` words of ``width`` bits costs as logic.

    A column of up to 64 words is one LUT and a register; of up to two words it is a constant or the address
    itself. Beyond, a power of two of 64-word tables and their multiplexers.
    """
    if depth <= 2:
        return 0.0
    tables = 1 << max(0, (depth - 1).bit_length() - LUT_ADDRESS)
    overhead = MUX_OVERHEAD if tables > 4 else 0.0
    return distinct_columns(depth, width) * tables * (1 + overhead)


def rom_flip_flops(depth: int, width: int) -> float:
    """Flip-flops behind a table in logic: one per different column."""
    return distinct_columns(depth, width) if depth > 1 else 0.0


def distributed_ram_luts(depth: int, width: int) -> int:
    """LUT6 sites of a RAM of ``depth`` words of ``width`` bits with one write and one read port."""
    if depth < 2:
        return 0
    return 4 * -(-width // RAM32M_BITS) * -(-depth // 32)
