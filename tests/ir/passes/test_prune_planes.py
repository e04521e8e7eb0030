"""Planes that no entry has go away, and with them steps and bits; the matrix stays."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Dense
from hbnn_hw.passes import lower, prune_planes
from hbnn_hw.passes.prune_planes import without_empty_planes
from hbnn_hw.streams import node_cycles
from hbnn_hw.weights import WeightPlanes
from tests.graphs import random_inputs, random_mlp


def planes_with(present, rows=6, columns=12, seed=0):
    """Planes of coefficients 4, 2, 1, of which only those named in ``present`` have entries."""
    rng = np.random.default_rng(seed)
    masks = rng.integers(0, 2, (3, rows, columns), dtype=np.uint8)
    for p in range(3):
        masks[p] *= p in present
        masks[p, 0, 0] = p in present
    return WeightPlanes.from_bits(rng.integers(0, 2, masks.shape, dtype=np.uint8) & masks, masks, (4, 2, 1))


@given(st.sets(st.integers(0, 2)), st.integers(0, 9999))
def test_the_matrix_stays_and_every_plane_has_an_entry(present, seed):
    weights = planes_with(present, seed=seed)
    pruned = without_empty_planes(weights)
    assert np.array_equal(pruned.values(), weights.values())
    assert pruned.coefficients == (tuple(weights.coefficients[p] for p in sorted(present)) or (4,))
    assert (pruned is weights) == (len(present) == 3)


def test_a_lowered_layer_takes_no_cycles_for_an_empty_plane():
    graph = random_mlp(5, (12, 6, 4))
    nodes = tuple(
        Node("fc1", Dense(weights=planes_with({0, 2})), n.inputs) if n.name == "fc1" else n
        for n in graph.nodes
    )
    graph = Graph(graph.name, graph.input_name, graph.input_type, nodes)
    inputs = random_inputs(graph, 20, seed=0)
    lowered = lower(graph)
    assert lowered.nodes[1].op.weights.coefficients == (4, 1)
    assert np.array_equal(lowered.run(inputs).data, graph.run(inputs).data)
    assert node_cycles(lowered)["fc1"] == 2


def test_layers_without_empty_planes_are_the_same_objects():
    graph = random_mlp(5, (12, 6, 4), coefficients=(2, 1))
    assert prune_planes(graph).nodes == graph.nodes


def test_a_plane_whose_rows_all_have_coefficient_0_goes_away():
    full = planes_with({0, 1, 2})
    table = np.arange(18).reshape(3, 6) * np.array([[1], [0], [1]])
    weights = WeightPlanes.from_bits(full.unpacked_bits(), full.unpacked_masks(), row_coefficients=table)
    pruned = without_empty_planes(weights)
    assert pruned.n_planes == 2
    assert np.array_equal(pruned.values(), weights.values())
