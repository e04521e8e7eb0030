"""How many steps a folded layer takes at every folding, without making a schedule for each of them.

A search over foldings asks for hundreds of step counts of one layer. They follow from which tiles of each
weight plane hold anything at all (:mod:`hbnn_hw.folding`); tiles of larger foldings are unions of smaller
ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.folding import Folding, divisors, occupied_tiles, spread
from hbnn_hw.planes import WORD_BITS, popcount, unpack
from hbnn_hw.weights import WeightPlanes

Tiles = NDArray[np.bool_]
"""Which parts of a weight matrix hold entries of a plane, (planes, row parts, column parts)."""


def full_steps(weights: WeightPlanes, folding: Folding) -> int:
    """Return the steps at one place if no word were left out: (rows / PE)·(columns / SIMD) a plane."""
    if folding.unrolled:
        return 1
    return weights.n_planes * (weights.rows // folding.pe) * (weights.columns // folding.simd)


@dataclass(slots=True, eq=False)
class StepCounts:
    """Steps of one layer by folding; counts are exactly those of :func:`hbnn_hw.folding.fold_schedule`.

    Attributes
    ----------
    weights
        The layer's planes and bit map.
    groups
        Groups of rows that see an input vector of their own each.
    """

    weights: WeightPlanes
    groups: int = 1
    _shared: bool = field(init=False)
    _by_columns: dict[int, Tiles] = field(init=False, default_factory=dict)
    _counts: dict[Folding, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        masks = self.weights.masks
        self._shared = bool((masks == masks[:, :1]).all())

    def steps(self, folding: Folding) -> int:
        """Return the steps at one place; ``folding`` must be legal and not unrolled."""
        if self.weights.is_homogeneous:
            return full_steps(self.weights, folding)
        if folding not in self._counts:
            self._counts[folding] = self._count(folding)
        return self._counts[folding]

    def _count(self, folding: Folding) -> int:
        row_folds, column_folds = self.weights.rows // folding.pe, self.weights.columns // folding.simd
        vectors = self.groups // spread(folding, self.weights.rows, self.groups)
        if WORD_BITS % folding.simd == 0:
            masks = self.weights.masks[:, :1] if self._shared else self.weights.masks
            counted = popcount(occupied_tiles(masks, 1 if self._shared else folding.pe, folding.simd))
        else:
            counted = self._tiles(folding).sum(axis=2, dtype=np.int64)
        occupied = np.broadcast_to(counted, (self.weights.n_planes, row_folds)).copy()
        # The first row fold of a vector reads it, occupied or not.
        occupied[0, :: row_folds // vectors] = column_folds
        # A row fold without any weight keeps one step.
        return int(np.maximum(occupied.sum(axis=0), 1).sum())

    def _tiles(self, folding: Folding) -> Tiles:
        tiles = self._column_parts(folding.simd)
        if self._shared:
            return tiles
        planes, rows, parts = tiles.shape
        cut: Tiles = np.any(tiles.reshape(planes, rows // folding.pe, folding.pe, parts), axis=2)
        return cut

    def _column_parts(self, simd: int) -> Tiles:
        """Occupied parts of ``simd`` columns by row, (planes, rows or 1, parts)."""
        if simd not in self._by_columns:
            self._by_columns[simd] = self._cut_columns(simd)
        return self._by_columns[simd]

    def _cut_columns(self, simd: int) -> Tiles:
        if simd == 1:
            masks = self.weights.masks[:, :1] if self._shared else self.weights.masks
            return unpack(masks, self.weights.columns).view(np.bool_)
        finer = divisors(simd)[-2]
        parts = self._column_parts(finer)
        cut: Tiles = np.any(parts.reshape(*parts.shape[:2], -1, simd // finer), axis=3)
        return cut
