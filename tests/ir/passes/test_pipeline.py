"""Every pass, on networks of any topology, leaves every output unchanged; so does the file."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw import ir_file
from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.ops import Add, Concat, MaxPool, Pad, PiecewiseAffine, Quantize, Rescale, Sign, SumPool
from hbnn_hw.passes import PIPELINE, fuse_mvtu, lower, prune_planes, simplify
from hbnn_hw.types import Reals
from tests.graphs import random_inputs
from tests.ir.passes.networks import only, random_network

networks = st.builds(random_network, st.integers(0, 1_000_000), st.integers(1, 7))


@given(networks)
def test_lowering_keeps_the_outputs_of_any_topology_after_every_pass_and_through_files(graph):
    inputs = random_inputs(graph, 6, seed=1)
    expected = graph.run(inputs).data
    lowered, simple = lower(graph), simplify(graph)
    for step in PIPELINE:
        graph = step(graph)
        graph.check()
        assert np.array_equal(graph.run(inputs).data, expected), step
        again = ir_file.from_bytes(ir_file.to_bytes(graph))
        assert again.text() == graph.text()
        assert np.array_equal(again.run(inputs).data, expected), step
    assert np.array_equal(lowered.run(inputs).data, expected)
    assert np.array_equal(GoldenModel(lowered).value(inputs), expected)
    assert np.array_equal(GoldenModel(simple).value(inputs), expected)


@settings(max_examples=60)
@given(networks)
def test_every_pass_alone_keeps_what_names_mean_and_has_nothing_left_to_do(graph):
    """Only a fused unit is called after the layer whose sums it no longer shows."""
    inputs = random_inputs(graph, 6, seed=2)
    expected = {name: tensor.data for name, tensor in graph.trace(inputs)}
    for step in PIPELINE:
        once = step(graph)
        found = {name: tensor.data for name, tensor in once.trace(inputs)}
        assert np.array_equal(found[once.output_name], expected[graph.output_name]), step
        if step is not fuse_mvtu:
            assert once.output_name == graph.output_name, step
            for name in found.keys() & expected.keys():
                assert np.array_equal(found[name], expected[name]), (step, name)
        assert step(once).text() == once.text(), step


@settings(max_examples=60)
@given(networks)
def test_no_real_number_is_left_inside_a_lowered_network(graph):
    lowered = lower(graph)
    assert not only(lowered, Sign)
    assert not only(lowered, Quantize)
    real = {name for name, kind in lowered.types.items() if isinstance(kind.element, Reals)}
    assert real <= {lowered.output_name}


def test_the_random_networks_tell_inputs_apart_have_all_operators_and_give_every_pass_work():
    graphs = [random_network(seed, 6) for seed in range(60)]
    outputs = [graph.run(random_inputs(graph, 6, seed=0)).data for graph in graphs]
    assert sum(len(np.unique(output, axis=0)) > 2 for output in outputs) > 50
    for kind in (Add, Concat, Pad, SumPool, MaxPool, Rescale, Quantize, PiecewiseAffine):
        assert sum(bool(only(graph, kind)) for graph in graphs) > 5, kind
    for step in PIPELINE:
        before = graphs
        graphs = [step(graph) for graph in graphs]
        changed = sum(a.text() != b.text() for a, b in zip(before, graphs, strict=True))
        assert changed > 5 or step is prune_planes, step
