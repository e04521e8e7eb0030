"""Weight planes against plain integer matrices, and the agreement form of the dot product."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.errors import GraphError, RangeError, ShapeError
from hbnn_hw.ops import Dense, Mvtu
from hbnn_hw.passes import lower
from hbnn_hw.planes import to_bipolar
from hbnn_hw.weights import LARGEST_COEFFICIENT, WeightPlanes
from tests.graphs import random_inputs, random_mlp, random_weights

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


@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 140), COEFFICIENTS)
def test_counts_and_magnitudes_are_those_of_the_plain_matrix(seed, rows, columns, coefficients):
    weights = random_weights(np.random.default_rng(seed), rows, columns, coefficients, zero_bit=True)
    bit_map = weights.unpacked_masks().sum(axis=0)
    assert np.array_equal(weights.bit_map(), bit_map)
    assert weights.bitwidth_counts().tolist() == [
        int((bit_map == bits).sum()) for bits in range(len(coefficients) + 1)
    ]
    assert np.array_equal(weights.row_magnitudes(), np.abs(weights.values()).sum(axis=1))
    assert np.array_equal(weights.row_sums(), weights.values().sum(axis=1))


@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 140), st.integers(1, 3))
def test_rows_may_have_coefficients_of_their_own(seed, rows, columns, n_planes):
    """W[r, j] = sum_p c[p, r] s_p[r, j], as FleXOR with several planes has it; 0 switches a plane off."""
    rng = np.random.default_rng(seed)
    shared = random_weights(rng, rows, columns, (1,) * n_planes, zero_bit=True)
    table = rng.integers(0, 1 << 20, (n_planes, rows))
    bits, masks = shared.unpacked_bits(), shared.unpacked_masks()
    weights = WeightPlanes.from_bits(bits, masks, row_coefficients=table)
    signs = masks * to_bipolar(bits)
    expected = (table[:, :, np.newaxis] * signs).sum(axis=0)
    assert np.array_equal(weights.values(), expected)
    assert np.array_equal(weights.row_magnitudes(), np.abs(expected).sum(axis=1))
    offsets = (table * weights.plane_populations()).sum(axis=0)
    assert np.array_equal(weights.row_offsets((1, 2)), 3 * offsets)


def test_values_that_leave_32_bits_are_exact():
    ones = np.ones((2, 1, 3), dtype=np.uint8)
    weights = WeightPlanes.from_bits(ones, ones, (LARGEST_COEFFICIENT, LARGEST_COEFFICIENT))
    assert weights.values().tolist() == [[2 * LARGEST_COEFFICIENT] * 3]
    assert weights.row_magnitudes().tolist() == [6 * LARGEST_COEFFICIENT]


@pytest.mark.parametrize(
    ("coefficients", "table", "message"),
    [
        ((1, 1), [[1], [-1]], "must lie in 0"),
        ((1, 1), [[1], [1 << 31]], "must lie in 0"),
        ((2, 1), [[1], [1]], "must be 1 where rows have their own"),
        ((1, 1), [[1, 1], [1, 1]], r"\(planes, rows\) = \(2, 1\)"),
        ((1 << 31, 1), None, "below 2\\^31"),
    ],
)
def test_coefficients_that_mean_nothing_are_refused(coefficients, table, message):
    ones = np.ones((2, 1, 3), dtype=np.uint8)
    rows = None if table is None else np.array(table, dtype=np.int64)
    with pytest.raises(GraphError, match=message):
        WeightPlanes.from_bits(ones, ones, coefficients, rows)


def test_lowering_shares_the_coefficients_of_rows_that_have_their_own():
    graph = random_mlp(3, (8, 4, 3))
    nodes = list(graph.nodes)
    old = nodes[1].op.weights
    weights = WeightPlanes.from_bits(
        old.unpacked_bits(), old.unpacked_masks(), row_coefficients=np.full((1, 4), 2)
    )
    nodes[1] = replace(nodes[1], op=Dense(weights=weights))
    lowered = lower(replace(graph, nodes=tuple(nodes)))
    inputs = random_inputs(graph, 6, seed=0)
    assert np.array_equal(lowered.run(inputs).data, replace(graph, nodes=tuple(nodes)).run(inputs).data)
    units = [node.op for node in lowered.nodes if isinstance(node.op, Mvtu)]
    assert all(unit.weights.row_coefficients is None for unit in units)


def test_packing_and_reading_large_weights_takes_little_more_than_their_bits():
    """4 million entries of two planes: no step makes eight bytes of each of them."""
    bits = np.ones((2, 1024, 4096), dtype=np.uint8)
    tracemalloc.start()
    try:
        weights = WeightPlanes.from_bits(bits, bits, (2, 1))
        weights.row_magnitudes()
        weights.bitwidth_counts()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 24 << 20


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
