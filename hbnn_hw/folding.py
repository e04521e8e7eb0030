"""Folding: how a weight matrix is spread over PE × SIMD lanes and clock cycles.

Everything that the golden model, the HLS project and the RTL need to agree on is computed here once: the
order of steps, the weight, mask and threshold words of each step, and the cycle count.

A step processes, in every PE at once, ``simd`` columns of one weight plane against all input planes.
Steps run row fold by row fold, in each row fold plane by plane, in each plane column fold by column fold:

    for row_fold in 0 … rows/pe - 1:  for plane:  for column_fold in 0 … columns/simd - 1

A step whose mask is 0 in all PEs does nothing and is left out, which is how column- and tile-shared bit
maps turn a lower average bitwidth into fewer cycles. The steps of the first row fold's first plane always
stay: they read the input from the stream, all later steps read it from the buffer that these fill.

In a grouped layer each group of rows has an input vector of its own, which its first row fold reads. Where
a group has fewer rows than there are PEs, a step works on several groups at once (:func:`spread`).
Source: FINN's MVTU (Umuroglu et al. 2017) for the loop order of one plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import FoldingError
from hbnn_hw.planes import WORD_BITS, Bits, Words, unpack
from hbnn_hw.weights import WeightPlanes

LUT_ROM_DEPTH = 128
"""Deepest weight memory that goes to LUTs; deeper ones go to block RAM. Source: FINN-R, embedded weights."""

KERNEL_STAGES = 2
"""Stages of an unrolled layer's logic unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Folding:
    """Parallelism of one layer.

    Attributes
    ----------
    pe
        Processing elements: rows computed at once.
    simd
        Lanes per processing element: columns consumed at once.
    unrolled
        All rows, columns and planes at once, weights as constants in logic, one sample per clock; then
        ``pe`` is the number of rows and ``simd`` the number of columns.
    stages
        Pipeline stages of an unrolled layer's logic in RTL; HLS tools choose their own for the clock.
    """

    pe: int
    simd: int
    unrolled: bool = False
    stages: int = KERNEL_STAGES


