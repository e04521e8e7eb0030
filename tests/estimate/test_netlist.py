import itertools

import numpy as np
import pytest

from hbnn_hw.estimate.netlist import CellCounts, add_counts, count_instances, count_module, paired_sites


def fewest_sites(luts: list[frozenset[int]]) -> int:
    """Maximum matching by trying everything."""
    if not luts:
        return 0
    first, rest = luts[0], luts[1:]
    best = 1 + fewest_sites(rest)
    for at, other in enumerate(rest):
        if len(first | other) <= 5:
            best = min(best, 1 + fewest_sites(rest[:at] + rest[at + 1 :]))
    return best


@pytest.mark.parametrize("seed", range(12))
def test_pairing_is_legal_and_near_the_maximum_matching(seed):
    rng = np.random.default_rng(seed)
    luts = [frozenset(int(n) for n in rng.choice(9, rng.integers(1, 7), replace=False)) for _ in range(9)]
    best = fewest_sites(luts)
    assert best <= paired_sites(luts) <= best + 1


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
        ([], 0),
    ],
)
def test_luts_without_common_nets_pair_by_size(sizes, sites):
    nets = itertools.count()
    assert paired_sites(frozenset(next(nets) for _ in range(size)) for size in sizes) == sites


def cell(kind: str, *nets: int) -> dict[str, object]:
    return {"type": kind, "connections": {f"I{at}": [net] for at, net in enumerate(nets)} | {"O": [99]}}


MODULES = {
    "leaf": {"attributes": {}, "cells": {"a": cell("LUT2", 1, 2), "b": cell("FDRE", 3), "c": cell("RAM32M")}},
    "top": {
        "attributes": {},
        "cells": {
            "u": cell("leaf"),
            "v": cell("leaf"),
            "d": cell("LUT6", 1, 2, 3, 4, 5, 6),
            "e": cell("LUT6_2", 1, 2, 3, 4, 5),
            "f": cell("RAMB18E1"),
        },
    },
    "LUT2": {"attributes": {"blackbox": "1"}, "cells": {}},
}


def test_a_module_is_counted_with_all_instances_below_it():
    counts = count_module(MODULES, "top")
    assert (counts.lut2, counts.lut6, counts.lutram, counts.flip_flops, counts.bram18) == (2, 2, 8, 2, 1)
    assert (counts.logic_luts, counts.luts, counts.sites, counts.bram36_equivalent) == (4, 12, 12, 0.5)
    assert CellCounts(**counts.document()) == counts


def test_instances_and_own_cells_add_up_to_the_whole():
    instances = count_instances(MODULES, "top")
    assert set(instances) == {"", "u", "v"}
    assert add_counts(instances.values()) == count_module(MODULES, "top")
