"""Matrix products in floats and tables: exact for every input in the range they were made for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.backends.golden.products import Numbers, Product
from hbnn_hw.backends.golden.tables import LANES, TableProduct
from hbnn_hw.types import Planes


@st.composite
def ranges(draw):
    """What an input can be: sums of planes, which keep their parity, or any integers."""
    if draw(st.booleans()):
        return Numbers.of_planes(Planes(tuple(draw(st.lists(st.integers(1, 64), min_size=1, max_size=4)))))
    low = draw(st.integers(-300, 300))
    return Numbers(low, low + draw(st.integers(0, 300)))


def inputs_of(rng, numbers, batch, n_columns, values):
    """Random inputs, the two extreme ones, and those that bring a row to its largest and smallest sum."""
    step = 2 if numbers.odd else 1
    x = numbers.low + step * rng.integers(0, (numbers.high - numbers.low) // step + 1, (batch, n_columns))
    extremes = [np.full(n_columns, numbers.low), np.full(n_columns, numbers.high)]
    extremes += [
        np.where(values[0] > 0, a, b) for a, b in ((numbers.high, numbers.low), (numbers.low, numbers.high))
    ]
    return np.concatenate([extremes, x])


@given(
    seed=st.integers(0, 9999),
    shape=st.tuples(st.integers(1, 9), st.sampled_from([1, 3, 64, 65, 130, 300])),
    largest=st.sampled_from([1, 3, 1000, 1 << 20]),
    numbers=ranges(),
)
def test_a_product_in_floats_is_the_integer_product(seed, shape, largest, numbers):
    rng = np.random.default_rng(seed)
    values = rng.integers(-largest, largest + 1, shape)
    x = inputs_of(rng, numbers, 3, shape[1], values)
    product = Product.of(values, numbers)
    assert np.array_equal(product.apply(x.astype(np.float64)), x @ values.T)


@pytest.mark.parametrize(
    ("n_columns", "numbers", "n_digits", "dtype", "halved"),
    [
        (2047, Numbers.of_planes(Planes((1,))), 2, np.float32, False),
        (2048, Numbers.of_planes(Planes((1,))), 4, np.float64, False),
        (32, Numbers.of_planes(Planes((1,))), 1, np.float32, False),
        (784, Numbers.of_planes(Planes((1, 2, 4, 8, 16, 32, 64, 128))), 3, np.float64, True),
    ],
)
def test_as_many_sums_share_a_number_as_stay_exact(n_columns, numbers, n_digits, dtype, halved):
    """All rows at their extremes at once, of either sign: sums in one number are as far apart as can be."""
    signs = np.array([[1], [-1], [1], [1], [-1], [-1], [1]])
    values = np.broadcast_to(signs, (7, n_columns))
    product = Product.of(values, numbers)
    assert (product.digits.n, product.digits.dtype, product.halved) == (n_digits, dtype, halved)
    assert product.width == -(-7 // n_digits)
    x = np.stack([np.full(n_columns, numbers.low), np.full(n_columns, numbers.high)])
    sums = product.apply(x.astype(np.float32))
    assert sums.dtype == np.float32
    assert np.array_equal(sums, x @ values.T)


def test_sums_beyond_24_bits_come_as_float64():
    product = Product.of(np.full((2, 70), 1 << 20), Numbers(-1, 1, odd=True))
    sums = product.apply(np.ones((1, 70), dtype=np.float32))
    assert sums.dtype == np.float64
    assert sums.tolist() == [[70 << 20] * 2]


@given(
    seed=st.integers(0, 9999),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 90)),
    kinds=st.sampled_from([(1,), (-1, 1), (-1, 0, 1), (-3, -1, 1, 3), (-9, 0, 2, 5, 20)]),
    batch=st.sampled_from([0, 1, LANES - 5, LANES]),
    numbers=st.sampled_from([Numbers(-255, 255, odd=True), Numbers(0, 1), Numbers(-3, 100)]),
)
def test_a_product_by_tables_is_the_integer_product(seed, shape, kinds, batch, numbers):
    rng = np.random.default_rng(seed)
    values = rng.choice(kinds, shape)
    x = inputs_of(rng, numbers, batch, shape[1], values)
    product = TableProduct.of(values, numbers)
    assert np.array_equal(product.apply(x.astype(np.float32)), x @ values.T)


@pytest.mark.parametrize("largest", [1, 40, 255, 1 << 11])
def test_sums_at_the_end_of_their_lanes_are_exact(largest):
    """700 columns of the largest input under weights of one sign: no block of columns may overflow."""
    values = np.array([[1] * 700, [-1] * 700])
    x = np.array([[largest] * 700, [-largest] * 700])
    product = TableProduct.of(values, Numbers(-largest, largest))
    assert np.array_equal(product.apply(x.astype(np.float32)), x @ values.T)


def test_there_are_no_tables_for_wide_inputs_or_many_different_weights():
    assert TableProduct.of(np.array([[1, -1]]), Numbers(0, 1 << 13)) is None
    assert TableProduct.of(np.arange(40)[np.newaxis], Numbers(0, 1)) is None
