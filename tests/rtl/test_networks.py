"""Whole networks and single units in Amaranth's simulator: exact bits and cycles, under stalls and resets."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from hbnn_hw.backends.rtl.top import Network
from hbnn_hw.folding import KERNEL_STAGES, Folding
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import EncodeBitPlanes, Mvtu, Thresholds
from hbnn_hw.passes import FoldingRequest, LayerFolding, lower
from hbnn_hw.streams import output_edge
from hbnn_hw.timing import beat_times, interval_cycles, latency_cycles
from hbnn_hw.types import Integers, TensorType
from tests.graphs import random_inputs, random_mlp, random_weights
from tests.rtl.harness import check_network
from tests.tables import rows

N_IMAGES = 5


def check(graph: Graph, seed: int = 0) -> None:
    inputs = random_inputs(graph, N_IMAGES, seed)
    run = check_network(Network(graph), graph, inputs)
    predicted = beat_times(graph, N_IMAGES)
    first = run.input_cycles[0]
    assert tuple(cycle - first for cycle in run.input_cycles) == predicted.inputs
    assert tuple(cycle - first for cycle in run.output_cycles) == predicted.outputs
    assert run.output_cycles[-1] - run.output_cycles[-1 - output_edge(graph).beats] == interval_cycles(graph)
    check_network(Network(graph), graph, inputs, stall_seed=seed)
    check_network(Network(graph), graph, inputs, stall_seed=seed + 1, reset_after=3 + 7 * seed % 60)


NETWORKS = {
    "one of everything": ([12, 8, 4], 2, (2, 1), False, 2, 4),
    "serial": ([6, 4, 3], 1, (1,), False, 1, 1),
    "wide": ([16, 24, 12], 3, (4, 2, 1), False, 16, 16),
    "skipped words": ([24, 12, 16, 6], 2, (4, 2, 1), True, 2, 2),
    "odd": ([15, 9, 5], 8, (5, 3), True, 3, 5),
    "width one": ([1, 3, 1, 4], 1, (2, 1), False, 4, 4),
    "one neuron": ([1, 1], 1, (1,), False, 1, 1),
    "slow behind fast": ([8, 6, 24, 6], 1, (1,), False, 1, 2),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_folded_networks_are_exact(name):
    sizes, n_bits, coefficients, shared, pe, simd = NETWORKS[name]
    graph = random_mlp(len(name), sizes, n_bits, coefficients, shared)
    check(lower(graph, FoldingRequest(pe=pe, simd=simd)), seed=len(name))


LAYERS = ("fc1", "fc2", "fc3")


@pytest.mark.parametrize(
    ("coefficients", "unrolled"),
    rows(
        product([(1,), (3, 1)], [*((layer,) for layer in LAYERS), LAYERS]),
        usual=lambda coefficients, unrolled: (coefficients == (1,)) == (unrolled in {("fc2",), LAYERS}),
    ),
)
def test_unrolled_layers_mix_with_folded_ones(coefficients, unrolled):
    request = FoldingRequest(pe=2, simd=4, layers={name: LayerFolding(unroll=True) for name in unrolled})
    graph = lower(random_mlp(7, [8, 12, 6, 4], 2, coefficients), request)
    check(graph, seed=len(unrolled))


@pytest.mark.parametrize("stages", rows(range(1, 7), usual=lambda stages: stages in {1, 3, 6}))
def test_unrolled_layers_have_as_many_stages_as_asked_for(stages):
    """Bits and cycles stay exact, and the latency follows."""
    layers = {"fc2": LayerFolding(unroll=True, stages=stages)}
    graph = lower(random_mlp(8, [6, 8, 3], 2, (2, 1)), FoldingRequest(unroll=True, layers=layers))
    usual = lower(random_mlp(8, [6, 8, 3], 2, (2, 1)), FoldingRequest(unroll=True))
    assert latency_cycles(graph) - latency_cycles(usual) == stages - KERNEL_STAGES
    check(graph, seed=stages)


@pytest.mark.parametrize("seed", rows(range(12), usual=lambda seed: seed % 2))
def test_random_networks_are_exact(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.choice([1, 2, 3, 4, 6, 8, 12, 16], rng.integers(2, 5)).tolist()
    coefficients = [(1,), (2, 1), (4, 2, 1), (7, 2)][rng.integers(4)]
    names = [f"fc{layer}" for layer in range(1, len(sizes)) if rng.random() < 0.2]
    request = FoldingRequest(
        pe=int(rng.choice([1, 2, 4, 16])),
        simd=int(rng.choice([1, 2, 3, 16])),
        layers={name: LayerFolding(unroll=True) for name in names},
    )
    graph = random_mlp(seed, sizes, int(rng.choice([1, 2, 3, 8])), coefficients, bool(rng.integers(2)))
    check(lower(graph, request), seed)


@pytest.mark.parametrize(
    "reset_after", rows([1, 2, 5, 6, 7, 8, 13, 29, 30, 31], usual=lambda clock: clock in {1, 2, 7, 13, 30})
)
def test_a_reset_at_any_time_starts_over(reset_after):
    graph = lower(random_mlp(3, [8, 8, 4], 2, (2, 1), shared_columns=True), FoldingRequest(pe=2, simd=2))
    inputs = random_inputs(graph, 2, reset_after)
    for stall_seed in (None, reset_after):
        check_network(Network(graph), graph, inputs, stall_seed=stall_seed, reset_after=reset_after)


def single(mvtu: Mvtu, n_bits: int) -> Graph:
    """An encoder and one unit."""
    columns = mvtu.weights.columns
    nodes = (
        Node("encode", EncodeBitPlanes(n_bits=n_bits, lanes=mvtu.lanes_in), ("x",)),
        Node("unit", mvtu, ("encode",)),
    )
    return Graph("single", "x", TensorType((columns,), Integers(0, 2**n_bits - 1)), nodes)


FOLDINGS = [Folding(2, 3), Folding(6, 9), Folding(1, 1), Folding(6, 9, unrolled=True)]


@pytest.mark.parametrize(
    ("levels", "folding"),
    rows(
        product([1, 3, 7], FOLDINGS),
        usual=lambda levels, folding: levels == 3 or folding == FOLDINGS[0 if levels == 7 else -1],
    ),
)
def test_codes_of_several_levels_and_thresholds_at_the_ends(levels, folding):
    rng = np.random.default_rng(levels)
    weights = random_weights(rng, 6, 9, (2, 1), zero_bit=True)
    table = np.sort(rng.integers(-25, 26, (6, levels)), axis=1)
    table[0], table[1] = -1000, 1000  # always and never
    inverted = np.array([False, False, True, True, False, True])
    thresholds = Thresholds(table=table, inverted=inverted)
    graph = single(Mvtu(weights=weights, thresholds=thresholds, folding=folding), 2)
    check(graph, seed=levels)


def test_a_row_without_any_weight_still_gives_its_constant():
    rng = np.random.default_rng(0)
    weights = random_weights(rng, 4, 6, (2, 1))
    masks, bits = weights.unpacked_masks(), weights.unpacked_bits()
    masks[:, 2:], bits[:, 2:] = 0, 0
    empty = type(weights).from_bits(bits, masks, (2, 1))
    check(single(Mvtu(weights=empty, folding=Folding(2, 3)), 3))
    check(single(Mvtu(weights=empty, folding=Folding(4, 6, unrolled=True)), 3))


def test_flipping_one_constant_is_seen():
    """The comparison itself must be able to fail: a weight, a mask and a threshold bit, one at a time."""
    graph = lower(random_mlp(5, [12, 8, 4], 2, (2, 1)), FoldingRequest(pe=2, simd=4))
    inputs = random_inputs(graph, 24, 0)
    node = next(node for node in graph.nodes if node.name == "fc2")
    weights = node.op.weights
    for row in range(weights.rows):
        bits = weights.unpacked_bits()
        bits[0, row, 0] ^= 1
        faulty = type(weights).from_bits(bits, weights.unpacked_masks(), weights.coefficients)
        broken = replace(node, op=replace(node.op, weights=faulty))
        nodes = tuple(broken if other is node else other for other in graph.nodes)
        with pytest.raises(AssertionError):
            check_network(Network(replace(graph, nodes=nodes)), graph, inputs)
