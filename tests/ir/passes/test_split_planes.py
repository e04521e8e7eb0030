"""Rows with coefficients of their own become planes that all back ends know."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Dense
from hbnn_hw.passes import lower, split_planes
from hbnn_hw.weights import WeightPlanes
from tests.graphs import random_inputs, random_mlp


def with_row_coefficients(graph, seed):
    """The same signs, with coefficients 0 to 3 of every plane and row."""
    rng = np.random.default_rng(seed)

    def weights_of(old):
        table = rng.integers(0, 4, (old.n_planes, old.rows))
        return WeightPlanes.from_bits(old.unpacked_bits(), old.unpacked_masks(), row_coefficients=table)

    nodes = tuple(
        Node(n.name, Dense(weights=weights_of(n.op.weights)), n.inputs) if isinstance(n.op, Dense) else n
        for n in graph.nodes
    )
    return Graph(graph.name, graph.input_name, graph.input_type, nodes)


@given(st.integers(0, 9999))
def test_the_outputs_stay_and_the_back_ends_know_the_layers(seed):
    graph = with_row_coefficients(random_mlp(seed, (9, 7, 5), coefficients=(1, 1)), seed)
    inputs = random_inputs(graph, 8, seed)
    split = split_planes(graph)
    assert np.array_equal(split.run(inputs).data, graph.run(inputs).data)
    assert np.array_equal(lower(split).run(inputs).data, graph.run(inputs).data)
    assert np.array_equal(lower(graph).run(inputs).data, graph.run(inputs).data)
    assert split.types == graph.types


def test_layers_with_shared_coefficients_are_the_same_objects():
    graph = random_mlp(0, (9, 7, 5), coefficients=(2, 1))
    assert split_planes(graph).nodes == graph.nodes
