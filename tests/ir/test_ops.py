"""Every operator against its definition in plain integers, and its type errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.errors import FoldingError, RangeError, ShapeError
from hbnn_hw.ops import (
    Affine,
    Dense,
    EncodeBitPlanes,
    Mvtu,
    Sign,
    SignOfZero,
    Tensor,
    Threshold,
    Thresholds,
    WidthConverter,
)
from hbnn_hw.planes import decode
from hbnn_hw.types import Integers, Planes, Reals, TensorType
from tests.graphs import random_weights


def planes_tensor(rng, batch, columns, scales):
    return Tensor(
        TensorType((columns,), Planes(scales)),
        rng.integers(0, 2, (batch, len(scales), columns), dtype=np.uint8),
    )


@given(st.integers(1, 8))
def test_the_encoder_gives_twice_the_code_minus_the_largest(n_bits):
    codes = np.arange(2**n_bits)[:, np.newaxis]
    out = EncodeBitPlanes(n_bits=n_bits).run(Tensor(TensorType((1,), Integers(0, 2**n_bits - 1)), codes))
    assert isinstance(out.type.element, Planes)
    assert np.array_equal(decode(out.data, out.type.element.scales), 2 * codes - (2**n_bits - 1))


@given(
    st.integers(0, 9999), st.integers(1, 8), st.integers(1, 80), st.sampled_from([(1,), (1, 2, 4), (5, 2)])
)
def test_dense_is_the_integer_matrix_product_within_its_proven_range(seed, rows, columns, scales):
    rng = np.random.default_rng(seed)
    weights = random_weights(rng, rows, columns, (3, 1), zero_bit=True)
    x = planes_tensor(rng, 4, columns, scales)
    # The input that makes every product of row 0 positive reaches the proven bound of that row.
    x.data[0] = (weights.values()[0] > 0).astype(np.uint8)
    y = Dense(weights=weights).run(x)
    assert np.array_equal(y.data, decode(x.data, scales) @ weights.values().T)
    assert isinstance(y.type.element, Integers)
    assert y.data[0, 0] == weights.row_magnitudes()[0] * sum(scales)
    assert y.type.element.low <= y.data.min() <= y.data.max() <= y.type.element.high


def test_a_dot_product_that_could_leave_32_bits_is_refused():
    weights = random_weights(np.random.default_rng(0), 1, 4, (1 << 28,))
    with pytest.raises(RangeError, match="beyond 32 bits"):
        Dense(weights=weights).infer(TensorType((4,), Planes((4,))))


def test_dense_names_columns_and_shape_when_they_disagree():
    weights = random_weights(np.random.default_rng(0), 2, 4)
    with pytest.raises(ShapeError, match=r"4 columns, the input has shape \(5,\)"):
        Dense(weights=weights).infer(TensorType((5,), Planes((1,))))


@pytest.mark.parametrize(("zero", "bit"), [(SignOfZero.PLUS, 1), (SignOfZero.MINUS, 0)])
def test_the_sign_of_zero_is_the_nodes_own(zero, bit):
    x = Tensor(TensorType((3,), Reals()), np.array([[-0.5, 0.0, 0.5]]))
    assert Sign(zero=zero).run(x).data.tolist() == [[[0, bit, 1]]]


def test_the_affine_refuses_nan_and_names_the_channel():
    with pytest.raises(RangeError, match="channel 1 is not"):
        Affine(alpha=np.array([1, np.nan], dtype=np.float32), beta=np.zeros(2, dtype=np.float32))


@given(st.integers(0, 9999), st.integers(1, 3))
def test_thresholds_count_the_levels_passed(seed, n_bits):
    rng = np.random.default_rng(seed)
    table = np.sort(rng.integers(-20, 20, (5, 2**n_bits - 1)), axis=1)
    inverted = rng.integers(0, 2, 5).astype(bool)
    x = Tensor(TensorType((5,), Integers(-25, 25)), rng.integers(-25, 26, (9, 5)))
    out = Threshold(thresholds=Thresholds(table=table, inverted=inverted)).run(x)
    for image in range(9):
        for channel in range(5):
            passed = sum((x.data[image, channel] >= t) != inverted[channel] for t in table[channel])
            code = sum(int(bit) << p for p, bit in enumerate(out.data[image, :, channel]))
            assert code == passed


def test_a_threshold_table_must_ascend():
    with pytest.raises(RangeError, match="ascend"):
        Thresholds(table=np.array([[3, 2, 5]]), inverted=np.array([False]))


@given(
    st.integers(0, 9999),
    st.sampled_from([(1,), (4, 2, 1)]),
    st.sampled_from([(1,), (1, 2)]),
    st.integers(1, 2),
)
def test_agreement_thresholds_decide_exactly_as_the_signed_ones(seed, coefficients, scales, n_bits):
    rng = np.random.default_rng(seed)
    weights = random_weights(rng, 4, 9, coefficients, zero_bit=True)
    bound = int(weights.row_magnitudes().max()) * sum(scales) + 3
    table = np.sort(rng.integers(-bound, bound + 1, (4, 2**n_bits - 1)), axis=1)
    unit = Mvtu(weights=weights, thresholds=Thresholds(table=table, inverted=np.zeros(4, dtype=bool)))
    x = planes_tensor(rng, 6, 9, scales)
    offsets = unit.row_offsets(x.type)
    agreement = (Dense(weights=weights).run(x).data + offsets) // 2
    assert agreement.min() >= 0
    assert agreement.max() < 1 << unit.agreement_bits(x.type)
    found = (agreement[:, :, np.newaxis] >= unit.agreement_thresholds(x.type)).sum(axis=2)
    codes = unit.run(x).data.astype(np.int64)
    assert np.array_equal(found, sum(codes[:, p] << p for p in range(n_bits)))


def test_a_width_converter_needs_an_integer_ratio():
    with pytest.raises(FoldingError, match="4 to 6"):
        WidthConverter(lanes_from=4, lanes_to=6)
