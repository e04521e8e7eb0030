"""Heterogeneous bit maps: which entry of a tensor gets how many bits (HBNN Algorithm 1 and eq. 6)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from enum import Enum
from typing import TypeAlias

import torch
from torch import Tensor

LARGEST_BITWIDTH = 8
"""Planes that a map may ask for; the paper uses up to 3."""

Distribution: TypeAlias = tuple[tuple[int, float], ...]
"""P of the paper: (bits, fraction of the entries), bits ascending, fractions positive with sum 1."""

_SPLITS: dict[int, Distribution] = {
    10: ((1, 1.0),),
    11: ((1, 0.9), (2, 0.1)),
    12: ((1, 0.9), (3, 0.1)),
    13: ((1, 0.7), (2, 0.3)),
    14: ((1, 0.7), (2, 0.2), (3, 0.1)),
    15: ((1, 0.5), (2, 0.5)),
    16: ((1, 0.6), (2, 0.2), (3, 0.2)),
    17: ((1, 0.5), (2, 0.3), (3, 0.2)),
    18: ((1, 0.4), (2, 0.4), (3, 0.2)),
    19: ((1, 0.4), (2, 0.3), (3, 0.3)),
    20: ((2, 1.0),),
    30: ((3, 1.0),),
}
"""Tenths of average bits to P. Source: HBNN Fig. 2a's axis; 1, 2 and 3 bits are homogeneous."""


class Heuristic(Enum):
    """Order in which entries are served, fewest bits first (HBNN eq. 6)."""

    MIDDLE_OUT = "middle_out"
    """Magnitudes closest to the mean magnitude first. The paper prints ``sort(|T| - mean|T|)``, which
    would equal bottom-up; its text and figures need the absolute value of that difference."""
    TOP_DOWN = "top_down"
    """Large magnitudes first."""
    BOTTOM_UP = "bottom_up"
    """Small magnitudes first."""
    RANDOM = "random"
    """A fixed random permutation, the paper's control."""


def _middle_out(magnitudes: Tensor) -> Tensor:
    return (magnitudes - magnitudes.mean()).abs()


def _random(magnitudes: Tensor) -> Tensor:
    # A seed of its own: with one that also drew the weights, the "random" order would follow them.
    return torch.rand(magnitudes.shape, generator=torch.Generator().manual_seed(0x48424E4E))


_KEYS: dict[Heuristic, Callable[[Tensor], Tensor]] = {
    Heuristic.MIDDLE_OUT: _middle_out,
    Heuristic.TOP_DOWN: torch.neg,
    Heuristic.BOTTOM_UP: torch.Tensor.clone,
    Heuristic.RANDOM: _random,
}
"""Magnitudes of the entries still to be served (n,) to sort keys (n,), smallest served first."""


def dist_from_avg(average_bits: float) -> Distribution:
    """Give the paper's distribution P for an average bitwidth (``DistFromAvg`` of Algorithm 1).

    Parameters
    ----------
    average_bits
        One of 1.0, 1.1, ..., 1.9, 2.0, 3.0 [bits per entry].

    Raises
    ------
    ValueError
        For any other average: the paper found its splits by a sweep and gives no formula.
    """
    tenths = round(average_bits * 10) if math.isfinite(average_bits) else 0
    if tenths not in _SPLITS or not math.isclose(tenths, average_bits * 10):
        known = ", ".join(str(key / 10) for key in _SPLITS)
        raise ValueError(
            f"average bits must be one of {known}, not {average_bits!r}; "
            "for another average give the distribution itself as (bits, fraction) pairs"
        )
    return _SPLITS[tenths]


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


@torch.no_grad()
def generate_bit_map(
    weights: Tensor, distribution: Distribution, heuristic: Heuristic = Heuristic.MIDDLE_OUT
) -> Tensor:
    """Assign every entry its number of bits: HBNN Algorithm 1 with one map entry per weight.

    Parameters
    ----------
    weights
        Float tensor T of any shape, at least one entry.
    distribution
        P as (bits, fraction) pairs, bits ascending.
    heuristic
        Order in which entries are served.

    Returns
    -------
    Tensor
        uint8, the shape of ``weights``: M, the number of bits of each entry.

    Raises
    ------
    ValueError
        If the distribution is malformed.

    Notes
    -----
    As printed, Algorithm 1 both removes the served entries and advances its offset, which would skip
    entries. Here what is left is sorted again and its first ``p_b · N`` entries are served, which
    reproduces the paper's Fig. 2a. The sort is stable, so that ties fall the same way everywhere.
    """
    magnitudes = weights.detach().abs().flatten()
    bit_map = torch.zeros(magnitudes.shape, dtype=torch.uint8)
    remaining = torch.arange(magnitudes.numel())
    counts = entry_counts(check_distribution(distribution), magnitudes.numel())
    for (bits, _), count in zip(distribution, counts, strict=True):
        if count == 0:
            continue
        order = torch.sort(_KEYS[heuristic](magnitudes[remaining]), stable=True).indices
        bit_map[remaining[order[:count]]] = bits
        # Ascending positions keep the stable sort's tie rule: the earlier entry is served first.
        remaining = remaining[order[count:]].sort().values
    return bit_map.reshape(weights.shape)
