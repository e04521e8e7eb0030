"""Real plane scales to integers: the one place where rounding of μ is decided.

Source: HBNN eq. 4-5 give real, positive scales μ_p per bit plane. Hardware multiplies plane sums by
small integers c_p instead, with one real factor s per layer that folds into the next affine:
``μ_p ≈ s · c_p``. A binary layer has one plane and therefore c = (1,), exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

from hbnn_hw.errors import RangeError

DEFAULT_SCALE_ERROR = 0.04
"""Default bound on the relative error of each plane scale (dimensionless)."""

LARGEST_COEFFICIENT = 1 << 12
"""No bound is ever met with coefficients above this; it keeps accumulators inside 32 bits."""


class ScaleForm(Enum):
    """What plane coefficients may be."""

    INTEGERS = "integers"
    """The smallest integers that meet the error bound."""
    POWERS_OF_TWO = "powers-of-two"
    """Powers of two, whatever their error: hardware shifts in the place of multiplying."""


@dataclass(frozen=True, slots=True)
class IntegerScales:
    """Integer plane coefficients with their common real factor.

    Attributes
    ----------
    coefficients
        c_p >= 1, one per plane, without a common divisor.
    factor
        s, the real factor (dimensionless): ``μ_p ≈ factor * coefficients[p]``.
    relative_error
        max_p |factor·c_p - μ_p| / μ_p, as achieved.
    """

    coefficients: tuple[int, ...]
    factor: float
    relative_error: float


def integer_scales(mu: Sequence[float], bound: float = DEFAULT_SCALE_ERROR) -> IntegerScales:
    """Find the smallest integer coefficients that approximate plane scales within an error bound.

    Parameters
    ----------
    mu
        Plane scales μ_p, all finite and positive, in plane order.
    bound
        Largest allowed relative error of any plane's scale (dimensionless), between 0 and 1.

    Returns
    -------
    IntegerScales
        The solution with the smallest largest coefficient; ties go to the smaller error.

    Raises
    ------
    RangeError
        If a scale is not finite and positive, or no coefficients up to 2**12 meet the bound.

    Notes
    -----
    Computed in exact rational arithmetic, so that every machine finds the same integers.
    """
    exact = _checked(mu)
    if not 0.0 < bound < 1.0:
        raise RangeError(f"the scale error bound must lie between 0 and 1, not {bound!r}")
    # The smallest scale has a coefficient of at least 1, which bounds the largest one from below.
    fewest = ceil((1 - Fraction(bound)) * max(exact) / ((1 + Fraction(bound)) * min(exact)))
    for top in range(max(1, fewest), LARGEST_COEFFICIENT + 1):
        best = min((_fit(exact, c) for c in _roundings(exact, top)), key=lambda fit: fit.relative_error)
        if best.relative_error <= bound:
            return best
    raise RangeError(
        f"no integer plane scales up to {LARGEST_COEFFICIENT} approximate {list(mu)} within {bound}"
    )


def power_of_two_scales(mu: Sequence[float]) -> IntegerScales:
    """Find the powers of two, with their common real factor, that approximate plane scales best.

    Parameters
    ----------
    mu
        Plane scales μ_p, all finite and positive, in plane order.

    Returns
    -------
    IntegerScales
        The solution with the smallest largest relative error, which is at most 1/3.

    Raises
    ------
    RangeError
        If a scale is not finite and positive, or two are further apart than 2**12.
    """
    exact = _checked(mu)
    exponents = [_exponent(m) for m in exact]
    mantissas = [m / Fraction(2) ** e for m, e in zip(exact, exponents, strict=True)]
    # Any common factor lets the mantissas below some cut take part as their doubles.
    fits = []
    for cut in sorted(set(mantissas)):
        lowered = [e - (m < cut) for m, e in zip(mantissas, exponents, strict=True)]
        fits.append(_fit(exact, tuple(1 << e - min(lowered) for e in lowered)))
    best = min(fits, key=lambda fit: (fit.relative_error, max(fit.coefficients)))
    if max(best.coefficients) > LARGEST_COEFFICIENT:
        raise RangeError(f"plane scales must be within a factor of {LARGEST_COEFFICIENT}, not {list(mu)}")
    return best


def _exponent(m: Fraction) -> int:
    """Return e with ``2**e <= m < 2**(e + 1)``, exactly."""
    e = m.numerator.bit_length() - m.denominator.bit_length()
    return e if m >= Fraction(2) ** e else e - 1


def fit_scales(mu: Sequence[float], bound: float, form: ScaleForm) -> IntegerScales:
    """Return :func:`integer_scales` or :func:`power_of_two_scales`; the latter have no bound.

    Scales that are powers of two apart stay so in either form: no smaller integers are worth an error.
    """
    if form is ScaleForm.POWERS_OF_TWO:
        return power_of_two_scales(mu)
    rounded = integer_scales(mu, bound)
    if rounded.relative_error == 0.0:
        return rounded
    shifts = power_of_two_scales(mu)
    return shifts if shifts.relative_error == 0.0 else rounded


def _checked(mu: Sequence[float]) -> list[Fraction]:
    if not mu or any(not (0.0 < m < float("inf")) for m in mu):
        raise RangeError(f"plane scales must be finite and positive, not {list(mu)}")
    return [Fraction(m) for m in mu]


def _roundings(mu: list[Fraction], top: int) -> Iterator[tuple[int, ...]]:
    """Every rounding of ``mu / factor`` whose largest coefficient is ``top``.

    Between the factors at which some scale sits half-way between two integers the rounding is constant, so
    one factor of each such interval stands for all.
    """
    half = Fraction(1, 2)
    low, high = max(mu) / (top + half), max(mu) / (top - half)
    half_ways = {m / (c + half) for m in mu for c in range(floor(m / high), ceil(m / low) + 1)}
    marks = sorted({low, high} | {factor for factor in half_ways if low < factor < high})
    for first, second in pairwise(marks):
        factor = (first + second) / 2
        yield tuple(max(1, round(m / factor)) for m in mu)


def _fit(mu: list[Fraction], coefficients: tuple[int, ...]) -> IntegerScales:
    """Find the common factor with the smallest largest relative error: the midpoint of the extreme ratios."""
    ratios = [m / c for m, c in zip(mu, coefficients, strict=True)]
    factor = 2 * min(ratios) * max(ratios) / (min(ratios) + max(ratios))
    error = max(abs(factor / ratio - 1) for ratio in ratios)
    return IntegerScales(coefficients, float(factor), float(error))
