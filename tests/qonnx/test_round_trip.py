"""IR -> QONNX -> the qonnx executor, and IR -> QONNX -> IR, give what the golden model gives."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

import hbnn_hw.nn as hnn
from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.backends.qonnx import export
from hbnn_hw.capture import capture
from hbnn_hw.capture.qonnx import read_bytes
from hbnn_hw.errors import CaptureError, RangeError
from hbnn_hw.nn import Method, Padding
from hbnn_hw.nn.tracing.trace import trace
from hbnn_hw.ops import SignOfZero
from hbnn_hw.passes import lower
from models.networks import Activations, Plan, Scope, cnv, lfc, paper_spec, resnet20
from tests.capture.networks import lived_in, random_codes
from tests.capture.topologies import networks
from tests.graphs import PoolAt, random_cnn, random_inputs, random_mlp
from tests.qonnx.executor import assert_round_trip, assert_same_numbers, execute
from tests.tables import rows


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def captured(network, n_features, method=Method.BNN, bits=8, n=3, **options):
    """A network of the papers with random weights and statistics, as a captured graph, and its codes."""
    codes = random_codes(n, n_features, bits)
    padding = Padding.MASKED if "activations" in options else Padding.MINUS_ONE
    plan = Plan(method=method, padding=padding, scope=Scope.ALL, **options)
    model = hnn.convert(network, paper_spec(network, torch.from_numpy(codes[:2]), plan))
    model = lived_in(model, codes)
    hnn.calibrate_activations(model, [torch.from_numpy(codes)])
    traced = trace(model, torch.from_numpy(codes[:2].astype(np.uint8)))
    return capture(hnn.deploy(traced), "network"), codes


def test_lfc_at_full_width():
    torch.manual_seed(1)
    graph, codes = captured(lfc(input_bits=8), 784, n=6)
    again = assert_round_trip(graph, codes)
    assert [type(node.op).__name__ for node in lower(again.graph).nodes].count("Mvtu") == 4


@pytest.mark.parametrize("method", [Method.BNN, Method.HBNN, Method.SLB, Method.FLEXOR])
def test_cnv(method):
    torch.manual_seed(2)
    assert_round_trip(*captured(cnv(width=1 / 16), 3072, method))


@pytest.mark.parametrize(
    "method", rows([Method.BNN, Method.HBNN], usual=lambda method: method is Method.HBNN)
)
def test_a_residual_network(method):
    torch.manual_seed(3)
    network = resnet20(width=1 / 4, image_shape=(3, 16, 16), prelu=method is Method.HBNN)
    graph, codes = captured(network, 768, method)
    assert sum(type(node.op).__name__ == "Add" for node in graph.nodes) >= 9
    assert_round_trip(graph, codes)


def test_heterogeneous_activations_of_channels():
    torch.manual_seed(4)
    graph, codes = captured(
        cnv(width=1 / 16), 3072, Method.HBNN, activations=Activations.CHANNEL, activation_bits=1.4
    )
    assert_round_trip(graph, codes)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks())
def test_any_topology(drawn):
    """Maps that differ from pixel to pixel are written and executed; only they are not read again."""
    network, n_features, bits = drawn
    codes = random_codes(4, n_features, bits)
    network = lived_in(network, codes)
    hnn.calibrate_activations(network, [torch.from_numpy(codes)])
    try:
        graph = capture(hnn.deploy(network), "network")
        written = export(graph, batch=4)
    except (CaptureError, RangeError):
        reject()  # activations that have only ever seen zeros; sums beyond the range of the arithmetic
    expected = GoldenModel(graph).value(codes)
    assert_same_numbers(execute(written, codes)[1], expected, graph)
    try:
        again = read_bytes(written.SerializeToString())
    except CaptureError as error:
        assert "must have one number for each of" in str(error)  # noqa: PT017 - the other outcome is right, too
        return
    assert_same_numbers(GoldenModel(again.graph).value(again.codes(codes)), expected, graph)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999),
    zero=st.sampled_from(SignOfZero),
    coefficients=st.sampled_from([(1,), (1, 2), (3, 1), (1, 1)]),
    n_bits=st.integers(1, 4),
)
def test_perceptrons_before_and_behind_lowering(seed, zero, coefficients, n_bits):
    graph = random_mlp(seed, (12, 9, 7, 4), n_bits, coefficients, zero=zero)
    codes = random_inputs(graph, 5, seed)
    expected = GoldenModel(graph).value(codes)
    for stage in (graph, lower(graph)):
        written = export(stage, batch=5)
        assert_same_numbers(execute(written, codes)[1], expected, graph)
        again = read_bytes(written.SerializeToString())
        assert_same_numbers(GoldenModel(again.graph).value(again.codes(codes)), expected, graph)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 999),
    pools=st.tuples(st.sampled_from(PoolAt), st.sampled_from(PoolAt)),
    zero=st.sampled_from(SignOfZero),
)
def test_convolutional_networks(seed, pools, zero):
    graph = random_cnn(seed, (7, 9, 2), pools, coefficients=(1, 2), zero=zero)
    codes = random_inputs(graph, 4, seed)
    expected = GoldenModel(graph).value(codes)
    written = export(graph, batch=4)
    assert_same_numbers(execute(written, codes)[1], expected, graph)
    again = read_bytes(written.SerializeToString())
    assert_same_numbers(GoldenModel(again.graph).value(again.codes(codes)), expected, graph)
    assert np.array_equal(again.codes(codes), codes)
