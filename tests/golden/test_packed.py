"""Dense layers and convolutions on packed words: every plane, mask and border, whatever the width."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw.backends.golden.packed import PackedConvolution
from hbnn_hw.backends.golden.values import Value, pack_bits
from hbnn_hw.ops import Convolution, Dense, Tensor
from hbnn_hw.planes import pack
from hbnn_hw.types import Planes, TensorType
from hbnn_hw.weights import WeightPlanes
from tests.graphs import random_convolution, random_weights

SCALES = st.sampled_from([(1,), (1, 2, 4), (5, 2), (1, 1)])
COEFFICIENTS = st.sampled_from([(1,), (2, 1), (5, 3, 2)])


def random_planes(rng, shape, scales, batch=3):
    """Random bits, with the image of all zeros and that of all ones first."""
    bits = rng.integers(0, 2, (batch, len(scales), *shape), dtype=np.uint8)
    bits[0], bits[1] = 0, 1
    return Tensor(TensorType(shape, Planes(scales)), bits)


@given(st.integers(0, 9999), st.sampled_from([1, 2, 7, 8, 63, 64, 65, 128, 130]), st.integers(0, 3))
def test_bits_are_packed_as_the_format_says(seed, n, batch):
    bits = np.random.default_rng(seed).integers(0, 2, (batch, 2, n), dtype=np.uint8)
    assert np.array_equal(pack_bits(bits), pack(bits))


@settings(deadline=None)
@given(
    seed=st.integers(0, 9999),
    n_columns=st.sampled_from([1, 5, 63, 64, 65, 200]),
    n_rows=st.integers(1, 9),
    coefficients=COEFFICIENTS,
    scales=SCALES,
    zero_bit=st.booleans(),
)
def test_a_dense_layer_equals_its_meaning(seed, n_columns, n_rows, coefficients, scales, zero_bit):
    rng = np.random.default_rng(seed)
    op = Dense(weights=random_weights(rng, n_rows, n_columns, coefficients, zero_bit=zero_bit))
    source = random_planes(rng, (n_columns,), scales)
    words = Value(source.type, data=source.data).words()[:, :, np.newaxis, np.newaxis]
    sums = PackedConvolution.of_dense(op.weights, source.type.element).apply(words)[:, 0, 0]
    assert np.array_equal(sums, op.compute(source))


@settings(deadline=None)
@given(
    seed=st.integers(0, 9999),
    channels=st.sampled_from([1, 3, 63, 64, 65, 130]),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(*[st.integers(0, 2)] * 4),
    border=st.sampled_from([0, -1, 1, -7, 3, -256]),
    coefficients=COEFFICIENTS,
    scales=SCALES,
)
def test_a_convolution_equals_its_meaning(
    seed, channels, kernel, stride, padding, border, coefficients, scales
):
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(3, 6)), int(rng.integers(3, 6)), channels)
    options = {"kernel": kernel, "stride": stride, "padding": padding, "border": border}
    op = random_convolution(rng, shape, outputs=3, coefficients=coefficients, **options)
    source = random_planes(rng, shape, scales)
    words = Value(source.type, data=source.data).words()
    assert np.array_equal(PackedConvolution.of(op, source.type).apply(words), op.compute(source))


@pytest.mark.parametrize("border", [-1, 1, 0])
def test_all_bits_equal_reach_the_ends_of_the_range(border):
    """Ones under a kernel of ones: 9 · 70 inside, and at a corner 4 · 70 and five times the border."""
    ones = np.ones((1, 1, 9 * 70), dtype=np.uint8)
    weights = WeightPlanes.from_bits(ones, ones, (1,))
    op = Convolution(weights=weights, kernel=(3, 3), padding=(1, 1, 1, 1), border=border)
    source = Value(TensorType((3, 3, 70), Planes((1,))), data=np.ones((1, 1, 3, 3, 70), dtype=np.uint8))
    sums = PackedConvolution.of(op, source.type).apply(source.words())[0, ..., 0]
    assert (sums[1, 1], sums[0, 0]) == (9 * 70, 4 * 70 + 5 * 70 * border)
