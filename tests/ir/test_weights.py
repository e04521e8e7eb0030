"""Weight planes against plain integer matrices, and the agreement form of the dot product."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.planes import to_bipolar
from hbnn_hw.weights import WeightPlanes
from tests.graphs import random_weights

COEFFICIENTS = st.sampled_from([(1,), (2, 1), (5, 3, 2), (4, 2, 1)])


@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 140), COEFFICIENTS)
def test_values_are_the_sum_of_masked_signed_planes(seed, rows, columns, coefficients):
    weights = random_weights(np.random.default_rng(seed), rows, columns, coefficients, zero_bit=True)
    expected = np.zeros((rows, columns), dtype=np.int64)
    for p, coefficient in enumerate(coefficients):
        signs = to_bipolar(weights.unpacked_bits()[p])
        expected += np.where(weights.bit_map() > p, coefficient * signs, 0)
    assert np.array_equal(weights.values(), expected)
    assert weights.average_bits() == pytest.approx(weights.bit_map().mean())


@given(
    st.integers(0, 10_000),
    st.integers(1, 6),
    st.integers(1, 70),
    COEFFICIENTS,
    st.sampled_from([(1,), (1, 2), (3, 2)]),
)
def test_dot_product_is_twice_the_agreement_minus_the_row_offset(seed, rows, columns, coefficients, scales):
    rng = np.random.default_rng(seed)
    weights = random_weights(rng, rows, columns, coefficients, zero_bit=True)
    inputs = rng.integers(0, 2, (len(scales), columns), dtype=np.uint8)
    agreement = np.zeros(rows, dtype=np.int64)
    for p, coefficient in enumerate(coefficients):
        for q, scale in enumerate(scales):
            equal = (weights.unpacked_bits()[p] == inputs[q]) & (weights.unpacked_masks()[p] == 1)
            agreement += coefficient * scale * equal.sum(axis=1)
    value = sum(scale * to_bipolar(inputs[q]) for q, scale in enumerate(scales))
    assert np.array_equal(2 * agreement - weights.row_offsets(scales), weights.values() @ value)


def test_a_bit_without_its_mask_is_refused():
    with pytest.raises(RangeError, match="0 where the mask is 0"):
        WeightPlanes.from_bits([[[1, 0]]], [[[0, 1]]], (1,))


def test_a_set_tail_bit_is_refused():
    words = np.full((1, 1, 1), 0xFF, dtype=np.uint64)
    with pytest.raises(RangeError, match="above column 5"):
        WeightPlanes(bits=words, masks=words, coefficients=(1,), columns=5)


def test_shapes_that_disagree_are_named():
    with pytest.raises(ShapeError, match=r"\(2, 1, 1\)"):
        WeightPlanes.from_bits([[[1, 0]]], [[[1, 1]]], (2, 1))
