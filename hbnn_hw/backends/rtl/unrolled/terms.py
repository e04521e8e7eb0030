"""A layer's rows as sums of few terms: recoding against a total that all rows share.

With ``T = sum o[j] u[j]`` for inputs u and an offset o[j] per column, a row is ``sum (W[j] + o[j]) u[j] -
T``. For weights ±1 and o = 1 the digits W + o are 0 and 2: half of the inputs leave the row. In general the
offsets are chosen to leave the fewest digits ±2**e (canonical signed digits), over the row or its negative.

Few rows do not pay for their total. Without it (o = 0) every column is in every row of ±1, and any four rows
share the sums of eight classes of columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.weights import WeightPlanes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Terms:
    """``row r = ± (sum of factor * (vectors[v] . u) - total_factors[r] * T)``.

    Attributes
    ----------
    vectors
        int8 (vectors, columns), entries -1, 0, 1.
    uses
        Per row the pairs (vector, factor).
    total
        o, int64 (columns,): ``T = o . u``.
    total_factors
        int64 (rows,).
    carriers
        bool (vectors,): vectors of factor ``2**carrier_shift`` that stand for their row's T as well.
    carrier_shift
        Their exponent.
    negated
        bool (rows,): which rows stand for their negative.
    """

    vectors: NDArray[np.int8]
    uses: tuple[tuple[tuple[int, int], ...], ...]
    total: NDArray[np.int64]
    total_factors: NDArray[np.int64]
    carriers: NDArray[np.bool_]
    carrier_shift: int
    negated: NDArray[np.bool_]


def naf_planes(values: NDArray[np.int64]) -> NDArray[np.int8]:
    """Write integers in canonical signed digits: int8 (digits, *shape), the least significant first."""
    rest = values.astype(np.int64)
    planes = []
    while rest.any():
        odd = rest & 1
        digit = odd * (2 - (rest & 3))
        planes.append(digit.astype(np.int8))
        rest = (rest - digit) >> 1
    return np.stack(planes) if planes else np.zeros((0, *values.shape), dtype=np.int8)


@cache
def _shortest_forms(value: int, n_digits: int) -> tuple[tuple[int, ...], ...]:
    """List the ways to write an integer in ``n_digits`` digits -1, 0, 1, as few of them as can be not 0."""
    if not n_digits:
        return () if value else ((),)
    choices = (1, -1) if value & 1 else (0,)
    forms = [
        (digit, *rest) for digit in choices for rest in _shortest_forms((value - digit) >> 1, n_digits - 1)
    ]
    fewest = min((sum(map(abs, form)) for form in forms), default=0)
    return tuple(form for form in forms if sum(map(abs, form)) == fewest)


def digit_planes(values: NDArray[np.int64]) -> NDArray[np.int8]:
    """Write integers in the fewest signed digits, in the planes where the most others have theirs.

    ``11 = 8 + 2 + 1`` has as many digits as the canonical ``16 - 4 - 1``. Full planes have more to share
    between rows than thin ones.

    Returns
    -------
    ndarray
        int8 (digits, *shape), the least significant first.
    """
    canonical = naf_planes(values)
    populations = np.count_nonzero(canonical, axis=tuple(range(1, canonical.ndim)))
    distinct, at = np.unique(values, return_inverse=True)

    def company(form: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        return int(np.abs(form) @ populations), form

    forms = [max(_shortest_forms(value, len(canonical)), key=company) for value in distinct.tolist()]
    table = np.array(forms, dtype=np.int8).reshape(len(distinct), len(canonical))
    planes = np.moveaxis(table[at.reshape(values.shape)], -1, 0)
    return planes[: int(np.flatnonzero(planes.any(axis=tuple(range(1, planes.ndim)))).max(initial=-1)) + 1]


def _digit_counts(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the digits of integers in canonical signed digits: the ones of ``3 v xor v``."""
    counts: NDArray[np.int64] = np.bitwise_count((3 * values) ^ values).astype(np.int64)
    return counts


