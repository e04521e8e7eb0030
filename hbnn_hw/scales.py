"""Real plane scales to integers: the one place where rounding of μ is decided.

Source: HBNN eq. 4-5 give real, positive scales μ_p per bit plane. Hardware multiplies plane sums by
small integers c_p instead, with one real factor s per layer that folds into the next affine:
``μ_p ≈ s · c_p``. A binary layer has one plane and therefore c = (1,), exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from hbnn_hw.errors import RangeError

DEFAULT_SCALE_ERROR = 0.04
"""Default bound on the relative error of each plane scale (dimensionless)."""

LARGEST_COEFFICIENT = 1 << 12
"""No bound is ever met with coefficients above this; it keeps accumulators inside 32 bits."""


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
        Largest allowed relative error of any plane's scale (dimensionless), > 0.

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
    if not mu or any(not (0.0 < m < float("inf")) for m in mu):
        raise RangeError(f"plane scales must be finite and positive, not {list(mu)}")
    if not bound > 0.0:
        raise RangeError(f"the scale error bound must be positive, not {bound!r}")
    exact = [Fraction(m) for m in mu]
    largest = max(exact)
    for top in range(1, LARGEST_COEFFICIENT + 1):
        coefficients = tuple(max(1, round(m * top / largest)) for m in exact)
        ratios = [m / c for m, c in zip(exact, coefficients, strict=True)]
        # The midpoint of the ratios in the relative sense minimizes the largest relative error.
        factor = 2 * min(ratios) * max(ratios) / (min(ratios) + max(ratios))
        error = max(abs(factor / r - 1) for r in ratios)
        if error <= bound:
            return IntegerScales(coefficients, float(factor), float(error))
    raise RangeError(
        f"no integer plane scales up to {LARGEST_COEFFICIENT} approximate {list(mu)} within {bound}"
    )
