"""The depths of the streams let every network run dry of nothing and stop at nothing."""

from collections import deque
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.buffering import MARGIN, SHALLOW, stream_depths
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import (
    Add,
    Decode,
    EncodeBitPlanes,
    Fork,
    Pad,
    Pool,
    PoolKind,
    Rescale,
    SlidingWindow,
    WindowPool,
)
from hbnn_hw.passes import FoldingRequest, lower
from hbnn_hw.types import Integers, TensorType
from tests.graphs import random_inputs
from tests.ir.passes.networks import random_network


def run_streams(graph, depths):
    """Run the streams word by word, without clocks: the output words that leave, and who still waits.

    Every unit reads the words that its next result needs, one after the other, and writes it to all its
    readers, each when there is room.
    """
    nodes = graph.hardware_nodes
    queues = {key: deque() for key in depths}
    entering = graph.types[graph.hardware_input].n_elements // nodes[0].hardware.lanes_in
    words = {graph.producer(graph.hardware_input): entering}
    words |= {node.name: graph.types[node.name].n_elements // node.hardware.lanes_out for node in nodes}
    # Behind its last result a unit takes what is left of its inputs.
    reads = {
        node.name: [
            np.append(read, words[graph.producer(name)])
            for name, read in zip(node.inputs, node.hardware.reads(*graph.input_types(node)), strict=True)
        ]
        for node in nodes
    }
    position = {node.name: 0 for node in nodes}
    taken = {node.name: [0] * len(node.inputs) for node in nodes}
    written = {node.name: set() for node in nodes}
    left, offered, moved = 0, 0, True
    while moved:
        moved = False
        first = (nodes[0].name, 0)
        while offered < entering and len(queues[first]) < depths[first]:
            queues[first].append(offered)
            offered, moved = offered + 1, True
        for node in nodes:
            name = node.name
            while position[name] < len(reads[name][0]):
                wanted = [int(read[position[name]]) for read in reads[name]]
                for index, number in enumerate(wanted):
                    while taken[name][index] < number and queues[name, index]:
                        queues[name, index].popleft()
                        taken[name][index] += 1
                        moved = True
                if taken[name] != wanted:
                    break
                if position[name] == words[name]:
                    position[name] += 1
                    continue
                sinks = [(reader.name, place) for reader, place in graph.readers(node)]
                for sink in sinks:
                    if sink not in written[name] and len(queues[sink]) < depths[sink]:
                        queues[sink].append(position[name])
                        written[name].add(sink)
                        moved = True
                if len(written[name]) < len(sinks):
                    break
                written[name] = set()
                position[name] += 1
                left += node is nodes[-1]
                moved = True
    return left, {name for name in position if position[name] <= words[name]}


def output_words(graph):
    last = graph.hardware_nodes[-1]
    return graph.types[last.name].n_elements // last.hardware.lanes_out


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9999), st.sampled_from([(1, 1), (3, 2), (16, 16)]))
def test_random_networks_run_to_the_end(seed, limits):
    graph = lower(random_network(seed, 5), FoldingRequest(pe=limits[0], simd=limits[1]))
    assert run_streams(graph, stream_depths(graph)) == (output_words(graph), set())


def residual():
    """Integers that wait for the same integers smoothed by a 3x3 window."""
    channels = 2
    nodes = (
        Node("fork", Fork(lanes=channels), ("x",)),
        Node("frame", Pad(padding=(1, 1, 1, 1), lanes=channels), ("fork",)),
        Node(
            "window", SlidingWindow(kernel=(3, 3), stride=(1, 1), block=channels, lanes=channels), ("frame",)
        ),
        Node("sum", WindowPool(kind=PoolKind.SUM, window=9, block=channels, lanes=channels), ("window",)),
        Node("add", Add(lanes=channels), ("fork", "sum")),
    )
    return Graph("residual", "x", TensorType((6, 7, channels), Integers(0, 15)), nodes)


def test_the_shorter_branch_waits_in_a_queue_that_is_deep_enough_without_its_margin():
    graph = residual()
    depths = stream_depths(graph)
    bare = dict.fromkeys(depths, SHALLOW)
    # The window's own queue holds three of the frame's eight rows, which are so many of the image's 42 words.
    assert depths["window", 0] == 3 * 9
    enough = depths["add", 0] - MARGIN - ceil(42 * 3 / 8)
    assert depths["add", 1] == MARGIN
    assert run_streams(graph, depths) == (42, set())
    assert run_streams(graph, bare | {("add", 0): enough}) == (42, set())
    # Words of the shorter branch that wait are those that the window takes before it answers; some of them
    # may wait in front of the fork and the frame instead.
    smallest = next(d for d in range(1, enough + 1) if not run_streams(graph, bare | {("add", 0): d})[1])
    assert enough - 4 <= smallest <= enough
    left, waiting = run_streams(graph, bare | {("add", 0): smallest - 1})
    assert left < 42
    assert {"fork", "add"} <= waiting


def test_a_chain_needs_no_queues():
    graph = Graph(
        "chain",
        "x",
        TensorType((4, 4, 2), Integers(0, 3)),
        (
            Node("encode", EncodeBitPlanes(n_bits=2, lanes=2), ("x",)),
            Node("decode", Decode(lanes=2), ("encode",)),
            Node("pool", Pool(kind=PoolKind.SUM, kernel=(2, 2), stride=(2, 2), lanes=2), ("decode",)),
        ),
    )
    assert set(stream_depths(graph).values()) == {SHALLOW}


@pytest.mark.parametrize("factor", [1, 3])
def test_a_value_that_meets_itself_waits_for_pipelines_only(factor):
    rescale = Rescale(
        multipliers=np.full((1, 2), factor),
        offsets=np.zeros((1, 2), dtype=np.int64),
        knees=np.zeros((0, 2), dtype=np.int64),
        shift=0,
        lanes=2,
    )
    nodes = (
        Node("fork", Fork(lanes=2), ("x",)),
        Node("rescale", rescale, ("fork",)),
        Node("add", Add(lanes=2), ("fork", "rescale")),
    )
    graph = Graph("doubled", "x", TensorType((4, 4, 2), Integers(0, 3)), nodes)
    depths = stream_depths(graph)
    assert {depths["add", 0], depths["add", 1]} == {MARGIN}
    assert {depth for (name, _), depth in depths.items() if name != "add"} == {SHALLOW}
    inputs = random_inputs(graph, 3, seed=0)
    assert np.array_equal(GoldenModel(graph).value(inputs), (1 + factor) * inputs)
