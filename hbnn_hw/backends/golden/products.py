"""Exact integer matrix products in floating point, several rows of weights in one number.

A float32 product of integers is exact as long as no partial sum can reach 2**24, a float64 one below 2**53.
Sums of bits are much smaller, which leaves room for more than one of them: with the rows u and w of a matrix
in one row ``u + S w``, one product gives ``u x + S (w x)``, and where ``|u x| < S / 2``, rounding
``sum / S`` separates the two exactly. All of it is decided from the weights, for every possible input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.golden.values import EXACT_IN_FLOAT32, EXACT_IN_FLOAT64, Floats, float_type
from hbnn_hw.types import Planes

FLOAT64_COST = 2.2
"""Time of a float64 product over a float32 one's (dimensionless; measured, half as many lanes)."""

FEWEST_COLUMNS = 64
"""Shorter sums cost less than taking them apart."""


LARGEST_SUMS = 1 << 17
"""Sums that are taken apart at a time, which is done inside the second-level cache."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the elements of an input can be: ``low <= x <= high``, all odd or of any parity.

    Attributes
    ----------
    low, high
        Range, inclusive.
    odd
        Whether all are odd, as a sum of bipolar planes of odd total scale is.
    """

    low: int
    high: int
    odd: bool = False

    @classmethod
    def of_planes(cls, planes: Planes) -> Numbers:
        """Return what sums of bipolar planes can be."""
        return cls(-planes.largest, planes.largest, odd=bool(planes.largest % 2))

    @property
    def largest(self) -> int:
        """Largest magnitude."""
        return max(abs(self.low), abs(self.high))


def largest_sum(values: NDArray[np.int64], largest: int) -> int:
    """Bound sums, and so their parts, by ``max_r sum_j |W[r, j]| · max |x|``; weights (rows, columns)."""
    return int(np.abs(values).sum(axis=1).max(initial=0)) * largest


@dataclass(frozen=True, slots=True)
class _Digits:
    """How many sums share one number: ``n`` digits to the base ``2**shift`` in floats of ``dtype``."""

    n: int
    shift: int
    dtype: type[np.floating[Any]]

    @property
    def speed(self) -> float:
        """Sums per time, relative to float32 with one digit."""
        return self.n / (1.0 if self.dtype is np.float32 else FLOAT64_COST)


def _most_digits(largest: int, limit: int) -> tuple[int, int]:
    """Return the number of sums of magnitude ``largest`` below ``limit``, and the shift between them."""
    shift = (2 * largest).bit_length()
    n = 1
    while sum(largest << (shift * i) for i in range(n + 1)) < limit:
        n += 1
    return n, shift


def _digits(largest: int, n_rows: int, n_columns: int) -> _Digits:
    """Choose the fastest exact form of sums of magnitude up to ``largest``."""
    if n_columns < FEWEST_COLUMNS or not largest:
        return _Digits(1, 0, float_type(largest))
    options = []
    for dtype, limit in ((np.float32, EXACT_IN_FLOAT32), (np.float64, EXACT_IN_FLOAT64)):
        if largest < limit:
            n, shift = _most_digits(largest, limit)
            options.append(_Digits(min(n, n_rows), shift, dtype))
    return max(options, key=lambda digits: digits.speed)


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """A matrix that is ready for products with ``x = scale · u + offset``.

    Attributes
    ----------
    matrix
        float32 or float64 (columns, width): all rows of the weights, ``digits.n`` in each column.
    n_rows
        Rows of the weights.
    digits
        How the sums stand in one number.
    halved
        Whether the product takes ``(x - 1) / 2`` instead of x, which needs a bit less.
    row_sums
        Float (rows,), what halving leaves to add.
    dtype
        Of the sums, the smallest that holds them.
    """

    matrix: Floats
    n_rows: int
    digits: _Digits
    halved: bool
    row_sums: Floats
    dtype: type[np.floating[Any]]

    @classmethod
    def of(cls, values: NDArray[np.int64], numbers: Numbers) -> Product:
        """Prepare int64 weights (rows, columns) for inputs in a range."""
        n_rows, n_columns = values.shape
        weight, largest = largest_sum(values, 1), largest_sum(values, numbers.largest)
        whole = _digits(largest, n_rows, n_columns)
        halves = max(abs(numbers.low - 1), abs(numbers.high - 1)) // 2
        half = _digits(weight * halves, n_rows, n_columns)
        halved = numbers.odd and half.speed > whole.speed
        digits = half if halved else whole
        dtype = float_type(largest)
        row_sums = values.sum(axis=1).astype(dtype)
        return cls(_side_by_side(values, digits), n_rows, digits, halved, row_sums, dtype)

    @property
    def width(self) -> int:
        """Numbers in a row of sums before they are taken apart."""
        return int(self.matrix.shape[1])

    def operand(self, x: Floats) -> Floats:
        """Return what stands for inputs in the product, in its dtype."""
        if self.halved:
            # x is odd, so that both steps are exact.
            half = np.subtract(x, 1, dtype=self.matrix.dtype)
            half *= 0.5
            return half
        return x.astype(self.matrix.dtype, copy=False)

    def apply(self, x: Floats) -> Floats:
        """Multiply inputs (batch, columns): the sums (batch, rows)."""
        result = np.empty((len(x), self.n_rows), dtype=self.dtype)
        step = max(1, LARGEST_SUMS // self.width)
        for start in range(0, len(x), step):
            self.separate(self.operand(x[start : start + step]) @ self.matrix, result[start : start + step])
        return result

    def separate(self, sums: Floats, result: Floats) -> None:
        """Take sums (..., width) apart into ``result`` (..., rows); ``sums`` is used up."""
        width, lowest = self.width, result[..., : self.width]
        for digit in range(self.digits.n - 1, 0, -1):
            base = 2.0 ** (digit * self.digits.shift)
            high = sums * (1.0 / base)
            np.rint(high, out=high)
            part = result[..., digit * width : (digit + 1) * width]
            part[...] = high[..., : part.shape[-1]]
            high *= base
            np.subtract(sums, high, out=sums if digit > 1 else lowest, casting="same_kind")
        if self.digits.n == 1:
            lowest[...] = sums
        if self.halved:
            result *= 2
            result += self.row_sums


def _side_by_side(values: NDArray[np.int64], digits: _Digits) -> Floats:
    """Put ``digits.n`` rows into one: int64 (rows, columns) to floats (columns, ceil(rows / n))."""
    n_rows, n_columns = values.shape
    width = -(-n_rows // digits.n)
    result = np.zeros((n_columns, width), dtype=digits.dtype)
    for digit in range(digits.n):
        part = values[digit * width : (digit + 1) * width].T
        base = 2.0 ** (digit * digits.shift)
        result[:, : part.shape[1]] += np.multiply(part, base, dtype=digits.dtype)
    return result
