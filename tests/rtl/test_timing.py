"""The timing recurrence by itself: no Amaranth, no simulator."""

import subprocess
import sys

import numpy as np
import pytest

from hbnn_hw.passes import FoldingRequest, LayerFolding, lower
from hbnn_hw.streams import input_edge, output_edge, sample_interval
from hbnn_hw.timing import beat_times, interval_cycles, latency_cycles
from tests.graphs import random_mlp


def random_graph(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.choice([1, 2, 4, 8, 12, 24, 30, 64], rng.integers(2, 6)).tolist()
    names = [f"fc{layer}" for layer in range(1, len(sizes)) if rng.random() < 0.2]
    request = FoldingRequest(
        pe=int(rng.choice([1, 2, 4, 16, 64])),
        simd=int(rng.choice([1, 2, 4, 16, 64])),
        layers={name: LayerFolding(unroll=True) for name in names},
    )
    return lower(random_mlp(seed, sizes, 2, (2, 1), bool(rng.integers(2))), request)


@pytest.mark.parametrize("seed", range(60))
def test_the_slowest_unit_sets_the_interval(seed):
    """Buffers are large enough: neighbours never slow each other down."""
    graph = random_graph(seed)
    ends = beat_times(graph, 8).outputs[output_edge(graph).beats - 1 :: output_edge(graph).beats]
    assert ends[-1] - ends[-2] == interval_cycles(graph) == sample_interval(graph)


@pytest.mark.parametrize("seed", range(20))
def test_beats_are_counted_and_ordered(seed):
    graph = random_graph(seed)
    times = beat_times(graph, 3)
    assert len(times.inputs) == 3 * input_edge(graph).beats
    assert len(times.outputs) == 3 * output_edge(graph).beats
    assert times.inputs[0] == 0
    assert all(np.diff(times.inputs) > 0)
    assert all(np.diff(times.outputs) > 0)
    assert latency_cycles(graph) == times.outputs[output_edge(graph).beats - 1]


def test_prediction_needs_no_amaranth():
    code = "import sys; sys.modules['amaranth'] = None; import hbnn_hw.timing"
    subprocess.run([sys.executable, "-c", code], check=True)
