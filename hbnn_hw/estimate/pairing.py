"""LUT6 sites: two functions share one LUT6 through its outputs O5 and O6.

One routine for all designs. Which LUTs share a site is a maximum matching in the graph of the pairs that fit.
Source: Xilinx UG474, "Look-Up Table": two functions of at most five common inputs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import combinations

from hbnn_hw.estimate.matching import maximum_matching

PAIR_INPUTS = 5
"""Two functions share one LUT6 through O5 and O6 when they read at most five nets together (UG474)."""

RELATIVES = 24
"""Candidates with common nets that a LUT keeps for each size of partner."""

STRANGERS = 8
"""Candidates without regard to nets that a LUT keeps for each size of partner that always fits."""

Nets = frozenset[int]


def paired_sites(luts: Iterable[Nets]) -> int:
    """Count LUT6 sites when LUTs of at most five joint inputs share a site, pair by pair.

    Parameters
    ----------
    luts
        Set of nets that each logic LUT reads.

    Notes
    -----
    The fewest possible as long as no LUT has more candidates of a size than :data:`RELATIVES` and
    :data:`STRANGERS`, which bound the graph of large designs; never fewer than possible. A vendor packer,
    bound by placement, pairs fewer still.
    """
    listed = list(luts)
    small = [nets for nets in listed if len(nets) <= PAIR_INPUTS]
    return len(listed) - len(site_pairs(small))


def site_pairs(luts: Sequence[Nets], apart: AbstractSet[int] = frozenset()) -> list[tuple[int, int]]:
    """Pair LUTs of at most five inputs; returns their indices. No two of those in ``apart`` are paired."""
    free = [at for at in range(len(luts)) if at not in apart]
    neighbours = _candidates(luts, free)
    matching = maximum_matching(neighbours, _first_pairs(luts, neighbours))
    pairs = [(one, two) for one, two in matching.items() if one < two]
    return pairs + _stranger_pairs(luts, [at for at in free if at not in matching])


def _candidates(luts: Sequence[Nets], free: Sequence[int]) -> list[list[int]]:
    """Partners of every LUT that fit one site with it, the most closely related first."""
    edges: list[set[int]] = [set() for _ in luts]
    for one, two in (*_relatives(luts, free), *_strangers(luts, free)):
        edges[one].add(two)
        edges[two].add(one)
    return [
        sorted(found, key=lambda other: (len(luts[at] | luts[other]), -len(luts[other]), other))
        for at, found in enumerate(edges)
    ]


def _relatives(luts: Sequence[Nets], free: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Pairs of a LUT and a free one that fit because of common nets: a + b - 5 of sizes a + b > 5."""
    sizes = range(1, PAIR_INPUTS + 1)
    for size in sizes:
        for other in sizes:
            if size + other > PAIR_INPUTS:
                yield from _sharing(luts, free, size, other)


def _sharing(
    luts: Sequence[Nets], free: Sequence[int], size: int, other_size: int
) -> Iterator[tuple[int, int]]:
    """Pairs of LUTs of two sizes, the second one free, that share enough nets to fit."""
    common = size + other_size - PAIR_INPUTS
    holders: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for at in free:
        if len(luts[at]) == other_size:
            for part in combinations(sorted(luts[at]), common):
                holders[part].append(at)
    for at, nets in enumerate(luts):
        if len(nets) == size:
            parts = (holders.get(part, []) for part in combinations(sorted(nets), common))
            found = {other for holder in parts for other in _window(holder, at, RELATIVES) if other != at}
            yield from ((at, other) for other in found)


def _strangers(luts: Sequence[Nets], free: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Pairs of a LUT and a free one that fit whatever they read: at most five inputs in all."""
    by_size: dict[int, list[int]] = defaultdict(list)
    for at in free:
        by_size[len(luts[at])].append(at)
    for at, nets in enumerate(luts):
        for size in range(PAIR_INPUTS - len(nets) + 1):
            yield from ((at, other) for other in _window(by_size[size], at, STRANGERS) if other != at)


def _window(holder: Sequence[int], key: int, size: int) -> Iterable[int]:
    """All of a list, or ``size`` neighbours somewhere in it, so that its members are asked equally often."""
    if len(holder) <= size:
        return holder
    start = key * size % len(holder)
    return [holder[(start + step) % len(holder)] for step in range(size)]


def _first_pairs(luts: Sequence[Nets], neighbours: Sequence[Sequence[int]]) -> dict[int, int]:
    """Give the widest LUT first its closest free relative; little is left to do for the matching."""
    matching: dict[int, int] = {}
    for at in sorted(range(len(luts)), key=lambda at: (-len(luts[at]), len(neighbours[at]), at)):
        if at not in matching:
            partner = next((other for other in neighbours[at] if other not in matching), None)
            if partner is not None:
                matching[at], matching[partner] = partner, at
    return matching


def _stranger_pairs(luts: Sequence[Nets], lonely: Iterable[int]) -> list[tuple[int, int]]:
    """Pair what the bounded graph left over: widest with the widest that still fits."""
    by_size: dict[int, list[int]] = defaultdict(list)
    for at in lonely:
        by_size[len(luts[at])].append(at)
    pairs = []
    for wide, narrow in ((5, 0), (4, 1), (4, 0), (3, 2), (3, 1), (3, 0), (2, 2), (2, 1), (2, 0), (1, 1)):
        taken = min(len(by_size[wide]) // 2 if wide == narrow else len(by_size[wide]), len(by_size[narrow]))
        pairs += [(by_size[wide].pop(), by_size[narrow].pop()) for _ in range(taken)]
    return pairs
