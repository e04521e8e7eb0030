"""Networks of any topology: deployed PyTorch = golden, at every layer, before and behind every pass."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, reject, settings

import hbnn_hw.nn as hnn
from hbnn_hw import ir_file
from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.capture import capture, compare_with_torch
from hbnn_hw.errors import CaptureError, RangeError
from hbnn_hw.passes import lower
from tests.capture.networks import lived_in, random_codes
from tests.capture.topologies import networks


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def deployed_or_rejected(network):
    """Deploy; reject what a random network may be, but no trained one is.

    Sums of sums beyond 2^29, activations that have only seen zeros, planes 4,096 times as small as others.
    """
    try:
        return hnn.deploy(network)
    except RangeError:
        reject()
    except CaptureError as error:
        if not any(reason in str(error) for reason in ("a scale above 0", "no integer plane scales")):
            raise
        reject()


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(networks())
def test_any_topology_is_exact_at_every_layer(drawn):
    network, n_features, bits = drawn
    codes = random_codes(8, n_features, bits)
    network = lived_in(network, codes)
    hnn.calibrate_activations(network, [torch.from_numpy(codes)])
    deployed = deployed_or_rejected(network)
    graph = capture(deployed, "network")
    assert compare_with_torch(deployed, graph, codes).layers == len(graph.nodes)
    expected = graph.run(codes).data
    assert np.array_equal(GoldenModel(graph).value(codes), expected)
    lowered = lower(ir_file.from_bytes(ir_file.to_bytes(graph)))
    assert np.array_equal(GoldenModel(lowered).value(codes), expected)
    assert np.array_equal(lowered.run(codes).data, expected)
