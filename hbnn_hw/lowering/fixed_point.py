"""Real numbers to integers that are a step apart: the one place where activations are rounded."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.lowering.lines import Lines, Reals
from hbnn_hw.pieces import PRODUCT_LIMIT, ends_of_pieces


@dataclass(frozen=True, slots=True, eq=False)
class FixedPoint:
    """``(multipliers[k, c] · x + offsets[k, c]) >> shift``, in ``low … high``.

    ``multipliers`` and ``offsets`` are int64 (pieces, channels); offsets hold the half that rounds to the
    nearest.
    """

    multipliers: NDArray[np.int64]
    offsets: NDArray[np.int64]
    shift: int
    low: int
    high: int


FINER = 8
"""Fixed-point numbers are so much finer than plane scales: their bits cost adders, not popcounts."""


def step_for(spread: Reals, scale_error: float) -> float:
    """Return the step of fixed-point numbers that vary by ``spread``: a power of two.

    It is at most ``scale_error / FINER`` of the root mean square, so that rounding to the nearest multiple is
    off by at most half of that.
    """
    largest = scale_error / FINER * root_mean_square(spread)
    return 2.0 ** exponent(largest) if largest > 0 else 1.0


def root_mean_square(spread: Reals) -> float:
    """Return the root of the mean square, the same on every machine."""
    return math.sqrt(math.fsum(s * s for s in spread.tolist()) / spread.size)


def exponent(x: float) -> int:
    """Return the exponent of the largest power of two that is at most ``x``, exactly."""
    return math.frexp(x)[1] - 1


def fixed_point(lines: Lines, step: float) -> FixedPoint:
    """Find the fixed-point form of ``lines / step``.

    The fewest fraction bits are taken with which no constant is rounded at all; failing that, as many as keep
    the error of the constants, over the whole range of x, below half a step.
    """
    slopes, offsets = lines.slopes / step, lines.offsets / step
    magnitude = max(-lines.low, lines.high)
    most = _most_bits(slopes, offsets, magnitude)
    enough = min(most, (magnitude + 1).bit_length() + 1)
    exact = (bits for bits in range(enough) if is_whole(slopes, bits) and is_whole(offsets, bits))
    shift = next(exact, enough)
    multipliers = np.rint(slopes * 2.0**shift).astype(np.int64)
    half = 1 << shift >> 1
    rounded = np.rint(offsets * 2.0**shift).astype(np.int64) + half
    x = ends_of_pieces(lines.low, lines.high, lines.knees)
    index = (x[:, np.newaxis, :] >= lines.knees[np.newaxis]).sum(axis=1)
    columns = np.arange(lines.channels)
    reached = (multipliers[index, columns] * x + rounded[index, columns]) >> shift
    return FixedPoint(multipliers, rounded, shift, int(reached.min()), int(reached.max()))


def is_whole(values: Reals, bits: int) -> bool:
    """Tell whether all values are multiples of ``2**-bits``."""
    scaled = values * 2.0**bits
    return bool((scaled == np.rint(scaled)).all())


def _most_bits(slopes: Reals, offsets: Reals, magnitude: int) -> int:
    """Return how many fraction bits leave every product below the limit of the operator."""
    largest = float(np.abs(slopes).max()) * magnitude + float(np.abs(offsets).max()) + 1.0
    return max(0, exponent(PRODUCT_LIMIT / 4 / largest))
