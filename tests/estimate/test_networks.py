"""Estimates of what is no chain of vectors: convolutional and residual networks, operator by operator."""

import json

import numpy as np
import pytest

from hbnn_hw.buffering import SHALLOW, stream_depths
from hbnn_hw.estimate import estimate, estimate_text
from hbnn_hw.estimate.area import QUEUES, area, graph_features, node_features
from hbnn_hw.estimate.area.parts import Parts, queue, ram
from hbnn_hw.estimate.area.rescale import dsp_slices, signed_bits
from hbnn_hw.estimate.energy import FULL_ADDER_PJ, MEMORY_BIT_PJ, operation_energy
from hbnn_hw.graph import Graph, Node
from hbnn_hw.latency import estimated_latency_cycles, is_exact_for, latency
from hbnn_hw.ops import (
    Add,
    Concat,
    Decode,
    Fork,
    Mvtu,
    Pad,
    PadPlanes,
    Pool,
    PoolKind,
    Rescale,
    SlidingWindow,
    Threshold,
    Thresholds,
    WindowPool,
)
from hbnn_hw.passes import FoldingRequest, lower, schedule
from hbnn_hw.streams import node_cycles
from hbnn_hw.target import Target
from hbnn_hw.timing import BLOCK_ROM_STAGES, latency_cycles
from hbnn_hw.types import Integers, Planes, TensorType
from tests.graphs import PoolAt, random_cnn, random_mlp
from tests.search.networks import residual

ONE_BIT, CODES = Planes((1,)), Planes((1, 2))
NUMBERS = Integers(-128, 127)


@pytest.fixture(scope="module")
def networks():
    return {
        "cnn": lower(random_cnn(5, (8, 8, 2), (PoolAt.SIGNS, PoolAt.NOWHERE), coefficients=(2, 1))),
        "residual": schedule(residual(), FoldingRequest(pe=4, simd=4)),
    }


def area_of(op, shape, element):
    graph = Graph("one", "x", TensorType(shape, element), (Node("op", op, ("x",)),))
    return area(node_features(graph, graph.nodes[0]))


@pytest.mark.parametrize("name", ["cnn", "residual"])
def test_every_operator_and_queue_has_an_area(networks, name):
    graph = networks[name]
    result = estimate(graph, Target())
    assert [node.name for node in result.nodes] == [node.name for node in graph.hardware_nodes]
    assert {node.name: node.cycles for node in result.nodes} == node_cycles(graph)
    assert all(node.area.luts > 0 for node in result.nodes if node.kind != "EncodeBitPlanes")
    total = sum((area(features).luts for features in graph_features(graph).values()), 0.0)
    assert result.area.luts == pytest.approx(total)
    json.dumps(result.document())


def test_every_operator_of_the_rtl_is_calibrated(networks):
    result = estimate(networks["residual"], Target())
    assert all(node.is_calibrated for node in result.nodes)
    assert result.uncalibrated_luts == 0
    text = estimate_text(result)
    assert "calibrated" not in text
    assert "latency (estimated)" in text


def test_both_cycle_counts_stand_beside_each_other(networks):
    result = estimate(networks["cnn"], Target())
    layers = [node for node in result.nodes if node.layer]
    assert all(node.cycles <= node.layer.full_cycles for node in layers)
    assert "all words" in estimate_text(result)


def test_queues_where_branches_meet_are_paid_for(networks):
    graph = networks["residual"]
    deep = {reader for (reader, _), depth in stream_depths(graph).items() if depth > SHALLOW}
    readers = {node.name for node in graph.hardware_nodes if not isinstance(node.op, Mvtu)}
    queues = {name.removesuffix(QUEUES) for name in graph_features(graph) if name.endswith(QUEUES)}
    assert queues == deep & readers
    assert queues


def test_multipliers_are_dsp_slices(networks):
    graph = networks["residual"]
    (rescale,) = (node.op for node in graph.hardware_nodes if isinstance(node.op, Rescale))
    assert estimate(graph, Target()).area.dsps == rescale.lanes


@pytest.mark.parametrize(
    ("first", "second", "slices"),
    [(1, 1, 1), (25, 18, 1), (18, 25, 1), (25, 19, 2), (26, 18, 2), (25, 25, 2), (49, 18, 2), (35, 35, 4)],
)
def test_products_are_cut_into_what_a_slice_multiplies(first, second, slices):
    assert dsp_slices(first, second) == slices


@pytest.mark.parametrize(
    ("values", "bits"), [([0], 1), ([-1], 1), ([1], 2), ([-2, 1], 2), ([127, -128], 8), ([128], 9)]
)
def test_widths_of_signed_constants(values, bits):
    assert signed_bits(np.array(values, dtype=np.int64)) == bits


def test_a_memory_is_luts_or_blocks():
    assert ram(1, 64) == Parts(0, 64)
    assert ram(32, 6) == Parts(4, 6)
    assert ram(4096, 32) == Parts(0, 0, 4.0)
    # Two pointers of six bits and a level of seven; a deep queue has a flag as well, and no words in LUTs.
    assert queue(64, 9) == Parts(4 * 3, 2 * 6 + 7)
    assert queue(8192, 64) == Parts(0, 2 * 13 + 14 + 1, 16.0)


