"""Sub-sums of any two rows, without groups of rows.

The two rows that have the most in common, up to a common sign, share the sum of it: it leaves both, stands as
a row of its own, and may share with further rows. That goes on until no two rows share enough. Sparse rows,
the higher planes of element maps, find partners in this way that no fixed group has.

Source: Hartley, "Subexpression Sharing in Filters Using Canonic Signed Digit Multipliers" (1996), shares the
most frequent pair of columns in this way; here it is pairs of rows, which suits sums of many columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.rtl.unrolled.chains import compress
from hbnn_hw.backends.rtl.unrolled.heap import Heap
from hbnn_hw.backends.rtl.unrolled.netlist import NetlistBuilder
from hbnn_hw.backends.rtl.unrolled.sharing import SHARED_PRICE

PAIRS = 0
"""Stands for this way of sharing where a number of rows is chosen."""

FEWEST_ITEMS = 3
"""Items that two rows must have in common: two items are not fewer bits than their sum."""


@dataclass(frozen=True, slots=True)
class _Use:
    """A shared sum in a row or in another sum."""

    user: int
    sum: int
    negative: bool


class _Pool:
    """Rows and shared sums as vectors of digits, and how much any two of them have in common.

    Parameters
    ----------
    vectors
        int8 (vectors, items), entries -1, 0, 1.
    sizes
        int64 (items,): the bits of each.

    Attributes
    ----------
    digits
        float32 (at least ``count``, items): what is left of each vector. Sums of them are exact.
    count
        Vectors so far.
    """

    def __init__(self, vectors: NDArray[np.int8], sizes: NDArray[np.int64]) -> None:
        self.digits = vectors.astype(np.float32)
        self._magnitudes = np.abs(self.digits)
        self.count = len(vectors)
        self._sizes = sizes.astype(np.float32)
        self._common = np.zeros((self.count, self.count), dtype=np.float32)
        for at in range(self.count):
            self._common[at] = self._compare(at)
        self._partners = self._common.argmax(axis=1)

    def _compare(self, at: int) -> NDArray[np.float32]:
        """Count the bits that a vector has in common with all, by equal or by opposite signs."""
        digits = self.digits[: self.count]
        sized = digits[at] * self._sizes
        # einsum has one thread; those of a matrix product wait for each other on a machine that does more.
        difference = np.einsum("ij,j->i", digits, sized)
        both = np.einsum("ij,j->i", self._magnitudes[: self.count], np.abs(sized))
        common: NDArray[np.float32] = (both + np.abs(difference)) / 2
        common[at] = 0
        return common

    def closest(self) -> tuple[int, int, float]:
        """Return the two vectors that have the most in common, and how many bits that is."""
        rows = np.arange(self.count)
        best = self._common[rows, self._partners[: self.count]]
        first = int(best.argmax())
        return first, int(self._partners[first]), float(best[first])

    def share(self, first: int, second: int) -> tuple[_Use, _Use]:
        """Move what two vectors have in common to a vector of its own."""
        one, other = self.digits[first].copy(), self.digits[second].copy()
        negative = bool((one * other) @ self._sizes < 0)
        shared = np.where((one != 0) & (one == (-other if negative else other)), one, 0)
        self._append(shared)
        added = self.count - 1
        self.digits[first] -= shared
        self.digits[second] -= -shared if negative else shared
        self._magnitudes[[first, second]] = np.abs(self.digits[[first, second]])
        self._refresh(first, second, added)
        return _Use(first, added, False), _Use(second, added, negative)

    def _append(self, vector: NDArray[np.float32]) -> None:
        if self.count == len(self._common):
            room = self.count
            self.digits = np.pad(self.digits, ((0, room), (0, 0)))
            self._magnitudes = np.pad(self._magnitudes, ((0, room), (0, 0)))
            self._common = np.pad(self._common, ((0, room), (0, room)))
            self._partners = np.pad(self._partners, (0, room))
        self.digits[self.count] = vector
        self._magnitudes[self.count] = np.abs(vector)
        self.count += 1

    def _refresh(self, *changed: int) -> None:
        """Compare changed vectors with all, and find new partners where the old ones may have lost."""
        for at in changed:
            common = self._compare(at)
            self._common[at, : self.count] = common
            self._common[: self.count, at] = common
        partners = self._partners[: self.count]
        stale = np.isin(partners, changed)
        stale[list(changed)] = True
        partners[stale] = self._common[: self.count][stale, : self.count].argmax(axis=1)
        rows = np.arange(self.count)
        for at in changed:
            gained = self._common[rows, at] > self._common[rows, partners]
            partners[gained] = at


def paired_sums(
    builder: NetlistBuilder, patterns: NDArray[np.int8], heaps: Sequence[Heap]
) -> dict[int, Heap]:
    """Build the sums of rows.

    Parameters
    ----------
    builder
        Takes the cells.
    patterns
        int8 (items, rows): the factor -1, 0 or 1 of every item in every row.
    heaps
        The items.

    Returns
    -------
    dict
        The heap of every row, not added up yet.
    """
    sizes = np.array([heap.n_bits for heap in heaps])
    pool = _Pool(np.ascontiguousarray(patterns.T), sizes)
    fewest = FEWEST_ITEMS * int(sizes[sizes > 0].min(initial=1 << 20))
    uses: dict[int, list[_Use]] = {}
    while pool.count > 1:
        first, second, bits = pool.closest()
        if bits < fewest:
            break
        for use in pool.share(first, second):
            uses.setdefault(use.user, []).append(use)
    sums: dict[int, Heap] = {}
    # A sum reads only sums that were made later.
    for at in range(pool.count - 1, -1, -1):
        total = Heap()
        for item in np.flatnonzero(pool.digits[at]).tolist():
            total.add(heaps[item], negative=bool(pool.digits[at, item] < 0))
        for use in uses.get(at, ()):
            total.add(sums[use.sum], negative=use.negative)
        is_shared = at >= patterns.shape[1]
        sums[at] = compress(builder, total, SHARED_PRICE) if is_shared else total
    return {row: sums[row] for row in range(patterns.shape[1])}
