"""Networks with windows and branches in Amaranth's simulator: exact bits and intervals, stalls, resets.

Every operator of the IR occurs, so the builder's wiring, names and queues are those of real networks; larger
ones run at compiled speed in ``rtl_tests``.
"""

from dataclasses import replace
from math import prod

import numpy as np
import pytest
from amaranth.hdl import Fragment, Module

from hbnn_hw.backends.rtl import top
from hbnn_hw.backends.rtl.queues import queue_words
from hbnn_hw.backends.rtl.top import Network, Units
from hbnn_hw.backends.rtl.top import check_network as check_units
from hbnn_hw.buffering import SHALLOW, stream_depths
from hbnn_hw.errors import GraphError
from hbnn_hw.folding import Folding
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import (
    OPS,
    Dense,
    EncodeBitPlanes,
    HardwareOp,
    Mvtu,
    Pad,
    PadPlanes,
    SlidingWindow,
    Threshold,
    Thresholds,
    Unflatten,
    WidthConverter,
)
from hbnn_hw.passes import FoldingRequest, LayerFolding, lower, schedule, split_planes, to_streams
from hbnn_hw.streams import node_cycles, output_edge, sample_interval
from hbnn_hw.types import Integers, TensorType
from tests.graphs import random_convolution, random_inputs, random_weights
from tests.ir.passes.networks import random_network
from tests.ir.test_ir_fuzz import branches
from tests.rtl.harness import check_network
from tests.search import networks

GRAPHS = {
    **{
        seed: lambda s=seed: lower(random_network(s, 5), FoldingRequest(pe=4, simd=4))
        for seed in (0, 2, 5, 11)
    },
    "maps": lambda: lower(branches(), FoldingRequest(pe=4, simd=4)),
    "unrolled groups": lambda: lower(depthwise(), FoldingRequest(unroll=True)),
    "class": lambda: lower(one_layer(), FoldingRequest(pe=2, simd=4), arg_max=True),
}
"""By seed: networks with branches, sums, frames and poolings in any order."""


def one_layer():
    """Scores without scales, for the accelerator to choose among."""
    weights = random_weights(np.random.default_rng(0), 6, 12, (2, 1))
    nodes = (
        Node("encode", EncodeBitPlanes(n_bits=2), ("x",)),
        Node("fc", Dense(weights=weights), ("encode",)),
    )
    return Graph("one_layer", "x", TensorType((12,), Integers(0, 3)), nodes)


def depthwise():
    """A layer with a filter for every channel, and one that mixes the channels."""
    rng = np.random.default_rng(0)
    table = rng.integers(-2, 3, (4, 1))
    threshold = Thresholds(table=table, inverted=np.array([False, True, False, True]))
    nodes = (
        Node("image", Unflatten(shape=(4, 5, 4)), ("x",)),
        Node("encode", EncodeBitPlanes(n_bits=1), ("image",)),
        Node("each", random_convolution(rng, (4, 5, 4), outputs=1, groups=4), ("encode",)),
        Node("sign", Threshold(thresholds=threshold), ("each",)),
        Node("mix", random_convolution(rng, (2, 3, 4), outputs=3, kernel=(1, 1)), ("sign",)),
    )
    return Graph("depthwise", "x", TensorType((80,), Integers(0, 1)), nodes)