WINDOW = {"kernel": (3, 3), "stride": (1, 1)}


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (
            (SlidingWindow(**WINDOW, block=8, lanes=8), (16, 16, 8), ONE_BIT),
            (SlidingWindow(**WINDOW, block=8, lanes=8), (16, 16, 8), CODES),
        ),
        (
            (PadPlanes(padding=(1, 1, 1, 1), frame=(0,), lanes=2), (8, 8, 8), ONE_BIT),
            (PadPlanes(padding=(1, 1, 1, 1), lanes=8), (8, 8, 8), CODES),
        ),
        (
            (Pad(padding=(1, 1, 1, 1), lanes=2), (8, 8, 8), NUMBERS),
            (Pad(padding=(1, 1, 1, 1), lanes=8), (8, 8, 8), NUMBERS),
        ),
        (
            (Pool(kind=PoolKind.MAX, kernel=(2, 2), stride=(2, 2), lanes=2), (8, 8, 8), ONE_BIT),
            (Pool(kind=PoolKind.SUM, kernel=(2, 2), stride=(2, 2), lanes=2), (8, 8, 8), NUMBERS),
        ),
        (
            (WindowPool(kind=PoolKind.MAX, window=4, block=2, lanes=2), (8, 8, 32), ONE_BIT),
            (WindowPool(kind=PoolKind.MAX, window=4, block=8, lanes=8), (8, 8, 32), CODES),
        ),
        ((Decode(lanes=8), (4, 4, 8), CODES), (Decode(lanes=8), (4, 4, 8), Planes((2, 3)))),
    ],
    ids=["window", "planes' frame", "frame", "pool", "window pool", "decode"],
)
def test_area_grows_with_lanes_bits_and_work(small, large):
    assert 0 < area_of(*small).luts < area_of(*large).luts
    assert area_of(*small).flip_flops <= area_of(*large).flip_flops


def test_a_threshold_costs_comparisons_and_a_table():
    def threshold(levels, lanes):
        table = np.arange(8 * levels).reshape(8, levels).astype(np.int64)
        tables = Thresholds(table=table, inverted=np.zeros(8, dtype=np.bool_))
        return area_of(Threshold(thresholds=tables, lanes=lanes), (4, 4, 8), NUMBERS).luts

    assert threshold(1, 1) < threshold(3, 1) < threshold(3, 8)


def joined(op, elements):
    source = TensorType((4, 4, 8), Integers(0, 7))
    nodes = [Node("fork", Fork(lanes=2), ("x",))]
    nodes.append(Node("join", op, ("fork",) * elements))
    graph = Graph("join", "x", source, tuple(nodes))
    return area(node_features(graph, graph.nodes[1])).luts, area(node_features(graph, graph.nodes[0])).luts


def test_joins_cost_by_the_number_of_their_inputs():
    assert joined(Add(lanes=2), 2)[0] < joined(Add(lanes=2), 3)[0]
    assert joined(Concat(lanes=2), 2)[0] < joined(Concat(lanes=2), 5)[0]


def test_energy_of_simple_operators_by_hand():
    image = TensorType((4, 4, 2), NUMBERS)
    add = operation_energy(Add(lanes=2), image, image)
    assert add.compute_pj == pytest.approx(32 * 9 * FULL_ADDER_PJ)
    assert add.memory_pj == 0
    window = operation_energy(SlidingWindow(kernel=(2, 2), stride=(2, 2), block=2, lanes=2), image)
    # 32 numbers of 8 bits written, and each seen by one of four windows.
    assert window.memory_pj == pytest.approx(64 * 8 * MEMORY_BIT_PJ)
    pool = Pool(kind=PoolKind.MAX, kernel=(2, 2), stride=(2, 2), lanes=2)
    # Each of 8 results is read and written once by the second row of its window.
    assert operation_energy(pool, image).memory_pj == pytest.approx(2 * 8 * 8 * MEMORY_BIT_PJ)
    assert operation_energy(Fork(lanes=2), image).total_pj == 0


def test_a_unit_on_an_image_takes_the_energy_of_each_place(networks):
    graph = networks["cnn"]
    node = next(node for node in graph.hardware_nodes if node.name == "conv0")
    source = graph.source_type(node)
    at_one = TensorType((1, 1, source.shape[-1]), source.element)
    whole, one = operation_energy(node.hardware, source), operation_energy(node.hardware, at_one)
    assert whole.total_pj == pytest.approx(node.op.places(source) * one.total_pj)


@pytest.mark.parametrize("seed", range(4))
def test_the_latency_of_vectors_is_exact_and_its_estimate_near(seed):
    rng = np.random.default_rng(seed)
    request = FoldingRequest(pe=int(rng.integers(1, 9)), simd=int(rng.integers(1, 9)))
    graph = lower(random_mlp(seed, (32, 24, 16, 10), coefficients=(2, 1)), request)
    assert is_exact_for(graph)
    exact = latency(graph)
    assert exact.is_exact
    assert exact.cycles == latency_cycles(graph)
    assert estimated_latency_cycles(graph) == pytest.approx(exact.cycles, rel=0.2)


def test_the_estimated_latency_knows_the_register_behind_a_deep_memory():
    """128 steps come from LUTs, 160 from block RAM; the estimate is off by the same in both."""
    request = FoldingRequest(pe=1, simd=8)
    shallow, deep = (lower(random_mlp(1, (32, rows)), request) for rows in (32, 40))
    differences = [estimated_latency_cycles(graph) - latency_cycles(graph) for graph in (shallow, deep)]
    assert latency_cycles(deep) - latency_cycles(shallow) == 8 * 32 // 8 + BLOCK_ROM_STAGES
    assert differences[0] == differences[1]


@pytest.mark.parametrize("name", ["cnn", "residual"])
def test_the_latency_of_other_networks_is_an_estimate(networks, name):
    graph = networks[name]
    found = latency(graph)
    assert not found.is_exact
    cycles = node_cycles(graph).values()
    # At least the slowest operator's whole sample, at most everything one after the other.
    assert max(cycles) <= found.cycles <= sum(cycles) + 20 * len(cycles)