def spread(folding: Folding, rows: int, groups: int) -> int:
    """Return how many groups of a layer one step works on: several if a group has fewer rows than PEs."""
    return max(1, folding.pe // (rows // groups))


def divisors(n: int) -> list[int]:
    """Return all divisors of ``n``, ascending."""
    return [d for d in range(1, n + 1) if n % d == 0]


def legal_pe(rows: int, groups: int = 1) -> list[int]:
    """Return the legal PE of a layer, ascending: parts of a group's rows, or whole groups."""
    group_rows = rows // groups
    return sorted({*divisors(group_rows), *(group_rows * n for n in divisors(groups))})


def check_folding(name: str, weights: WeightPlanes, folding: Folding, groups: int = 1) -> None:
    """Raise FoldingError, naming the layer and the legal values, unless PE and SIMD divide its shape."""
    for label, value, extent, what, legal in (
        ("PE", folding.pe, weights.rows, "rows", legal_pe(weights.rows, groups)),
        ("SIMD", folding.simd, weights.columns, "columns", divisors(weights.columns)),
    ):
        if value not in legal:
            of_groups = f" in {groups} groups" if groups > 1 else ""
            raise FoldingError(
                f"layer '{name}': {label} must divide its {extent} {what}{of_groups}, not {value}; "
                f"legal values: {', '.join(map(str, legal))}"
            )
    if folding.unrolled and (folding.pe, folding.simd) != (weights.rows, weights.columns):
        raise FoldingError(
            f"layer '{name}': an unrolled layer must have PE = {weights.rows}, SIMD = {weights.columns}"
        )
    if folding.stages < 1:
        raise FoldingError(
            f"layer '{name}': the stages of its logic must be at least 1, not {folding.stages}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class FoldSchedule:
    """The steps of one sample, or of one place of an image, in order; three int64 arrays (steps,).

    Attributes
    ----------
    row_fold, plane, column_fold
        Which rows, which weight plane and which columns each step works on.
    vector_row_folds
        Row folds that share an input vector: all, unless the layer is grouped.
    """

    row_fold: NDArray[np.int64]
    plane: NDArray[np.int64]
    column_fold: NDArray[np.int64]
    vector_row_folds: int

    @property
    def n_steps(self) -> int:
        """Clock cycles per sample."""
        return len(self.row_fold)

    @property
    def reads_stream(self) -> NDArray[np.bool_]:
        """Steps that take a word from the input stream, bool (steps,)."""
        reads: NDArray[np.bool_] = (self.row_fold % self.vector_row_folds == 0) & (self.plane == 0)
        return reads

    @property
    def first_of_row_fold(self) -> NDArray[np.bool_]:
        """Steps that start new accumulators, bool (steps,)."""
        return np.diff(self.row_fold, prepend=-1) > 0

    @property
    def last_of_row_fold(self) -> NDArray[np.bool_]:
        """Steps that finish the accumulators and emit an output beat, bool (steps,)."""
        return np.diff(self.row_fold, append=self.row_fold[-1] + 1) > 0


def _tiles(planes: Bits, folding: Folding) -> Bits:
    """Cut planes (P, rows, columns) into tiles (row_fold, P, column_fold, pe, simd)."""
    n_planes, rows, columns = planes.shape
    cut = planes.reshape(n_planes, rows // folding.pe, folding.pe, columns // folding.simd, folding.simd)
    return cut.transpose(1, 0, 3, 2, 4)


def occupied_tiles(masks: Words, pe: int, simd: int) -> Words:
    """Mark the first column of every tile that has an entry, without unpacking.

    Parameters
    ----------
    masks
        uint64 (planes, rows, words).
    pe, simd
        Rows and columns of a tile; PE divides the rows, SIMD the 64 bits of a word and the columns.

    Returns
    -------
    uint64 (planes, rows / pe, words)
    """
    planes, rows, words = masks.shape
    marked: Words = np.bitwise_or.reduce(masks.reshape(planes, rows // pe, pe, words), axis=2)
    shift = 1
    while shift < simd:
        # Bit i becomes the disjunction of twice as many bits from i on.
        marked = marked | marked >> np.uint64(shift)
        shift *= 2
    return marked & np.uint64(sum(1 << bit for bit in range(0, WORD_BITS, simd)))


def _occupied(weights: WeightPlanes, folding: Folding) -> NDArray[np.bool_]:
    """Tell which tiles have an entry, bool (row_fold, P, column_fold)."""
    if WORD_BITS % folding.simd:
        tiles: NDArray[np.bool_] = np.any(_tiles(weights.unpacked_masks(), folding), axis=(3, 4))
        return tiles
    marked = unpack(occupied_tiles(weights.masks, folding.pe, folding.simd), weights.columns)
    return marked[..., :: folding.simd].transpose(1, 0, 2).astype(np.bool_)


def fold_schedule(weights: WeightPlanes, folding: Folding, groups: int = 1) -> FoldSchedule:
    """Order the steps of one layer; see the module text for the law.

    ``folding`` must be legal for the weights (:func:`check_folding`) and not unrolled.
    """
    vectors = groups // spread(folding, weights.rows, groups)
    shared = weights.rows // folding.pe // vectors
    occupied = _occupied(weights, folding)
    occupied[::shared, 0, :] = True
    # A row fold without any weight still has to emit its (constant) output: keep one step of it.
    empty: NDArray[np.bool_] = ~np.any(occupied, axis=(1, 2))
    occupied[empty, 0, 0] = True
    row_fold, plane, column_fold = np.nonzero(occupied)
    return FoldSchedule(
        row_fold.astype(np.int64), plane.astype(np.int64), column_fold.astype(np.int64), shared
    )


def weight_words(weights: WeightPlanes, folding: Folding, schedule: FoldSchedule) -> tuple[Bits, Bits]:
    """Return the weight and mask bits of every step, two uint8 arrays (steps, pe, simd)."""
    at = (schedule.row_fold, schedule.plane, schedule.column_fold)
    return _tiles(weights.unpacked_bits(), folding)[at], _tiles(weights.unpacked_masks(), folding)[at]


def fold_rows(table: NDArray[np.int64], folding: Folding) -> NDArray[np.int64]:
    """Cut a per-row table (rows, ...) into (row_folds, pe, ...): row ``f * pe + i`` belongs to PE i."""
    return table.reshape(table.shape[0] // folding.pe, folding.pe, *table.shape[1:])
