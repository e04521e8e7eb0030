"""Bits are pooled and not sums: exact for thresholds of either direction, for several levels and for maps."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.errors import GraphError, ShapeError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Affine, Flatten, MaxPool, Sign, SignOfZero, Tensor, Threshold, Thresholds
from hbnn_hw.passes import PIPELINE, exchange_pools, fold_thresholds, hoist_signs
from hbnn_hw.passes.exchange_pools import reached_codes
from hbnn_hw.types import Integers, PlaneMask, Planes, TensorType
from tests.ir.passes.networks import chain

IMAGE = TensorType((5, 4, 3), Integers(-4, 4))


def images(n=60, seed=0):
    return np.random.default_rng(seed).integers(-4, 5, (n, *IMAGE.shape))


def thresholds_of(seed, scales, mask=None):
    rng = np.random.default_rng(seed)
    table = np.sort(rng.integers(-6, 7, (3, 2 ** len(scales) - 1)), axis=1)
    inverted = rng.integers(0, 2, 3).astype(np.bool_)
    return Thresholds(table=table, inverted=inverted, scales=scales, mask=mask)


windows = st.builds(
    MaxPool,
    kernel=st.just((3, 2)),
    stride=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 1), st.integers(0, 1)),
)


@given(windows, st.integers(0, 9999), st.sampled_from([(1,), (1, 2), (2, 5), (1, 2, 4), (1, 1, 1), (4, 1)]))
def test_the_outputs_stay_whatever_the_direction_padding_and_scales(pool, seed, scales):
    graph = chain(IMAGE, pool, Threshold(thresholds=thresholds_of(seed, scales)))
    moved = exchange_pools(graph)
    assert np.array_equal(moved.run(images()).data, graph.run(images()).data)
    assert moved.output_type == graph.output_type
    assert moved.output_name == graph.output_name


@given(windows, st.integers(0, 9999), st.sampled_from([(1, 2), (1, 2, 4), (3, 3), (7, 2)]), st.booleans())
def test_the_outputs_stay_with_maps(pool, seed, scales, per_pixel):
    """Without a map the codes of the last two scales do not rise; a map may make them."""
    rng = np.random.default_rng(seed)
    shape = pool.infer(IMAGE).shape
    mask = rng.integers(0, 2, (len(scales), *(shape if per_pixel else (1, 1, 3))), dtype=np.uint8)
    mask = np.ascontiguousarray(np.broadcast_to(mask, (len(scales), *shape)))
    graph = chain(IMAGE, pool, Threshold(thresholds=thresholds_of(seed, scales, mask)))
    moved = exchange_pools(graph)
    assert np.array_equal(moved.run(images()).data, graph.run(images()).data)
    assert moved.output_type == graph.output_type
    one_map = bool((mask == mask[:, :1, :1]).all())
    assert one_map or [type(node.op) for node in moved.nodes] == [MaxPool, Threshold]


def test_two_levels_of_one_bit_become_or_and_and():
    """Channel 0 rises: any pixel at 2 or more gives 1. Channel 1 falls: all pixels must stay below 2."""
    thresholds = Thresholds(
        table=np.array([[2], [2]], dtype=np.int64), inverted=np.array([False, True], dtype=np.bool_)
    )
    graph = chain(
        TensorType((2, 2, 2), Integers(0, 3)),
        MaxPool(kernel=(2, 2), stride=(2, 2)),
        Threshold(thresholds=thresholds),
    )
    first, second = exchange_pools(graph).nodes
    assert (first.name, second.name) == ("threshold1_maxpool0", "threshold1")
    assert isinstance(second.op, MaxPool)
    assert second.op.smallest is not None
    assert second.op.smallest.tolist() == [False, True]
    image = np.array([[[0, 0], [3, 1]], [[1, 0], [0, 3]]])
    bits = exchange_pools(graph).run(np.stack([image, image * 0])).data
    assert bits[:, 0, 0, 0].tolist() == [[1, 0], [0, 1]]


def test_a_pooling_of_rising_channels_takes_the_maximum_alone():
    thresholds = replace(thresholds_of(0, (1,)), inverted=np.zeros(3, dtype=np.bool_))
    graph = chain(IMAGE, MaxPool(kernel=(2, 2), stride=(2, 2)), Threshold(thresholds=thresholds))
    assert exchange_pools(graph).nodes[-1].op.smallest is None


def test_poolings_behind_one_another_move_together():
    pool = MaxPool(kernel=(2, 2), stride=(1, 1), padding=(1, 0, 0, 0))
    graph = chain(IMAGE, pool, pool, Threshold(thresholds=thresholds_of(5, (1, 2))))
    moved = exchange_pools(graph)
    assert [type(node.op) for node in moved.nodes] == [Threshold, MaxPool, MaxPool]
    assert np.array_equal(moved.run(images()).data, graph.run(images()).data)


def test_a_pooling_that_took_minima_already_turns_once_more():
    pool = MaxPool(kernel=(2, 2), stride=(1, 1), smallest=np.array([True, True, False]))
    thresholds = replace(thresholds_of(2, (1, 2)), inverted=np.array([True, False, False]))
    graph = chain(IMAGE, pool, Threshold(thresholds=thresholds))
    moved = exchange_pools(graph)
    assert moved.nodes[-1].op.smallest.tolist() == [False, True, False]
    assert np.array_equal(moved.run(images()).data, graph.run(images()).data)


def test_a_pooling_of_planes_moves_as_well():
    kind = TensorType((4, 4, 3), Planes((1, 2)))
    pool, threshold = (
        Node("pool", MaxPool(kernel=(2, 2), stride=(2, 2)), ("x",)),
        Node("sign", Threshold(thresholds=thresholds_of(3, (1,))), ("pool",)),
    )
    graph = Graph("g", "x", kind, (pool, threshold))
    moved = exchange_pools(graph)
    assert [type(node.op) for node in moved.nodes] == [Threshold, MaxPool]
    bits = np.random.default_rng(0).integers(0, 2, (50, 2, 4, 4, 3), dtype=np.uint8)
    assert np.array_equal(moved.run(bits).data, graph.run(bits).data)


def test_codes_whose_values_fall_stay_behind_the_pooling():
    """Scales 5 and 2: code 1 is worth 3, code 2 only -3."""
    pool = MaxPool(kernel=(2, 2), stride=(2, 2))
    inverted = np.array([False, False, True])
    table = np.repeat([[-2, 0, 2]], 3, axis=0)
    falling = Thresholds(table=table, inverted=inverted, scales=(5, 2))
    graph = chain(IMAGE, pool, Threshold(thresholds=falling))
    assert exchange_pools(graph) is graph
    table = np.array([[-2, 2, 2], [-2, 2, 2], [0, 0, 2]])
    without_two = Thresholds(table=table, inverted=inverted, scales=(5, 2))
    graph = chain(IMAGE, pool, Threshold(thresholds=without_two))
    moved = exchange_pools(graph)
    assert moved is not graph, "code 2 never occurs, and codes 0, 1 and 3 rise"
    assert np.array_equal(moved.run(images()).data, graph.run(images()).data)


def test_codes_of_one_value_stay_behind_the_pooling_because_their_bits_differ():
    """Scales 3 and 3: codes 1 and 2 are both worth 0, and a maximum of values cannot tell them apart."""
    thresholds = Thresholds(
        table=np.repeat([[-2, 0, 2]], 3, axis=0), inverted=np.zeros(3, dtype=np.bool_), scales=(3, 3)
    )
    graph = chain(IMAGE, MaxPool(kernel=(2, 2), stride=(2, 2)), Threshold(thresholds=thresholds))
    assert exchange_pools(graph) is graph


def test_pooled_numbers_that_others_read_stay():
    pool = Node("pool", MaxPool(kernel=(2, 2), stride=(2, 2)), ("x",))
    bits = Node("bits", Threshold(thresholds=thresholds_of(0, (1,))), ("pool",))
    others = Node("others", Flatten(), ("pool",))
    graph = Graph("g", "x", IMAGE, (pool, others, bits))
    assert exchange_pools(graph) is graph


@given(st.integers(0, 9999), st.integers(1, 2))
def test_the_codes_said_to_occur_are_those_that_do(seed, n_bits):
    thresholds = thresholds_of(seed, (1, 2, 4)[:n_bits])
    every = np.repeat(np.arange(-4, 5)[:, np.newaxis], 3, axis=1)
    bits = thresholds.apply(every).astype(np.int64)
    codes = sum(bits[:, p] << p for p in range(n_bits))
    expected = np.stack([np.isin(np.arange(2**n_bits), codes[:, c]) for c in range(3)], axis=1)
    assert np.array_equal(reached_codes(thresholds, Integers(-4, 4)), expected)


@pytest.mark.parametrize("first", ["pool", "norm"])
def test_bits_are_pooled_whether_the_norm_stands_before_or_behind_the_pooling(first):
    norm = Affine(alpha=np.array([1, -1, -0.5], np.float32), beta=np.array([-1, 1, 0], np.float32))
    pool = MaxPool(kernel=(2, 2), stride=(1, 2))
    order = (pool, norm) if first == "pool" else (norm, pool)
    graph = chain(IMAGE, *order, Sign(zero=SignOfZero.PLUS), Flatten())
    expected = graph.run(images()).data
    for step in PIPELINE:
        graph = step(graph)
    assert [type(node.op) for node in graph.nodes] == [Threshold, MaxPool, Flatten]
    assert isinstance(graph.types[graph.nodes[0].name].element, Planes)
    assert np.array_equal(graph.run(images()).data, expected)


def test_only_a_norm_before_the_pooling_needs_maxima_alone():
    norm = Affine(alpha=np.array([1, -1, -0.5], np.float32), beta=np.array([-1, 1, 0], np.float32))
    pool = MaxPool(kernel=(2, 2), stride=(1, 2))
    before = fold_thresholds(hoist_signs(chain(IMAGE, norm, pool, Sign(zero=SignOfZero.PLUS))))
    behind = exchange_pools(fold_thresholds(chain(IMAGE, pool, norm, Sign(zero=SignOfZero.PLUS))))
    assert before.nodes[-1].op.smallest is None
    assert behind.nodes[-1].op.smallest.tolist() == [False, True, True]


# --- minima, the operator's own field ---


@given(windows, st.integers(0, 9999))
def test_the_minimum_is_the_maximum_of_the_negative_numbers(pool, seed):
    """What lies outside the image wins neither a maximum nor a minimum."""
    data = images(4, seed)
    smallest = np.array([True, False, True])
    found = replace(pool, smallest=smallest).run(Tensor(IMAGE, data)).data
    largest = pool.run(Tensor(IMAGE, data)).data
    turned = -pool.run(Tensor(IMAGE, -data)).data
    assert np.array_equal(found, np.where(smallest, turned, largest))


@given(windows, st.integers(0, 9999), st.booleans())
def test_the_minimum_of_planes_is_that_of_their_values(pool, seed, masked):
    bits = np.random.default_rng(seed).integers(0, 2, (4, 2, *IMAGE.shape), dtype=np.uint8)
    element = Planes((5, 2))
    if masked:
        present = np.zeros((2, *IMAGE.shape), dtype=np.uint8)
        present[1], present[0, ..., 1:] = 1, 1
        element, bits = Planes((5, 2), PlaneMask.of(present)), bits & present
    source = Tensor(TensorType(IMAGE.shape, element), bits)
    values = Tensor(IMAGE, element.values(bits))
    op = replace(pool, smallest=np.array([True, False, True]))
    out = op.run(source)
    assert isinstance(out.type.element, Planes)
    assert np.array_equal(out.type.element.values(out.data), op.run(values).data)


def test_a_field_of_another_shape_is_refused():
    with pytest.raises(ShapeError, match=r"must be bool \(channels,\), not int64 \(2,\)"):
        MaxPool(kernel=(2, 2), stride=(2, 2), smallest=np.array([0, 1]))
    op = MaxPool(kernel=(2, 2), stride=(2, 2), smallest=np.array([False, True]))
    with pytest.raises(GraphError, match=r"'maxpool0': a pooling of 2 channels does not fit .*\(5, 4, 3\)"):
        chain(IMAGE, op).check()
