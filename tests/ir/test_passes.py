"""Every pass leaves every output unchanged, bit for bit; thresholds are exact on every reachable integer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw.backends.golden import DotKernel, GoldenModel
from hbnn_hw.errors import FoldingError, GraphError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Affine, EncodeBitPlanes, Mvtu, Sign, SignOfZero, Tensor, WidthConverter
from hbnn_hw.options import parse_folding
from hbnn_hw.passes import PIPELINE, FoldingRequest, LayerFolding, fold_thresholds, lower, schedule
from hbnn_hw.passes.fold_thresholds import bisect_thresholds
from hbnn_hw.streams import input_edge, node_cycles, output_edge, sample_interval
from hbnn_hw.types import Integers, TensorType
from tests.graphs import random_inputs, random_mlp

networks = st.builds(
    random_mlp,
    seed=st.integers(0, 10_000),
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=4),
    n_bits=st.integers(1, 8),
    coefficients=st.sampled_from([(1,), (2, 1), (5, 3, 2)]),
    shared_columns=st.booleans(),
    zero=st.sampled_from(SignOfZero),
)
requests = st.builds(FoldingRequest, pe=st.integers(1, 12), simd=st.integers(1, 12), unroll=st.booleans())


@settings(max_examples=60)
@given(networks, requests)
def test_lowering_keeps_the_outputs_after_every_pass(graph, request):
    inputs = random_inputs(graph, 8, seed=1)
    expected = graph.run(inputs).data
    for step in PIPELINE:
        graph = step(graph)
        assert np.array_equal(graph.run(inputs).data, expected), step
    graph = schedule(graph, request)
    graph.check()
    assert np.array_equal(graph.run(inputs).data, expected)
    for kernel in DotKernel:
        assert np.array_equal(GoldenModel(graph, kernel, chunk=3).value(inputs), expected), kernel


@given(
    st.sampled_from(SignOfZero),
    st.lists(
        st.tuples(st.sampled_from([-2.0, -0.5, 0.0, 0.1, 1.0]), st.integers(-12, 12)), min_size=1, max_size=6
    ),
)
def test_thresholds_equal_affine_and_sign_on_every_integer_ties_included(zero, channels):
    alpha = np.array([slope for slope, _ in channels], dtype=np.float32)
    beta = np.array([-slope * tie for slope, tie in channels], dtype=np.float32)
    affine, sign = Affine(alpha=alpha, beta=beta), Sign(zero=zero)
    kind = TensorType((len(channels),), Integers(-10, 10))

    def codes(x):
        return sign.run(affine.run(Tensor(kind, x))).data[:, 0].astype(np.int64)

    thresholds = bisect_thresholds(codes, -10, 10, len(channels), levels=1)
    every = np.repeat(np.arange(-10, 11)[:, np.newaxis], len(channels), axis=1)
    assert np.array_equal(thresholds.apply(every)[:, 0], codes(every))


@given(st.integers(0, 9999), st.integers(1, 3), st.booleans())
def test_multi_level_thresholds_are_found_for_rising_and_falling_functions(seed, n_bits, falling):
    levels = 2**n_bits - 1
    steps = np.sort(np.random.default_rng(seed).integers(-9, 11, levels))

    def codes(x):
        passed = (x[..., np.newaxis] >= steps).sum(axis=-1)
        return levels - passed if falling else passed

    thresholds = bisect_thresholds(codes, -8, 8, 1, levels)
    every = np.arange(-8, 9)[:, np.newaxis]
    bits = thresholds.apply(every)
    assert np.array_equal(sum(bits[:, p].astype(np.int64) << p for p in range(n_bits)), codes(every))


def lowered(sizes=(12, 8, 6), **kwargs):
    graph = random_mlp(3, sizes, **kwargs)
    for step in PIPELINE:
        graph = step(graph)
    return graph


def test_a_network_lowers_to_encoder_units_and_the_affine_of_the_host():
    graph = lower(random_mlp(3, (12, 8, 6)))
    assert [type(node.op) for node in graph.nodes] == [EncodeBitPlanes, Mvtu, Mvtu, Affine]
    assert [node.name for node in graph.hardware_nodes] == ["encode", "fc1", "fc2"]


def test_column_shared_maps_skip_words_so_that_cycles_follow_the_average_bitwidth():
    one, column, two = (
        node_cycles(lower(graph, FoldingRequest(pe=8, simd=4)))["fc1"]
        for graph in (
            random_mlp(5, (64, 32, 4)),
            with_bits_of_columns(np.repeat([1, 2], [32, 32])),
            with_bits_of_columns(np.full(64, 2)),
        )
    )
    assert (column, two) == (1.5 * one, 2 * one)


def with_bits_of_columns(bits_of_column):
    from hbnn_hw.weights import WeightPlanes

    graph = random_mlp(5, (64, 32, 4), coefficients=(2, 1))
    masks = np.stack([np.broadcast_to(bits_of_column > p, (32, 64)) for p in range(2)]).astype(np.uint8)
    weights = WeightPlanes.from_bits(masks, masks, (2, 1))
    nodes = [
        Node("fc1", type(n.op)(weights=weights), n.inputs) if n.name == "fc1" else n for n in graph.nodes
    ]
    return Graph(graph.name, graph.input_name, graph.input_type, tuple(nodes))


def test_neighbours_of_different_width_get_a_converter():
    graph = lower(random_mlp(3, (12, 8, 6)), parse_folding(pe=["fc1=2"], simd=["fc2=8"]))
    (converter,) = (node for node in graph.nodes if isinstance(node.op, WidthConverter))
    assert (converter.name, converter.op.lanes_in, converter.op.lanes_out) == ("fc2_width", 2, 8)


def test_an_unrolled_network_keeps_narrow_edges():
    graph = lower(random_mlp(3, (160, 90)), FoldingRequest(unroll=True))
    assert input_edge(graph).data_bits <= 512
    assert output_edge(graph).data_bits <= 512
    assert sample_interval(graph) == max(input_edge(graph).beats, output_edge(graph).beats)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            FoldingRequest(layers={"fc1": LayerFolding(pe=3)}),
            r"layer 'fc1': PE must divide its 8 rows, not 3; .*1, 2, 4, 8",
        ),
        (
            FoldingRequest(layers={"fc1": LayerFolding(simd=5)}),
            r"layer 'fc1': SIMD must divide its 12 columns, not 5",
        ),
        (
            FoldingRequest(layers={"fc9": LayerFolding(pe=1)}),
            r"no layer 'fc9' to fold; the layers are fc1, fc2",
        ),
        (FoldingRequest(pe=0), "PE must be at least 1, not 0"),
    ],
)
def test_an_illegal_folding_names_the_layer_and_the_legal_values(request_, message):
    with pytest.raises(FoldingError, match=message):
        schedule(lowered(), request_)


def test_neighbours_whose_widths_do_not_divide_get_two_converters():
    graph = lower(random_mlp(3, (12, 12, 6)), parse_folding(pe=["fc1=6"], simd=["fc2=4"]))
    first, second = (node for node in graph.nodes if isinstance(node.op, WidthConverter))
    assert (first.op.lanes_in, first.op.lanes_out, second.op.lanes_out) == (6, 12, 4)
    inputs = random_inputs(graph, 5, seed=0)
    assert np.array_equal(graph.run(inputs).data, random_mlp(3, (12, 12, 6)).run(inputs).data)


@pytest.mark.parametrize("entry", ["x", "fc1=", "-3", "fc1=2.5", "0"])
def test_a_folding_option_of_another_form_is_refused(entry):
    with pytest.raises(FoldingError, match=r"must be a number like 16 or a layer's number like fc1=8"):
        parse_folding(pe=[entry])


def test_a_layer_cannot_be_unrolled_and_folded():
    with pytest.raises(FoldingError, match="'fc1' cannot be unrolled"):
        parse_folding(pe=["fc1=2"], unroll=["fc1"])


def test_a_node_that_reads_an_undefined_value_is_named():
    graph = random_mlp(3, (12, 8, 6))
    broken = Graph("g", "x", graph.input_type, graph.nodes[1:])
    with pytest.raises(GraphError, match="'fc1' reads 'encode', which is not defined"):
        broken.check()


def test_streams_of_different_width_are_refused():
    graph = lower(random_mlp(3, (12, 8, 6)), parse_folding(pe=["fc1=2"], simd=["fc2=8"]))
    nodes = tuple(
        Node(n.name, n.op, ("fc1",)) if n.name == "fc2" else n
        for n in graph.nodes
        if not isinstance(n.op, WidthConverter)
    )
    with pytest.raises(GraphError, match="'fc2' reads 8 lanes a beat, but 'fc1' writes 2"):
        Graph(graph.name, graph.input_name, graph.input_type, nodes).check()


def test_folding_an_affine_that_others_read_too_leaves_it_alone():
    graph = random_mlp(3, (12, 8, 6))
    assert isinstance(fold_thresholds(graph).nodes[-1].op, Affine)
