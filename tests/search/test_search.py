"""The search meets its target and its budget, with the cheapest foldings that there are."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw.errors import FoldingError
from hbnn_hw.estimate import estimate
from hbnn_hw.folding import divisors
from hbnn_hw.ops import Mvtu, WidthConverter
from hbnn_hw.passes import FoldingRequest, LayerFolding, schedule
from hbnn_hw.search import Budget, FoldingSearch, SearchGoal, search_text
from hbnn_hw.streams import beat_bits, node_cycles, sample_interval
from hbnn_hw.target import XC7Z045, Target
from tests.search.networks import cnn, mlp, residual

BUDGET = Budget.of(XC7Z045)
NETWORKS = {
    "mlp": mlp(),
    "masked": mlp(coefficients=(4, 2, 1), shared_columns=True),
    "cnn": cnn(),
    "masked cnn": cnn(coefficients=(2, 1)),
    "residual": residual(),
}


@pytest.fixture(params=NETWORKS, scope="module")
def graph(request):
    return NETWORKS[request.param]


def slowest(graph):
    return sample_interval(schedule(graph, FoldingRequest(pe=1, simd=1)))


@pytest.mark.parametrize("part", [1.0, 0.5, 0.2])
def test_the_whole_scheduled_network_is_as_fast_as_asked_for(graph, part):
    fastest = FoldingSearch(graph, BUDGET).fastest().interval_cycles
    target = int(fastest + part * (slowest(graph) - fastest))
    result = FoldingSearch(graph, BUDGET).smallest(target)
    result.graph.check()
    assert result.cycles == node_cycles(result.graph)
    assert result.interval_cycles <= target
    assert result.cycles[result.bottleneck] == result.interval_cycles
    assert BUDGET.excess(result.needs) is None
    again = schedule(graph, result.request)
    assert node_cycles(again) == result.cycles


def test_a_slower_target_never_takes_a_larger_design(graph):
    search = FoldingSearch(graph, BUDGET)
    fastest = search.fastest().interval_cycles
    areas = [search.smallest(fastest * factor).needs for factor in (1, 2, 8)]
    prices = BUDGET.prices()
    assert areas[0] @ prices >= areas[1] @ prices * 0.98
    assert areas[1] @ prices >= areas[2] @ prices * 0.98


def test_the_search_counts_what_the_estimator_counts_or_more(graph):
    result = FoldingSearch(graph, BUDGET).smallest(slowest(graph))
    area = estimate(result.graph, Target()).area
    assert result.needs[0] >= area.luts - 1e-6
    assert result.needs[2] == area.bram36
    assert result.needs[3] == area.dsps
    assert result.needs[0] <= 1.5 * area.luts + 200


def test_two_layers_are_folded_as_cheaply_as_by_trying_everything():
    graph = mlp(sizes=(12, 8, 6))
    search = FoldingSearch(graph, BUDGET)
    for target in (6, 12, 24, 48):
        best = min(
            result.needs @ BUDGET.prices()
            for first, second in product(
                product(divisors(8), divisors(12)), product(divisors(6), divisors(8))
            )
            for result in [every(search, first, second)]
            if result.interval_cycles <= target
        )
        found = search.smallest(target)
        # The choice counts neither converters nor queues, a large part of so small a network.
        assert found.needs @ BUDGET.prices() <= best * 1.15


def every(search, first, second):
    by_folding = [
        {(c.folding.pe, c.folding.simd): c for c in layer.candidates}
        for layer in search._chooser.layers.values()
    ]
    return search.result({"fc1": by_folding[0][first], "fc2": by_folding[1][second]})


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1 << 16), st.integers(1, 400))
def test_cycles_follow_the_words_that_maps_leave_out(seed, target):
    graph = mlp(seed, (24, 12, 8), coefficients=(4, 2, 1), shared_columns=True)
    try:
        result = FoldingSearch(graph, BUDGET).smallest(target)
    except FoldingError:
        assert target < 30
        return
    planes = {node.name: node.op.weights.n_planes for node in graph.nodes if isinstance(node.op, Mvtu)}
    for layer in result.layers:
        assert layer.cycles == result.cycles[layer.name] <= target
        words = layer.rows * layer.columns // layer.pe // layer.simd
        assert layer.cycles <= layer.full_cycles == planes[layer.name] * words


def test_both_costs_differ_where_columns_of_a_bitwidth_stand_side_by_side():
    graph = mlp(sizes=(24, 12, 8), coefficients=(2, 1), shared_columns=True)
    layer = FoldingSearch(graph, BUDGET, {"fc1": LayerFolding(pe=4, simd=1)}).smallest(400).layers[0]
    assert (layer.pe, layer.simd) == (4, 1)
    assert layer.cycles < layer.full_cycles


def test_what_is_fixed_stays_and_the_rest_is_searched():
    graph = NETWORKS["cnn"]
    name, other = [node.name for node in graph.nodes if isinstance(node.op, Mvtu)][-2:]
    fixed = {name: LayerFolding(pe=1), other: LayerFolding(unroll=True)}
    result = FoldingSearch(graph, BUDGET, fixed).fastest()
    layers = {layer.name: layer for layer in result.layers}
    assert layers[name].pe == 1
    assert layers[other].unrolled
    assert layers[other].cycles == 1


def test_neighbours_that_fit_each_other_need_no_converter():
    graph = mlp(sizes=(64, 64, 64, 64))
    result = FoldingSearch(graph, BUDGET).smallest(256)
    assert not any(isinstance(node.op, WidthConverter) for node in result.graph.nodes)


def test_no_beat_is_wider_than_the_tools_take(graph):
    result = FoldingSearch(graph, BUDGET).fastest()
    for node in result.graph.hardware_nodes:
        assert beat_bits(result.graph.types[node.name], node.hardware.lanes_out) <= 4096


def test_the_fastest_design_fills_a_small_budget_and_no_more():
    graph = NETWORKS["masked"]
    search = FoldingSearch(graph, BUDGET)
    roomy, small = search.fastest(), search.smallest(slowest(graph))
    tight = replace(BUDGET, luts=(roomy.needs[0] + small.needs[0]) / 2)
    result = FoldingSearch(graph, tight).fastest()
    assert tight.excess(result.needs) is None
    assert result.interval_cycles > roomy.interval_cycles
    # A little faster does not fit.
    with pytest.raises(FoldingError, match=r"within the budget: the smallest needs .* LUT"):
        FoldingSearch(graph, tight).smallest(int(0.6 * result.interval_cycles))


def test_block_ram_is_traded_for_luts_where_it_runs_out():
    graph = mlp(sizes=(512, 512, 10), n_bits=1)
    many = FoldingSearch(graph, BUDGET).smallest(4000)
    assert many.needs[2] > 0
    few = FoldingSearch(graph, replace(BUDGET, bram36=0.0)).smallest(4000)
    assert few.needs[2] == 0
    assert few.needs[0] > many.needs[0]


@pytest.mark.parametrize(
    ("fixed", "target", "message"),
    [
        ({}, 0, "the target must be at least 1 cycle a sample, not 0"),
        ({}, 2, r"layer 'conv0' takes at least \d+ cycles a sample \(its sliding window included\)"),
        (
            {"conv0": LayerFolding(pe=1, simd=1)},
            700,
            r"'conv0' takes at least \d+ .* as it is folded by hand",
        ),
        ({"fc1": LayerFolding(pe=5)}, 99999, "PE must divide its 7 rows, not 5; legal values: 1, 7"),
        ({"fc7": LayerFolding(pe=5)}, 99999, "there is no layer 'fc7' to fold; the layers are conv0, conv1"),
    ],
)
def test_what_cannot_be_is_said_by_layer(fixed, target, message):
    with pytest.raises(FoldingError, match=message):
        FoldingSearch(NETWORKS["cnn"], BUDGET, fixed).smallest(target)


def test_nothing_fits_nowhere():
    with pytest.raises(FoldingError, match="the smallest needs"):
        FoldingSearch(NETWORKS["mlp"], replace(BUDGET, luts=10.0)).fastest()


def test_goals():
    search = FoldingSearch(NETWORKS["mlp"], BUDGET)
    assert SearchGoal(500).search(search).interval_cycles <= 500
    assert SearchGoal().search(search).interval_cycles == search.fastest().interval_cycles


def test_the_text_names_the_bottleneck_and_both_costs():
    result = FoldingSearch(NETWORKS["masked"], BUDGET).smallest(2000)
    text = search_text(result, 5.0)
    assert f"bottleneck: {result.bottleneck}, {result.interval_cycles} cycles a frame" in text
    for layer in result.layers:
        line = next(line for line in text.splitlines() if line.startswith(layer.name))
        assert {str(layer.cycles), str(layer.full_cycles), f"{layer.pe}×{layer.simd}"} <= set(line.split())


def test_a_search_gives_the_same_result_again(graph):
    first, second = (FoldingSearch(graph, BUDGET).smallest(slowest(graph) // 2) for _ in range(2))
    assert first.layers == second.layers
    assert np.array_equal(first.needs, second.needs)