def best_offsets(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose every column's offset among 0 and the magnitudes of its weights, int64 (columns,).

    The cost is the number of digits left in the column, over rows and their negatives.
    """
    candidates = np.unique(np.abs(values))
    costs = np.stack(
        [
            _digit_counts(values + offset).sum(axis=0) + _digit_counts(offset - values).sum(axis=0)
            for offset in (0, *candidates.tolist())
        ]
    )
    best: NDArray[np.int64] = np.concatenate([[0], candidates])[costs.argmin(axis=0)]
    return best


def integer_terms(values: NDArray[np.int64], has_total: bool = True) -> Terms:
    """Recode an integer matrix (rows, columns), digit plane by digit plane, with a total or without one."""
    rows = len(values)
    total = best_offsets(values) if has_total else np.zeros(values.shape[1], dtype=np.int64)
    plain, turned = _digit_counts(values + total).sum(axis=1), _digit_counts(total - values).sum(axis=1)
    negated = turned < plain
    planes = digit_planes(np.where(negated[:, np.newaxis], -values, values) + total)
    populations = np.count_nonzero(planes, axis=(1, 2)) if len(planes) else np.zeros(0, dtype=np.int64)
    carrier = int(populations.argmax()) if total.any() and len(planes) else -1
    vectors: list[NDArray[np.int8]] = []
    carriers: list[bool] = []
    uses: list[list[tuple[int, int]]] = [[] for _ in range(rows)]
    for exponent, plane in enumerate(planes):
        for row in range(rows):
            if plane[row].any() or exponent == carrier:
                uses[row].append((len(vectors), 1 << exponent))
                vectors.append(plane[row])
                carriers.append(exponent == carrier)
    carried = carrier >= 0
    return Terms(
        vectors=np.array(vectors, dtype=np.int8).reshape(len(vectors), values.shape[1]),
        uses=tuple(map(tuple, uses)),
        total=total,
        total_factors=np.full(rows, 0 if carried else 1, dtype=np.int64),
        carriers=np.array(carriers, dtype=np.bool_),
        carrier_shift=max(carrier, 0),
        negated=negated,
    )


def plane_terms(weights: WeightPlanes) -> Terms:
    """Recode planes with a coefficient per row and plane: every plane is counted once, then multiplied."""
    bits, masks = weights.unpacked_bits(), weights.unpacked_masks().astype(bool)
    rows, columns = weights.rows, weights.columns
    vectors: list[NDArray[np.int8]] = []
    uses: list[list[tuple[int, int]]] = [[] for _ in range(rows)]
    total_factors = np.zeros(rows, dtype=np.int64)
    for plane, row in np.ndindex(weights.n_planes, rows):
        sign, mask = bits[plane, row].astype(np.int8), masks[plane, row]
        factor = int(weights.coefficient_table()[plane, row])
        if not factor or not mask.any():
            continue
        if not mask.all():
            uses[row].append((len(vectors), factor))
            vectors.append((2 * sign - 1) * mask.astype(np.int8))
            continue
        is_turned = 2 * int(sign.sum()) > columns
        turn = -1 if is_turned else 1
        uses[row].append((len(vectors), 2 * turn * factor))
        total_factors[row] += turn * factor
        vectors.append(1 - sign if is_turned else sign)
    return Terms(
        vectors=np.array(vectors, dtype=np.int8).reshape(len(vectors), columns),
        uses=tuple(map(tuple, uses)),
        total=np.full(columns, int(total_factors.any()), dtype=np.int64),
        total_factors=total_factors,
        carriers=np.zeros(len(vectors), dtype=np.bool_),
        carrier_shift=0,
        negated=np.zeros(rows, dtype=np.bool_),
    )


def terms_of(weights: WeightPlanes, has_total: bool = True) -> Terms:
    """Recode a weight matrix; ``has_total`` does not matter to planes with a coefficient per row."""
    if weights.row_coefficients is not None and weights.n_planes > 1:
        return plane_terms(weights)
    return integer_terms(weights.values(), has_total)
