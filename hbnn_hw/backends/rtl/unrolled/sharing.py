"""Sub-sums that rows share.

A group of rows is a binary tree. Columns that have the same signs in all rows of a tree, up to a common sign,
are added up once; then the tree is cut into its halves, where more columns, now sums, agree. Two rows of ±1
recoded to subsets of half of n columns share n/4 of them; groups of four save about a third of all work.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.rtl.unrolled.chains import compress
from hbnn_hw.backends.rtl.unrolled.heap import Heap
from hbnn_hw.backends.rtl.unrolled.netlist import NetlistBuilder

Tree = int | tuple["Tree", "Tree"]
"""A row, or two groups of rows."""

SHARED_PRICE = 0.9
"""Bits that a LUT has to take away from a sum that both halves of a group read."""


def _members(tree: Tree) -> list[int]:
    return [tree] if isinstance(tree, int) else _members(tree[0]) + _members(tree[1])


def _tree(rows: Sequence[int]) -> Tree:
    """Cut a sequence in halves, and so on."""
    if len(rows) == 1:
        return rows[0]
    middle = (len(rows) + 1) // 2
    return (_tree(rows[:middle]), _tree(rows[middle:]))


def group_rows(vectors: NDArray[np.int8], size: int) -> list[Tree]:
    """Put vectors (n, columns) into groups of up to ``size``, greedily by the columns they have in common."""
    present = (vectors != 0).astype(np.float32)
    overlap = present @ present.T
    np.fill_diagonal(overlap, -1)
    free = np.ones(len(vectors), dtype=bool)
    groups: list[Tree] = []
    while free.any():
        candidates = np.flatnonzero(free)
        within = overlap[np.ix_(candidates, candidates)]
        first = int(candidates[within.max(axis=1).argmax()])
        group = [first]
        free[first] = False
        while len(group) < size and free.any():
            score = np.where(free, overlap[group].sum(axis=0), -1)
            best = int(score.argmax())
            group.append(best)
            free[best] = False
        groups.append(_tree(group))
    return groups


def shared_sums(
    builder: NetlistBuilder, tree: Tree, patterns: NDArray[np.int8], heaps: Sequence[Heap]
) -> dict[int, Heap]:
    """Build the sums of a group.

    Parameters
    ----------
    builder
        Takes the cells.
    tree
        The group; its rows are columns of ``patterns``.
    patterns
        int8 (items, vectors): the factor -1, 0 or 1 of every item in every row.
    heaps
        The items.

    Returns
    -------
    dict
        The heap of every row, not added up yet.
    """
    members = _members(tree)
    local = patterns[:, members]
    classes: dict[bytes, tuple[NDArray[np.int8], list[tuple[int, bool]]]] = {}
    for item in np.flatnonzero(local.any(axis=1)).tolist():
        pattern = local[item]
        negative = bool(pattern[np.flatnonzero(pattern)[0]] < 0)
        if negative:
            pattern = -pattern
        classes.setdefault(pattern.tobytes(), (pattern, []))[1].append((item, negative))
    sums = [_sum(heaps, parts) for _, parts in classes.values()]
    if isinstance(tree, int):
        return {tree: sums[0] if sums else Heap()}
    half = len(_members(tree[0]))
    merged = np.zeros((len(sums), patterns.shape[1]), dtype=np.int8)
    for at, (pattern, _) in enumerate(classes.values()):
        merged[at, members] = pattern
        if pattern[:half].any() and pattern[half:].any():
            sums[at] = compress(builder, sums[at], SHARED_PRICE)
    return {**shared_sums(builder, tree[0], merged, sums), **shared_sums(builder, tree[1], merged, sums)}


def _sum(heaps: Sequence[Heap], parts: Sequence[tuple[int, bool]]) -> Heap:
    total = Heap()
    for item, negative in parts:
        total.add(heaps[item], negative=negative)
    return total
