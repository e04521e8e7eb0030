"""Ranges that are told are reached, never left, and as wide as their bits say."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.analysis import prove_ranges
from hbnn_hw.ops import Convolution, Dense, Mvtu
from hbnn_hw.types import Integers, PlaneMask, Planes, TensorType
from hbnn_hw.weights import WeightPlanes
from tests.graphs import random_weights
from tests.ir.passes.networks import chain, random_network


def range_of_layer(kind, op):
    (found,) = prove_ranges(chain(kind, op))
    return found


@given(st.integers(0, 9999), st.integers(1, 4), st.integers(1, 5), st.booleans())
def test_the_range_of_inputs_with_a_map_is_reached_and_never_left(seed, rows, columns, masked):
    """All inputs of up to 5 elements of 2 planes, one by one."""
    rng = np.random.default_rng(seed)
    mask = rng.integers(0, 2, (2, columns), dtype=np.uint8) if masked else np.ones((2, columns), np.uint8)
    element = Planes((1, 2), PlaneMask.of(mask))
    op = Dense(weights=random_weights(rng, rows, columns, (2, 1), zero_bit=True))
    found = range_of_layer(TensorType((columns,), element), op)
    every = (np.arange(4**columns)[:, np.newaxis] >> np.arange(2 * columns)) & 1
    bits = every.reshape(-1, 2, columns).astype(np.uint8) & mask
    sums = chain(TensorType((columns,), element), op).run(bits).data
    assert (sums.min(), sums.max()) == (found.reached.low, found.reached.high)
    assert found.proven.low <= found.reached.low
    assert found.reached.high <= found.proven.high
    if mask.all():
        assert found.reached == found.proven
    # Sums of one row are all even or all odd: the count of agreements has half of them.
    assert all(len(np.unique(row % 2)) == 1 for row in sums.T)
    assert found.agreement_bits == max(1, int(sums.max()).bit_length())


@given(st.integers(0, 1_000_000), st.integers(1, 6))
def test_no_sum_of_a_network_leaves_its_range(seed, steps):
    graph = random_network(seed, steps)
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, graph.input_type.element.high + 1, (8, *graph.input_type.shape))
    values = {name: tensor.data for name, tensor in graph.trace(codes)}
    for found in prove_ranges(graph):
        assert found.proven == graph.types[found.layer].element
        for reached in (found.proven, found.reached):
            assert reached.low <= values[found.layer].min() <= values[found.layer].max() <= reached.high
        assert found.proven.bits <= found.naive_bits


def test_known_widths():
    """100 binary inputs with three weights of 3 and 97 of 1: the sums reach 106, where 300 looks possible."""
    values = np.array([[3] * 3 + [1] * 97])
    bits = np.ones((2, 1, 100), dtype=np.uint8)
    bits[1] = values == 3
    weights = WeightPlanes.from_bits(bits, np.ones_like(bits), (2, 1))
    assert np.array_equal(weights.values(), values)
    found = range_of_layer(TensorType((100,), Planes((1,))), Mvtu(weights=weights))
    assert found.proven == Integers(-106, 106)
    assert (found.proven.bits, found.naive_bits, found.agreement_bits) == (8, 10, 7)
    assert found.text() == ("mvtu0: sums -106…106, 8 bits proven, 10 naive; 7 bits as a count of agreements")


def test_maps_of_images_count_by_channel_and_borders_with_them():
    """Channel 0 has both planes somewhere, channel 1 only that of scale 2."""
    present = np.ones((2, 3, 3, 2), dtype=np.uint8)
    present[0, ..., 1] = 0
    present[:, 0, 0, 0] = 0
    kind = TensorType((3, 3, 2), Planes((1, 2), PlaneMask.of(present)))
    bits = np.ones((1, 1, 8), dtype=np.uint8)
    weights = WeightPlanes.from_bits(bits, bits, (1,))
    found = range_of_layer(kind, Convolution(weights=weights, kernel=(2, 2)))
    assert (found.proven, found.reached) == (Integers(-24, 24), Integers(-20, 20))
    assert "by the map of the inputs -20…20" in found.text()
    padded = Convolution(weights=weights, kernel=(2, 2), padding=(1, 1, 1, 1), border=-4)
    assert range_of_layer(kind, padded).reached == Integers(-32, 32)


def test_integers_have_no_agreements():
    op = Dense(weights=random_weights(np.random.default_rng(0), 2, 9, (1,)))
    found = range_of_layer(TensorType((9,), Integers(0, 5)), op)
    assert found.agreement_bits is None
    assert found.reached == found.proven
    assert found.naive_bits == Integers(-45, 45).bits