def check(graph, n_images=4, stalled_images=2):
    """Full rate at the schedule's pace, then stalls on both sides after a reset in mid-stream."""
    inputs, beats = random_inputs(graph, n_images, seed=0), output_edge(graph).beats
    run = check_network(Network(graph), graph, inputs)
    ends = run.output_cycles[beats - 1 :: beats]
    assert ends[-1] - ends[-2] == sample_interval(graph)
    stalled = inputs[-stalled_images:]
    check_network(Network(graph), graph, stalled, stall_seed=1, reset_after=sample_interval(graph) // 2 + 3)


@pytest.mark.parametrize("name", GRAPHS)
def test_networks_are_exact_and_keep_the_pace_of_their_schedule(name):
    check(GRAPHS[name]())


@pytest.mark.table
@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("limits", [(1, 1), (3, 2), (16, 16)])
def test_many_networks_are_exact_and_keep_the_pace(seed, limits):
    check(lower(random_network(seed, 5), FoldingRequest(pe=limits[0], simd=limits[1])), 6, 3)


def test_every_hardware_operator_occurs():
    found = {type(node.op) for make in GRAPHS.values() for node in make().hardware_nodes}
    missing = {op for op in OPS.values() if issubclass(op, HardwareOp)} - found
    assert not missing


def test_queues_stand_where_branches_meet_and_where_layers_wait():
    graph = schedule(networks.residual(), FoldingRequest(pe=8, simd=16))
    words, depths = queue_words(graph), stream_depths(graph)
    kinds = {node.name: type(node.op) for node in graph.hardware_nodes}
    for (name, place), depth in depths.items():
        if kinds[name] in (SlidingWindow, Pad, PadPlanes):
            assert words[name, place] >= (depth if depth > SHALLOW else 0)
        elif depth > SHALLOW:
            assert words[name, place] == depth
    assert words["sum", 0] > 0
    assert words["sum", 1] > 0


def two_convolutions(shape):
    """The slowest layer, of 1 × 1 filters, and behind it one of 3 × 3 filters in a frame."""
    rng = np.random.default_rng(0)
    threshold = Thresholds(table=np.zeros((4, 1), dtype=np.int64), inverted=np.zeros(4, dtype=bool))
    frame = {"padding": (1, 1, 1, 1), "border": -1}
    nodes = (
        Node("image", Unflatten(shape=shape), ("x",)),
        Node("encode", EncodeBitPlanes(n_bits=1), ("image",)),
        Node("conv1", random_convolution(rng, shape, outputs=4, kernel=(1, 1)), ("encode",)),
        Node("sign", Threshold(thresholds=threshold), ("conv1",)),
        Node("conv2", random_convolution(rng, (*shape[:2], 4), outputs=4, **frame), ("sign",)),
    )
    graph = Graph("two", "x", TensorType((prod(shape),), Integers(0, 1)), nodes)
    layers = {"conv1": LayerFolding(pe=1, simd=1), "conv2": LayerFolding(pe=4, simd=12)}
    return schedule(to_streams(split_planes(graph)), FoldingRequest(layers=layers))


def interval(graph):
    """Clocks between the last two of some images."""
    inputs, beats = random_inputs(graph, 3, seed=0), output_edge(graph).beats
    ends = check_network(Network(graph), graph, inputs).output_cycles[beats - 1 :: beats]
    return ends[-1] - ends[-2]


@pytest.mark.parametrize(("pausing", "shape"), [("conv2_pad", (2, 8, 4)), ("conv2_window", (4, 12, 8))])
def test_a_unit_that_takes_nothing_for_a_while_does_not_hold_up_the_slowest_layer(
    pausing, shape, monkeypatch
):
    """And it would without its queue, or with one that is as deep as buffering alone asks for."""
    graph = two_convolutions(shape)
    assert node_cycles(graph)["conv1"] == sample_interval(graph) == interval(graph)
    words, depth = queue_words(graph), stream_depths(graph)[pausing, 0]
    assert words[pausing, 0] > depth
    words[pausing, 0] = depth if depth > SHALLOW else 0
    monkeypatch.setattr(top, "queue_words", lambda graph: words)
    assert interval(graph) > sample_interval(graph)


def test_units_are_named_after_nodes_and_queues_after_their_readers():
    graph = GRAPHS["maps"]()
    m, units = Module(), Units(graph, text=False)
    units.connect(m)
    Fragment.get(m, None)
    assert list(units.units) == [node.name for node in graph.hardware_nodes]
    inputs = {node.name: len(node.inputs) for node in graph.hardware_nodes}
    assert set(units.queues) == {
        f"{name}_fifo{at if inputs[name] > 1 else ''}"
        for (name, at), count in queue_words(graph).items()
        if count
    }
    assert {"sum_fifo0", "sum_fifo1"} <= set(units.queues)


def test_coefficients_by_row_are_refused_where_a_unit_is_folded():
    weights = random_weights(np.random.default_rng(0), 4, 6)
    weights = replace(weights, row_coefficients=np.arange(1, 5)[np.newaxis])
    nodes = (
        Node("encode", EncodeBitPlanes(n_bits=1, lanes=3), ("x",)),
        Node("fc", Mvtu(weights=weights, folding=Folding(2, 3)), ("encode",)),
    )
    graph = Graph("rows", "x", TensorType((6,), Integers(0, 1)), nodes)
    with pytest.raises(GraphError, match="one coefficient for each plane, not one for each row as in 'fc'"):
        check_units(graph)
    unrolled = replace(nodes[1], op=replace(nodes[1].op, folding=Folding(4, 6, unrolled=True)))
    wide = replace(nodes[0], op=replace(nodes[0].op, lanes=6))
    check_units(replace(graph, nodes=(wide, unrolled)))


def test_a_second_reader_needs_a_fork():
    nodes = (
        Node("encode", EncodeBitPlanes(n_bits=1, lanes=4), ("x",)),
        Node("a", WidthConverter(lanes_from=4, lanes_to=2), ("encode",)),
        Node("b", WidthConverter(lanes_from=4, lanes_to=1), ("encode",)),
    )
    graph = Graph("g", "x", TensorType((4,), Integers(0, 1)), nodes)
    with pytest.raises(GraphError, match="'encode' must have one reader, not 2"):
        check_units(graph)
