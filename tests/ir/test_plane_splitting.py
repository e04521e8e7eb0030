"""Integer matrices become planes exactly, with as few planes and bits as their form allows."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.ops import Dense
from hbnn_hw.plane_splitting import planes_of_integers, share_coefficients
from hbnn_hw.types import Integers, TensorType
from hbnn_hw.weights import WeightPlanes
from tests.graphs import random_weights

matrices = st.integers(1, 8).flatmap(
    lambda bits: arrays.arrays(
        np.int64,
        st.tuples(st.integers(1, 5), st.integers(1, 70)),
        elements=st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1)),
    )
)


@given(matrices, st.integers(1, 12))
def test_the_matrix_comes_back_whatever_divides_it(values, factor):
    assert np.array_equal(planes_of_integers(values * factor).values(), values * factor)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("narrow", [True, False])
def test_a_signed_range_of_k_bits_needs_k_planes_and_a_narrow_one_less(bits, narrow):
    """The narrow range leaves out the smallest number, as symmetric quantizers do."""
    values = np.arange(-(2 ** (bits - 1)) + narrow, 2 ** (bits - 1), dtype=np.int64)[np.newaxis]
    weights = planes_of_integers(values)
    assert np.array_equal(weights.values(), values)
    assert weights.n_planes == max(1, bits - narrow)
    largest = max(1, int(np.abs(values).max()))
    assert sum(weights.coefficients) >= largest > sum(weights.coefficients[1:])


@pytest.mark.parametrize("n_planes", range(1, 7))
def test_no_sum_of_the_same_powers_of_two_has_fewer_bits(n_planes):
    """All 3**n sums of powers with digits -1, 0 and 1 against the one that is chosen."""
    digits = np.array(list(product((-1, 0, 1), repeat=n_planes)))
    sums = digits @ (1 << np.arange(n_planes))
    values = np.arange(-(2**n_planes) + 1, 2**n_planes, dtype=np.int64)
    fewest = np.array([np.abs(digits[sums == value]).sum(axis=1).min() for value in values])
    found = planes_of_integers(values[np.newaxis])
    assert np.array_equal(found.values()[0], values)
    assert np.array_equal(found.bit_map()[0], fewest)


@given(st.integers(1, 7), st.integers(0, 9999), st.integers(1, 6))
def test_odd_multiples_need_no_map(bits, seed, factor):
    codes = np.random.default_rng(seed).integers(0, 2**bits, (3, 20))
    values = factor * (2 * codes - (2**bits - 1))
    weights = planes_of_integers(values)
    assert weights.is_homogeneous
    assert np.array_equal(weights.values(), values)


@pytest.mark.parametrize(
    ("row", "coefficients"),
    [
        ([-1, 1, 1], (1,)),
        ([-1, 0, 1], (1,)),
        ([-3, 3, 0], (3,)),
        ([-3, -1, 1, 3], (2, 1)),
        ([0, 1, 8, -8], (8, 1)),
        ([7, 8, 0], (8, 1)),
        ([0, 0, 0], (1,)),
    ],
)
def test_known_weights_have_the_planes_that_one_would_give_them(row, coefficients):
    weights = planes_of_integers(np.array([row], dtype=np.int64))
    assert weights.coefficients == coefficients
    assert weights.values().tolist() == [row]


def test_matrices_that_no_planes_can_hold_are_refused():
    with pytest.raises(ShapeError, match=r"int64 \(rows, columns\), not float64 \(2, 2\)"):
        planes_of_integers(np.zeros((2, 2)))
    with pytest.raises(RangeError, match=r"below 2\*\*31, not reach from 0 to 2147483648"):
        planes_of_integers(np.array([[0, 1 << 31]]))
    extreme = np.array([[-(1 << 31) + 1, (1 << 31) - 1, 0]])
    assert np.array_equal(planes_of_integers(extreme).values(), extreme)
    with pytest.raises(RangeError, match="beyond 32 bits"):
        Dense(weights=planes_of_integers(extreme)).infer(TensorType((3,), Integers(-1, 1)))


# --- coefficients that differ from row to row ---


def by_rows(table, seed=0, columns=9):
    """Random planes under a random bit map, with the given coefficients (planes, rows)."""
    table = np.array(table, dtype=np.int64)
    one = random_weights(
        np.random.default_rng(seed), table.shape[1], columns, (1,) * len(table), zero_bit=True
    )
    return WeightPlanes.from_bits(one.unpacked_bits(), one.unpacked_masks(), row_coefficients=table)


@given(st.integers(0, 9999), st.integers(1, 6), st.integers(1, 3), st.sampled_from([2, 4, 40, 4000]))
def test_rows_keep_their_values_with_shared_coefficients(seed, rows, n_planes, largest):
    table = np.random.default_rng(seed).integers(0, largest, (n_planes, rows))
    weights = by_rows(table, seed, columns=70)
    shared = share_coefficients(weights)
    assert shared.row_coefficients is None
    assert np.array_equal(shared.values(), weights.values())
    assert shared.n_planes <= max(1, int(table.sum(axis=0).max()).bit_length())


def test_two_rows_with_their_scales_exchanged_share_two_planes():
    weights = by_rows([[5, 3], [3, 5]])
    shared = share_coefficients(weights)
    assert shared.coefficients == (5, 3)
    assert np.array_equal(shared.bits[0, 0], weights.bits[0, 0])
    assert np.array_equal(shared.bits[0, 1], weights.bits[1, 1])


def test_one_coefficient_in_two_planes_of_a_row_keeps_two_planes():
    assert share_coefficients(by_rows([[5, 3], [5, 5]])).coefficients == (5, 5, 3)


def test_many_scales_become_binary_digits():
    """100 rows of 100 scales: 100 planes of one row each would be right, and 7 are."""
    ones = np.ones((1, 100, 4), dtype=np.uint8)
    weights = WeightPlanes.from_bits(ones, ones, row_coefficients=np.arange(1, 101)[np.newaxis])
    shared = share_coefficients(weights)
    assert shared.coefficients == (64, 32, 16, 8, 4, 2, 1)
    assert np.array_equal(shared.values(), np.repeat(np.arange(1, 101)[:, np.newaxis], 4, axis=1))


def test_shared_coefficients_stay_and_too_large_ones_are_refused():
    weights = random_weights(np.random.default_rng(0), 2, 4, (2, 1))
    assert share_coefficients(weights) is weights
    with pytest.raises(RangeError, match="these could reach 4294967294"):
        share_coefficients(by_rows([[(1 << 31) - 1], [(1 << 31) - 1]]))
