"""Integer plane scales: bound, minimality, exactness."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.errors import RangeError
from hbnn_hw.scales import ScaleForm, fit_scales, integer_scales, power_of_two_scales

scale_lists = st.lists(st.floats(0.01, 10.0), min_size=1, max_size=4)


@given(scale_lists, st.sampled_from([0.01, 0.04, 0.1, 0.3]))
def test_every_scale_is_met_within_the_bound(mu, bound):
    result = integer_scales(mu, bound)
    errors = [abs(result.factor * c / m - 1) for c, m in zip(result.coefficients, mu, strict=True)]
    assert max(errors) <= bound + 1e-9
    assert max(errors) == pytest.approx(result.relative_error, abs=1e-9)


def test_one_plane_is_exact():
    result = integer_scales([0.7310585])
    assert (result.coefficients, result.factor, result.relative_error) == ((1,), 0.7310585, 0.0)


def test_powers_of_two_are_found_exactly():
    assert integer_scales([0.8, 0.4, 0.2], 1e-9).coefficients == (4, 2, 1)


def smallest_by_brute_force(mu, bound, top=12):
    """Smallest largest coefficient for which any common factor meets the bound."""
    for largest in range(1, top + 1):
        for coefficients in product(range(1, largest + 1), repeat=len(mu)):
            ratios = [m / c for m, c in zip(mu, coefficients, strict=True)]
            factor = 2 * min(ratios) * max(ratios) / (min(ratios) + max(ratios))
            if max(abs(factor / r - 1) for r in ratios) <= bound:
                return largest
    return None


@given(st.lists(st.floats(0.2, 1.0), min_size=1, max_size=3), st.sampled_from([0.06, 0.1, 0.2]))
def test_no_smaller_coefficients_meet_the_bound(mu, bound):
    expected = smallest_by_brute_force(mu, bound)
    if expected is not None:
        assert max(integer_scales(mu, bound).coefficients) <= expected


@pytest.mark.parametrize("mu", [[], [0.0], [-1.0], [float("nan")], [float("inf")]])
def test_scales_that_are_not_finite_and_positive_are_refused(mu):
    with pytest.raises(RangeError, match="finite and positive"):
        integer_scales(mu)


def test_a_bound_that_cannot_be_met_is_refused():
    with pytest.raises(RangeError, match="no integer plane scales"):
        integer_scales([1.0, 1e-9], 0.01)


@given(scale_lists)
def test_powers_of_two_are_the_best_there_are(mu):
    """The best common factor lies in the middle of the mantissas, turned where their circle has its gap."""
    result = power_of_two_scales(mu)
    assert all(c & (c - 1) == 0 for c in result.coefficients)
    assert min(result.coefficients) == 1
    errors = [abs(result.factor * c / m - 1) for c, m in zip(result.coefficients, mu, strict=True)]
    assert max(errors) == pytest.approx(result.relative_error, abs=1e-9)
    assert result.relative_error <= 1 / 3 + 1e-9
    spread = _circular_spread(mu)
    assert result.relative_error == pytest.approx((spread - 1) / (spread + 1), abs=1e-9)


def _circular_spread(mu):
    """Smallest ratio of the largest to the smallest mantissa, each of which may be doubled."""
    mantissas = sorted(m / 2.0 ** (math.frexp(m)[1] - 1) for m in mu)
    turned = [mantissas[i:] + [2 * m for m in mantissas[:i]] for i in range(len(mantissas))]
    return min(turn[-1] / turn[0] for turn in turned)


def test_powers_of_two_of_a_ladder_are_exact():
    result = power_of_two_scales([0.25, 1.5 * 0.25 / 1.5, 2.0])
    assert (result.coefficients, result.factor, result.relative_error) == ((1, 1, 8), 0.25, 0.0)


def test_scales_too_far_apart_for_shifts_are_refused():
    with pytest.raises(RangeError, match="must be within a factor of 4096"):
        power_of_two_scales([1e-6, 1.0])


def test_scales_that_are_powers_of_two_apart_are_not_rounded_to_smaller_integers():
    mu = [0.8, 0.8, 0.05]
    assert integer_scales(mu).coefficients == (15, 15, 1)
    assert fit_scales(mu, 0.04, ScaleForm.INTEGERS).coefficients == (16, 16, 1)
    assert fit_scales([0.8, 0.8, 0.052], 0.04, ScaleForm.INTEGERS).coefficients == (15, 15, 1)
