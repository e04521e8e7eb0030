"""One step for several functions of integers, so that they can be summed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from hbnn_hw.lowering.fixed_point import exponent
from hbnn_hw.lowering.lines import Lines, Reals
from hbnn_hw.pieces import ends_of_pieces

LARGEST_EXACT = 1 << 50
"""Sums are exact as long as their operands stay below this magnitude."""

FINEST = 1 << 26
"""Where no step keeps them exact, it is this part of the largest operand, or finer.

Rounding is then off by at most 2**-27 of it: half a unit in the last place of float32.
"""


def common_step(parts: Sequence[Lines], *, with_offsets: bool) -> float:
    """Return the step between the integers that stand for several functions.

    The greatest number of which all slopes (and offsets) are multiples is taken, if the integers stay
    small enough; else the power of two that :data:`FINEST` asks for.
    """
    constants = [part.slopes for part in parts] + [part.offsets for part in parts if with_offsets]
    largest = max(_largest(part, with_offsets=with_offsets) for part in parts)
    if largest == 0:
        return 1.0
    exact = _greatest_divisor(np.concatenate([array.ravel() for array in constants]))
    if exact is not None and largest / exact < LARGEST_EXACT:
        return exact
    return 2.0 ** exponent(largest / FINEST)


def _largest(part: Lines, *, with_offsets: bool) -> float:
    """Return the largest magnitude that a function reaches."""
    points = ends_of_pieces(part.low, part.high, part.knees)
    values = part.values_at(points)
    if not with_offsets:
        values = values - part.offsets[0]
    return float(np.abs(values).max())


def _greatest_divisor(values: Reals) -> float | None:
    """Return the greatest number that divides all values without a remainder, if float64 holds it."""
    ratios = [Fraction(float(v)) for v in np.unique(np.abs(values)) if v]
    denominator = max((ratio.denominator for ratio in ratios), default=1)  # all are powers of two
    numerator = math.gcd(*(int(ratio * denominator) for ratio in ratios))
    if numerator == 0 or numerator.bit_length() > 53:
        return None
    return float(Fraction(numerator, denominator))
