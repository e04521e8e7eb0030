"""Quantizers move in front of poolings and flattenings of reals, or the network is refused by name."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.errors import GraphError, RangeError
from hbnn_hw.ops import (
    Affine,
    Flatten,
    MaxPool,
    PiecewiseAffine,
    Quantize,
)
from hbnn_hw.passes import fold_thresholds, hoist_signs, lower
from hbnn_hw.types import Integers, TensorType
from tests.ir.passes.networks import chain

IMAGE = TensorType((5, 4, 2), Integers(-4, 4))
POOL = MaxPool(kernel=(2, 2), stride=(1, 2))
NORM = Affine(alpha=np.array([0.5, -1], np.float32), beta=np.array([0.5, 1], np.float32))
images = np.random.default_rng(0).integers(-4, 5, (40, *IMAGE.shape))


def quantizer(seed, scales, mask=None):
    rng = np.random.default_rng(seed)
    levels = 2 ** len(scales) - 1
    return Quantize(
        boundaries=np.sort(rng.integers(-8, 9, levels) / 2),
        inclusive=rng.integers(0, 2, levels).astype(np.bool_),
        scales=scales,
        mask=mask,
    )


@given(st.integers(0, 9999), st.sampled_from([(1,), (1, 2), (2, 5), (1, 2, 4), (5, 2), (3, 3)]))
def test_the_outputs_stay_and_only_rising_codes_move(seed, scales):
    graph = chain(IMAGE, NORM, POOL, quantizer(seed, scales))
    moved = hoist_signs(graph)
    assert np.array_equal(moved.run(images).data, graph.run(images).data)
    if sum(scales[:-1]) < scales[-1]:
        assert [type(node.op) for node in moved.nodes] == [Affine, Quantize, MaxPool]
        assert moved.output_type == graph.output_type


@given(st.integers(0, 9999), st.booleans(), st.booleans())
def test_maps_move_with_the_quantizer(seed, flattened, per_pixel):
    rng = np.random.default_rng(seed)
    first = chain(IMAGE, NORM, *((Flatten(),) if flattened else (POOL,)))
    shape = first.output_type.shape
    first_plane = rng.integers(0, 3, shape if per_pixel or flattened else (1, 1, 2))
    present = np.arange(2).reshape(2, *[1] * len(shape)) >= first_plane
    mask = np.ascontiguousarray(np.broadcast_to(present, (2, *shape)).astype(np.uint8))
    graph = chain(IMAGE, *(node.op for node in first.nodes), quantizer(seed, (1, 2), mask))
    moved = hoist_signs(graph)
    assert moved.output_type == graph.output_type
    assert np.array_equal(moved.run(images).data, graph.run(images).data)
    if flattened or not per_pixel:
        assert isinstance(moved.nodes[1].op, Quantize)
        assert np.array_equal(fold_thresholds(moved).run(images).data, graph.run(images).data)


def test_a_quantizer_that_stays_behind_a_pooling_of_reals_is_refused_by_name():
    falling = replace(quantizer(0, (5, 2)), boundaries=np.array([-1.0, 0.0, 1.0]))
    graph = chain(IMAGE, NORM, POOL, falling, POOL)
    with pytest.raises(GraphError, match=r"'quantize2' \(Quantize of 'maxpool1'\) must read integers, or"):
        lower(graph)


def test_all_that_stay_are_named_at_once():
    falling = replace(quantizer(0, (5, 2)), boundaries=np.array([-1.0, 0.0, 1.0]))
    graph = chain(IMAGE, NORM, POOL, falling, NORM, POOL, falling, Flatten())
    with pytest.raises(GraphError, match=r"'quantize2' .*, 'quantize5' \(Quantize of 'maxpool4'\) must"):
        lower(graph)


def test_codes_that_rise_and_fall_have_no_thresholds():
    """|x| rises on one side and falls on the other; the second channel only rises."""
    bend = PiecewiseAffine(
        alpha=np.array([[-1, 1], [1, 1]], np.float32),
        beta=np.zeros((2, 2), np.float32),
        knees=np.zeros((1, 2), np.int64),
    )
    graph = chain(IMAGE, bend, replace(quantizer(0, (1,)), boundaries=np.array([1.5])))
    with pytest.raises(RangeError, match=r"'quantize1': the codes of a channel must .*channel 0 does both"):
        fold_thresholds(graph)
    beyond = replace(quantizer(0, (1,)), boundaries=np.array([4.5]))
    folded = fold_thresholds(chain(IMAGE, bend, beyond))
    assert not folded.run(images).data.any(), "no reachable integer passes, so a threshold exists"
