"""Redrawn weights: the shares asked for, trained signs where there are any, thresholds that fit the sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.analysis.weighted_nodes import weighted_nodes
from hbnn_hw.bit_distribution import Sharing, dist_from_avg, entry_counts
from hbnn_hw.explore import Drawn, Method
from hbnn_hw.explore.figures import streams_of
from hbnn_hw.explore.redraw import bit_map, drawn_weights, redrawn
from hbnn_hw.ops import Mvtu
from hbnn_hw.passes import FoldingRequest, schedule, simplify
from tests.explore.networks import small_model
from tests.graphs import PoolAt, random_cnn, random_inputs, random_weights

AVERAGES = st.sampled_from([0.7, 1.0, 1.1, 1.4, 1.75, 2.0, 2.5, 3.0])


def drawn(average, sharing=Sharing.ELEMENT, tile=(1, 1), method=Method.HBNN):
    return Drawn(network="", method=method, distribution=dist_from_avg(average), sharing=sharing, tile=tile)


@given(AVERAGES, st.integers(1, 30), st.integers(1, 30), st.integers(0, 99))
def test_an_element_map_has_exactly_the_shares_asked_for(average, rows, columns, seed):
    point = drawn(average)
    bits = bit_map((rows, columns), point, np.random.default_rng(seed))
    found = [int((bits == n).sum()) for n, _ in point.distribution]
    assert found == list(entry_counts(point.distribution, rows * columns))


@given(AVERAGES, st.sampled_from(list(Sharing)), st.integers(1, 20), st.integers(1, 20))
def test_entries_that_share_have_one_bitwidth(average, sharing, rows, columns):
    tile = (3, 4) if sharing is Sharing.TILE else (1, 1)
    bits = bit_map((rows, columns), drawn(average, sharing, tile), np.random.default_rng(0))
    assert bits.shape == (rows, columns)
    if sharing is Sharing.COLUMN:
        assert (bits == bits[:1]).all()
    if sharing is Sharing.ROW:
        assert (bits == bits[:, :1]).all()
    if sharing is Sharing.TILE:
        corners = bits[::3, ::4].repeat(3, axis=0)[:rows].repeat(4, axis=1)[:, :columns]
        assert (bits == corners).all()


@given(AVERAGES, st.integers(0, 99))
def test_trained_signs_stay_wherever_the_layer_has_the_plane(average, seed):
    rng = np.random.default_rng(seed)
    old = random_weights(rng, 6, 70, (4, 2, 1), zero_bit=True)
    new = drawn_weights(old, drawn(average), rng)
    planes = min(old.n_planes, new.n_planes)
    both = old.masks[:planes] & new.masks[:planes]
    assert ((old.bits[:planes] ^ new.bits[:planes]) & both == 0).all()


@pytest.mark.parametrize(
    ("point", "coefficients"),
    [
        (drawn(1.4), (5, 3, 2)),  # the trained scales
        (drawn(2.0), (5, 3)),
        (drawn(3.5), (8, 4, 2, 1)),  # more planes than were trained: each residual is smaller
        (drawn(2.0, method=Method.SLB), (1, 2)),  # codes
        (drawn(1.0), (1,)),
    ],
)
def test_scales_of_the_planes_are_the_methods(point, coefficients):
    old = random_weights(np.random.default_rng(0), 6, 20, (5, 3, 2))
    assert drawn_weights(old, point, np.random.default_rng(0)).coefficients == coefficients


def test_flexor_stores_as_many_bits_as_asked_for():
    point = Drawn(network="", method=Method.FLEXOR, distribution=((2, 1.0),), slice_bits=14)
    weights = drawn_weights(random_weights(np.random.default_rng(0), 20, 40), point, np.random.default_rng(0))
    assert point.average_bits == pytest.approx(1.4)
    assert weights.stored_average_bits() == pytest.approx(1.4)
    assert weights.average_bits() == 2.0


def test_equal_points_are_drawn_alike_and_layers_apart():
    model = small_model()
    first, second = (redrawn(model.graph, drawn(1.4)) for _ in range(2))
    pairs = list(zip(weighted_nodes(first), weighted_nodes(second), strict=True))
    assert all((a.weights.masks == b.weights.masks).all() for (_, a, _), (_, b, _) in pairs)
    assert all((a.weights.bits == b.weights.bits).all() for (_, a, _), (_, b, _) in pairs)


def test_thresholds_grow_with_the_sums():
    """One plane of scale 1 instead of three of scale 10 makes sums, and so thresholds, a tenth or less."""
    graph = small_model((10, 10, 10)).graph
    before, after = (
        next(node.op for node in one.nodes if isinstance(node.op, Mvtu))
        for one in (graph, redrawn(graph, drawn(1.0)))
    )
    rms = np.sqrt(100 * before.weights.plane_populations().sum(axis=0) / before.weights.columns)
    expected = np.rint(before.thresholds.table / rms[:, np.newaxis])
    assert (after.thresholds.table == expected).all()


@pytest.mark.parametrize("pool", list(PoolAt))
def test_redrawn_convolutions_are_networks_that_run(pool):
    graph = simplify(random_cnn(3, (8, 8, 2), [pool, pool], coefficients=(2, 1)))
    streams = streams_of(graph, drawn(1.6))
    folded = schedule(streams, FoldingRequest(pe=2, simd=2))
    folded.check()
    assert folded.run(random_inputs(folded, 2, 0)).data.shape[0] == 2
