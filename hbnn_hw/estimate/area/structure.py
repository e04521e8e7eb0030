"""First-principles counts for operators whose constants are not calibrated on synthesis.

Each operator's file counts LUTs from its structure on 7-series: an adder bit or a two-way multiplexer bit is
a LUT, a comparison two bits a LUT, a counter two LUTs a bit (increment and end of count), a RAM or FIFO what
:mod:`hbnn_hw.estimate.area.memory` says. What a tool merges or adds is not known; see ``ASSUMED_ERROR_PCT``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hbnn_hw.estimate.area.features import Block, Features

ASSUMED_ERROR_PCT = 50.0
"""How far off these counts are taken to be [%]: an assumption, no synthesis stands behind it."""

HANDSHAKE_LUTS = 8
"""Valid, ready and end of sample of one pipelined loop."""

PIPELINE_STAGES = 2
"""Registers that a beat passes: behind reading and behind computing."""


def counter_bits(*extents: int) -> int:
    """Bits of counters that run through ``extents`` values each."""
    return sum((extent - 1).bit_length() for extent in extents)


def comparison_luts(bits: int) -> float:
    """LUTs of ``a >= b``: two bits of each a LUT, carried."""
    return float(-(-bits // 2))


def structure(
    luts: Mapping[str, float],
    *,
    word_bits: int,
    counters: int = 0,
    flip_flops: float = 0.0,
    memories: Iterable[tuple[float, float]] = (),
    dsps: int = 0,
) -> Features:
    """Add up one operator.

    Parameters
    ----------
    luts
        LUTs by purpose.
    word_bits
        Width of the output beat.
    counters
        Bits of all counters.
    flip_flops
        Registers beyond those of beat and counters.
    memories
        (LUT, BRAM36) of each RAM, table and FIFO.
    dsps
        DSP slices.
    """
    stored = list(memories)
    terms = {
        **luts,
        "counters": 2.0 * counters,
        "memory": sum(in_luts for in_luts, _ in stored),
        "handshake": float(HANDSHAKE_LUTS),
    }
    registers = PIPELINE_STAGES * word_bits + counters + flip_flops
    return Features(
        Block.FIRST_PRINCIPLES, terms, float(registers), sum(blocks for _, blocks in stored), dsps
    )
