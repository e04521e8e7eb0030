"""LUT6 sites: pairs are legal, and there are as many as possible."""

import itertools

import numpy as np
import pytest

from hbnn_hw.estimate.matching import maximum_matching
from hbnn_hw.estimate.pairing import paired_sites, site_pairs


def fewest_sites(luts, apart=frozenset()):
    """Maximum matching by trying everything; ``apart`` holds LUTs no two of which may share a site."""
    if not luts:
        return 0
    first, rest = luts[0], luts[1:]
    best = 1 + fewest_sites(rest, apart)
    for at, other in enumerate(rest):
        if len(first | other) <= 5 and not {id(first), id(other)} <= apart:
            best = min(best, 1 + fewest_sites(rest[:at] + rest[at + 1 :], apart))
    return best


@pytest.mark.parametrize("seed", range(20))
def test_no_pairing_needs_fewer_sites(seed):
    rng = np.random.default_rng(seed)
    nets = int(rng.integers(5, 12))
    luts = [
        frozenset(rng.choice(nets, rng.integers(1, min(nets, 7)), replace=False).tolist()) for _ in range(10)
    ]
    assert paired_sites(luts) == fewest_sites(luts)


@pytest.mark.parametrize("seed", range(20))
def test_luts_that_must_stay_apart_pair_with_the_others_alone(seed):
    rng = np.random.default_rng(seed)
    luts = [frozenset(rng.choice(7, rng.integers(1, 6), replace=False).tolist()) for _ in range(10)]
    apart = set(rng.permutation(10)[: rng.integers(1, 10)].tolist())
    pairs = site_pairs(luts, apart)
    assert not any({one, two} <= apart for one, two in pairs)
    assert len(luts) - len(pairs) == fewest_sites(luts, {id(luts[at]) for at in apart})


def test_pairs_of_a_large_design_are_legal_and_disjoint():
    rng = np.random.default_rng(1)
    luts = [
        frozenset(((rng.integers(900) + rng.integers(0, 9, rng.integers(1, 6))) % 900).tolist())
        for _ in range(2000)
    ]
    pairs = site_pairs(luts)
    used = [at for pair in pairs for at in pair]
    assert len(used) == len(set(used))
    assert all(len(luts[one] | luts[two]) <= 5 for one, two in pairs)
    assert paired_sites(luts) == 2000 - len(pairs)
    assert len(pairs) > 970


@pytest.mark.parametrize(
    ("sizes", "sites"),
    [
        ([6, 6], 2),
        ([5, 5], 2),
        ([2, 3], 1),
        ([4, 1], 1),
        ([4, 2], 2),
        ([3, 3], 2),
        ([1, 1, 1, 1], 2),
        ([0, 5], 1),
        ([2] * 50 + [3] * 50, 50),
        ([3] * 41 + [1] * 40, 41),
        ([], 0),
    ],
)
def test_luts_without_common_nets_pair_by_size(sizes, sites):
    nets = itertools.count()
    assert paired_sites(frozenset(next(nets) for _ in range(size)) for size in sizes) == sites


def graph(n_vertices, edges):
    neighbours = [[] for _ in range(n_vertices)]
    for one, two in edges:
        neighbours[one].append(two)
        neighbours[two].append(one)
    return neighbours


def largest(n_vertices, edges):
    """Pairs of a maximum matching by trying everything."""
    if not edges:
        return 0
    (one, two), rest = edges[0], edges[1:]
    apart = [edge for edge in rest if not {one, two} & set(edge)]
    return max(1 + largest(n_vertices, apart), largest(n_vertices, rest))


@pytest.mark.parametrize("seed", range(60))
def test_the_matching_is_a_maximum_one_also_through_blossoms(seed):
    rng = np.random.default_rng(seed)
    n_vertices = int(rng.integers(2, 11))
    possible = list(itertools.combinations(range(n_vertices), 2))
    edges = [possible[at] for at in rng.permutation(len(possible))[: rng.integers(1, 15)]]
    matching = maximum_matching(graph(n_vertices, edges))
    assert all(matching[other] == vertex for vertex, other in matching.items())
    assert all(tuple(sorted(pair)) in edges for pair in matching.items())
    assert len(matching) == 2 * largest(n_vertices, edges)


def test_a_bad_start_is_mended():
    path = graph(6, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)])
    assert len(maximum_matching(path, {1: 2, 2: 1, 3: 4, 4: 3})) == 6
