"""How many entries of a tensor get how many bits, and which of them share: HBNN's P without any tensor."""

from __future__ import annotations

import itertools
import math
from enum import Enum
from typing import TypeAlias

LARGEST_BITWIDTH = 8
"""Planes that a map may ask for; the paper uses up to 3."""

Distribution: TypeAlias = tuple[tuple[int, float], ...]
"""P of the paper: (bits, fraction of the entries), bits ascending, fractions positive with sum 1."""

_SPLITS: dict[int, Distribution] = {
    11: ((1, 0.9), (2, 0.1)),
    12: ((1, 0.9), (3, 0.1)),
    13: ((1, 0.7), (2, 0.3)),
    14: ((1, 0.7), (2, 0.2), (3, 0.1)),
    15: ((1, 0.5), (2, 0.5)),
    16: ((1, 0.6), (2, 0.2), (3, 0.2)),
    17: ((1, 0.5), (2, 0.3), (3, 0.2)),
    18: ((1, 0.4), (2, 0.4), (3, 0.2)),
    19: ((1, 0.4), (2, 0.3), (3, 0.3)),
}
"""Tenths of average bits to P. Source: HBNN Fig. 2a's axis."""


class Sharing(Enum):
    """Which entries of the weight matrix (rows = outputs, columns = the reduction) have one bitwidth."""

    ELEMENT = "element"
    """Every entry its own, as in the paper."""
    COLUMN = "column"
    """All rows agree: an input has a bitwidth."""
    ROW = "row"
    """All columns agree: an output has a bitwidth."""
    TILE = "tile"
    """Blocks of PE rows and SIMD columns, which folded hardware reads as one word."""


def dist_from_avg(average_bits: float, max_bits: int = LARGEST_BITWIDTH) -> Distribution:
    """Give a distribution P with an average bitwidth (``DistFromAvg`` of Algorithm 1).

    The paper found its splits for 1.1, 1.2, ..., 1.9 bits by a sweep and gives no formula. They are used
    where they exist. For any other average P is the mixture of the two neighbouring known splits with
    exactly this average; known besides the paper's are the homogeneous ones of 0, 1, 2, ... bits. Thus 1.45
    is half 1.4's split and half 1.5's, 0.3 prunes 70 % of the entries, and 2.5 is half 2 and half 3 bits.

    Parameters
    ----------
    average_bits
        Above 0, at most ``max_bits`` [bits per entry].
    max_bits
        Largest bitwidth that P may contain, 1 .. 8; the paper's splits that exceed it are left out.

    Raises
    ------
    ValueError
        If there is no such distribution.
    """
    if not 1 <= max_bits <= LARGEST_BITWIDTH:
        raise ValueError(f"the largest bitwidth must lie in 1..{LARGEST_BITWIDTH}, not {max_bits!r}")
    if not 0.0 < average_bits <= max_bits:
        raise ValueError(
            f"average bits must be above 0 and at most the largest bitwidth, {max_bits}, not {average_bits!r}"
        )
    known = _known_splits(max_bits)
    exact = round(average_bits * 10)
    if exact in known and math.isclose(exact, average_bits * 10):
        return known[exact]
    below = max(tenths for tenths in known if tenths < average_bits * 10)
    above = min(tenths for tenths in known if tenths > average_bits * 10)
    return _mixture(known[below], known[above], (average_bits * 10 - below) / (above - below))


def _known_splits(max_bits: int) -> dict[int, Distribution]:
    homogeneous: dict[int, Distribution] = {10 * bits: ((bits, 1.0),) for bits in range(max_bits + 1)}
    return homogeneous | {tenths: split for tenths, split in _SPLITS.items() if split[-1][0] <= max_bits}


def _mixture(low: Distribution, high: Distribution, share: float) -> Distribution:
    """Mix ``share`` of ``high`` into ``low``."""
    fractions = {bits: (1.0 - share) * fraction for bits, fraction in low}
    for bits, fraction in high:
        fractions[bits] = fractions.get(bits, 0.0) + share * fraction
    return tuple(sorted(fractions.items()))


def check_distribution(distribution: Distribution) -> Distribution:
    """Return ``distribution`` if it is well formed; raise ValueError saying what is wrong otherwise."""
    bits = [b for b, _ in distribution]
    if not bits or any(not 0 <= b <= LARGEST_BITWIDTH for b in bits) or max(bits) < 1:
        raise ValueError(f"bitwidths must lie in 0..{LARGEST_BITWIDTH} with one above 0, not {bits}")
    if any(a >= b for a, b in itertools.pairwise(bits)):
        raise ValueError(f"bitwidths must ascend, not {bits}")
    fractions = [f for _, f in distribution]
    if any(not 0.0 < f <= 1.0 for f in fractions) or not math.isclose(math.fsum(fractions), 1.0):
        raise ValueError(f"fractions must be positive with sum 1, not {fractions}")
    return distribution


def average_bits(distribution: Distribution) -> float:
    """Return the mean bitwidth ``sum_b b · p_b`` [bits per entry]."""
    return math.fsum(b * f for b, f in distribution)


def entry_counts(distribution: Distribution, n_entries: int) -> tuple[int, ...]:
    """Return how many of ``n_entries`` entries get each bitwidth: rounded, with the exact total."""
    cumulative = [
        round(math.fsum(f for _, f in distribution[: i + 1]) * n_entries) for i in range(len(distribution))
    ]
    cumulative[-1] = n_entries
    return tuple(b - a for a, b in zip([0, *cumulative], cumulative, strict=False))
