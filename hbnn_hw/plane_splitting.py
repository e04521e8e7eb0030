"""Integer matrices as bit-planes, exactly and with few planes."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.planes import code_to_bits
from hbnn_hw.weights import WeightPlanes

INTEGER_LIMIT = 1 << 31
"""No weight may reach this magnitude: sums travel as int32 at most."""


def planes_of_integers(values: NDArray[np.int64]) -> WeightPlanes:
    """Write a matrix as planes whose coefficients are a common divisor times powers of two.

    With g the greatest common divisor and m the largest ``|values / g|``, ``m.bit_length()`` planes are
    enough, and no fewer consecutive powers of two reach m. If all quotients are odd, every entry has every
    plane (``2 * code - (2**n - 1)``, as activations have it) and no map is stored. Otherwise every entry has
    as few planes as any sum of these powers with signs allows: 0 has none, and 7 is 8 - 1 where there is an
    8. Powers that no entry has make no plane.

    Parameters
    ----------
    values
        int64 (rows, columns).

    Returns
    -------
    WeightPlanes
        With ``values()`` equal to the matrix; the largest coefficient comes first.

    Raises
    ------
    ShapeError
        If the values are no int64 matrix with entries.
    RangeError
        If a magnitude reaches 2**31.
    """
    if values.dtype != np.int64 or values.ndim != 2 or not values.size:
        raise ShapeError(f"weights must be int64 (rows, columns), not {values.dtype} {values.shape}")
    low, high = int(values.min()), int(values.max())
    if max(-low, high) >= INTEGER_LIMIT:
        raise RangeError(f"weights must stay below 2**31, not reach from {low} to {high}")
    divisor = max(1, int(np.gcd.reduce(values, axis=None)))
    quotients = values // divisor
    n_planes = max(1, (max(-low, high) // divisor).bit_length())
    is_odd = bool((quotients % 2 == 1).all())
    digits = _odd_digits(quotients, n_planes) if is_odd else _fewest_digits(quotients, n_planes)
    used = [p for p in reversed(range(n_planes)) if digits[p].any()] or [0]
    return WeightPlanes.from_bits(digits[used] > 0, digits[used] != 0, [divisor << p for p in used])


def _odd_digits(values: NDArray[np.int64], n_digits: int) -> NDArray[np.int8]:
    """Write odd numbers with digits -1 and +1, int8 (digits, rows, columns), lowest first."""
    codes = (values[np.newaxis] + (1 << n_digits) - 1) // 2
    digits: NDArray[np.int8] = 2 * code_to_bits(codes, n_digits)[0].astype(np.int8) - 1
    return digits


def _fewest_digits(values: NDArray[np.int64], n_digits: int) -> NDArray[np.int8]:
    """Write numbers with digits -1, 0 and +1, as few of them not 0 as possible; lowest first.

    It is the non-adjacent form where that fits into the digits, found from the top: a digit is used for what
    is nearer to it than to 0 by more than the lower digits reach without neighbours.
    """
    digits = np.zeros((n_digits, *values.shape), dtype=np.int8)
    rest = values.copy()
    for p in reversed(range(n_digits)):
        digits[p] = np.sign(rest) * (3 * np.abs(rest) > 2 << p)
        rest -= digits[p].astype(np.int64) << p
    return digits


def share_coefficients(weights: WeightPlanes) -> WeightPlanes:
    """Write planes whose coefficient differs from row to row as planes with one coefficient each.

    A coefficient needs as many planes as one row has it in at most; rows that do not have it are masked.
    Where the binary digits of the values need fewer planes, they are taken: :func:`planes_of_integers`.
    The encoding of encoded weights is lost, because it does not tell the new planes.

    Returns
    -------
    WeightPlanes
        The same matrix; the same object if all rows of a plane share a coefficient already.

    Raises
    ------
    RangeError
        If a weight could reach 2**31.
    """
    if weights.row_coefficients is None:
        return weights
    table = weights.row_coefficients
    largest = int(table.sum(axis=0).max())
    if largest >= INTEGER_LIMIT:
        raise RangeError(f"weights must stay below 2**31, but these could reach {largest}")
    coefficients = _needed(table)
    if len(coefficients) > largest.bit_length():
        return planes_of_integers(weights.values())
    return _dealt(weights, table, coefficients)


def _needed(table: NDArray[np.int64]) -> tuple[int, ...]:
    """Return the shared coefficients that hold every row's, largest first; (1,) if all are 0."""
    most: Counter[int] = Counter()
    for row in table.T:
        most |= Counter(int(c) for c in row if c)
    return tuple(sorted(most.elements(), reverse=True)) or (1,)


def _dealt(weights: WeightPlanes, table: NDArray[np.int64], coefficients: tuple[int, ...]) -> WeightPlanes:
    """Give every row of every plane a place in a plane of its coefficient that the row has not taken yet."""
    shape = (len(coefficients), *weights.bits.shape[1:])
    bits, masks = np.zeros(shape, dtype=np.uint64), np.zeros(shape, dtype=np.uint64)
    for row in range(weights.rows):
        free = list(range(len(coefficients)))
        for plane in range(weights.n_planes):
            if table[plane, row]:
                place = next(p for p in free if coefficients[p] == table[plane, row])
                free.remove(place)
                bits[place, row], masks[place, row] = weights.bits[plane, row], weights.masks[plane, row]
    return WeightPlanes(bits=bits, masks=masks, coefficients=coefficients, columns=weights.columns)
