"""Read-only memories and distributed RAM: block RAM, or LUTs."""

from __future__ import annotations

import numpy as np

from hbnn_hw.planes import Bits

BRAM18_DEPTHS = {1: 16384, 2: 8192, 4: 4096, 9: 2048, 18: 1024, 36: 512}
"""Words of one 18-kbit block RAM by word width [bit]. Source: Xilinx UG473, table 1-4."""

TABLE_WORDS = 64
"""Words of one column that a LUT holds."""

RAM32M_WORDS, RAM32M_BITS = 32, 6
RAM64M_WORDS, RAM64M_BITS = 64, 3
"""Words, and bits of a word, of the distributed RAMs with a write and a read port (UG474)."""

RAM_SITES = 4
"""LUT6 sites of either."""

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


def distinct_columns(table: Bits) -> int:
    """Count the different columns of a table (words, width) that are not constant: synthesis keeps one."""
    varying = table[:, (table != table[0]).any(axis=0)]
    return int(np.unique(varying, axis=1).shape[1])


def column_luts(depth: int) -> float:
    """LUT6 of one column of a table of ``depth`` words in logic.

    It is one LUT per 64 words (a power of two of them up to four, joined by MUXF7 and MUXF8 at no cost), and
    multiplexers for more.
    """
    parts = -(-depth // TABLE_WORDS)
    return float(1 << (parts - 1).bit_length()) if parts <= 4 else parts * (1 + MUX_OVERHEAD)


def ram_luts(depth: int, width: int) -> int:
    """LUT6 sites of a RAM of ``depth`` words of ``width`` bits with one write and one read port."""
    if depth < 2:
        return 0
    if depth <= RAM32M_WORDS:
        return RAM_SITES * -(-width // RAM32M_BITS)
    banks = -(-depth // RAM64M_WORDS)
    # Several banks need a write enable each, and a choice of four banks a LUT.
    joined = banks + width * -(-banks // 4) if banks > 1 else 0
    return RAM_SITES * banks * -(-width // RAM64M_BITS) + joined


RAM_CELL_PRICE, BLOCK_PRICE = 8, 129
"""Prices by which Yosys chooses between cells of distributed RAM, as far as they are filled, and 18-kbit
blocks: those of its library files ``lutrams_xc5v.txt`` and ``brams_xc4v.txt``. A multiplexer's LUT is 1."""


def ram_is_block(depth: int, width: int) -> bool:
    """Tell whether a RAM with synchronous read goes into block RAM."""
    banks, bits = (1, RAM32M_BITS) if depth <= RAM32M_WORDS else (-(-depth // RAM64M_WORDS), RAM64M_BITS)
    chosen = width * (banks - 1)
    return RAM_CELL_PRICE * banks * width / bits + chosen > BLOCK_PRICE * bram18_blocks(depth, width)
