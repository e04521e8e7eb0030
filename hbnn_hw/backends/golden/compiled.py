"""Dot products in loops that numba compiles; importing this module needs the extra ``fast``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from hbnn_hw.backends.golden.tables import LANES, UNROLLED
from hbnn_hw.planes import Bits, Words


def _count_ones(typing_context: object, word: object) -> tuple[object, Callable[..., object]]:
    """Population count of a uint64, as LLVM's own instruction: it vectorizes."""

    def generate(
        context: object, builder: ir.IRBuilder, signature: object, arguments: Sequence[object]
    ) -> object:
        del context, signature
        return builder.ctpop(arguments[0])

    del typing_context, word
    return types.uint64(types.uint64), generate


count_ones: Callable[..., Any] = intrinsic(_count_ones)


def _differences(
    images: Words,
    weights: Words,
    masks: Words,
    scales: NDArray[np.int64],
    geometry: tuple[int, int, int, int],
    result: NDArray[np.int32],
) -> None:
    """Subtract twice the weighted number of unequal bits from every element of ``result``.

    ``result[n, r, c, o] -= 2 Σ_{p,q} scales[p, q] · popcount((W_p[o] ^ window_q[n, r, c]) & m_p[o])``.

    The innermost loop runs over the outputs, which the compiler vectorizes; a window's words are gathered
    once for all of them.

    Parameters
    ----------
    images
        uint64 (batch, input planes, rows, columns, words of a pixel).
    weights, masks
        uint64 (weight planes, words of a window, out); masks (weight planes, 0, 0) where all bits are there
        (tail bits of a word are 0 on both sides).
    scales
        int64 (weight planes, input planes).
    geometry
        (kernel rows, kernel columns, stride down, stride right).
    result
        int32 (batch, rows', columns', out).
    """
    kernel_rows, kernel_columns, down, right = geometry
    n_words, n_outputs = weights.shape[1:]
    n_pixel = images.shape[4]
    window = np.empty(n_words, np.uint64)
    counts = np.empty(n_outputs, np.uint64)
    masked = masks.shape[1] > 0
    for n in range(result.shape[0]):
        for r in range(result.shape[1]):
            for c in range(result.shape[2]):
                for q in range(images.shape[1]):
                    k = 0
                    for i in range(kernel_rows):
                        for j in range(kernel_columns):
                            for word in range(n_pixel):
                                window[k] = images[n, q, r * down + i, c * right + j, word]
                                k += 1
                    for p in range(weights.shape[0]):
                        for o in range(n_outputs):
                            counts[o] = 0
                        for k in range(n_words):
                            seen = window[k]
                            if masked:
                                for o in range(n_outputs):
                                    counts[o] += count_ones((weights[p, k, o] ^ seen) & masks[p, k, o])
                            else:
                                for o in range(n_outputs):
                                    counts[o] += count_ones(weights[p, k, o] ^ seen)
                        factor = 2 * scales[p, q]
                        for o in range(n_outputs):
                            result[n, r, c, o] -= factor * np.int64(counts[o])


differences = njit(nogil=True, error_model="numpy")(_differences)


def _add_chosen(
    columns: NDArray[np.int16],
    choices: Bits,
    combinations: NDArray[np.int16],
    groups_per_block: int,
    sums: NDArray[np.int32],
) -> None:
    """Add to every row's sums the combinations of columns that it chooses; see ``tables.py``.

    Parameters
    ----------
    columns
        Inputs, int16 (columns, LANES).
    choices
        uint8 (rows, groups), a multiple of UNROLLED groups.
    combinations
        int16 (entries, columns of a group).
    groups_per_block
        Groups whose sums stay in 16 bits; a multiple of UNROLLED.
    sums
        int32 (rows, LANES).
    """
    n_entries, together = combinations.shape
    n_rows, n_groups = choices.shape
    tables = np.empty((groups_per_block, n_entries, LANES), np.int16)
    total = np.empty(LANES, np.int16)
    for first in range(0, n_groups, groups_per_block):
        n = min(groups_per_block, n_groups - first)
        for g in range(n):
            for entry in range(n_entries):
                tables[g, entry] = 0
                for column in range(together):
                    weight = combinations[entry, column]
                    seen = columns[(first + g) * together + column]
                    for lane in range(LANES):
                        tables[g, entry, lane] += weight * seen[lane]
        for row in range(n_rows):
            total[:] = 0
            for g in range(0, n, UNROLLED):
                a, b = choices[row, first + g], choices[row, first + g + 1]
                c, d = choices[row, first + g + 2], choices[row, first + g + 3]
                for lane in range(LANES):
                    total[lane] += (
                        tables[g, a, lane]
                        + tables[g + 1, b, lane]
                        + tables[g + 2, c, lane]
                        + tables[g + 3, d, lane]
                    )
            for lane in range(LANES):
                sums[row, lane] += total[lane]


add_chosen = njit(nogil=True, error_model="numpy")(_add_chosen)
