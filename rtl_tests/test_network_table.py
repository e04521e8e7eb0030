"""Whole networks in compiled simulation: golden's bits under stalls, and the schedule's interval exactly.

Compiling takes most of the time (a minute and more for the larger ones), so the usual run has the published
LFC-W1A1 alone; ``pytest --table rtl_tests/test_network_table.py`` has the papers' networks.
"""

from enum import Enum
from pathlib import Path

import numpy as np
import pytest

from hbnn_hw import data
from hbnn_hw.export import edge_values, entering_values
from hbnn_hw.graph import Graph
from hbnn_hw.nn import Method
from hbnn_hw.passes import FoldingRequest, lower
from hbnn_hw.passes.schedule import LayerFolding
from hbnn_hw.streams import sample_interval
from hbnn_hw.verify.fast_simulation import COMPILED_LUTS, CompiledNetwork
from hbnn_hw.verify.vectors import VectorSet
from models.networks import Activations
from rtl_tests.networks import write_verilog
from tests.ir.test_anchor import ANCHOR, lfc_graph
from tests.tables import rows

pytestmark = pytest.mark.cosim

MODELS = Path(__file__).resolve().parent.parent / "models"
STALL_SEEDS = (1, 2)


def check(graph: Graph, codes: np.ndarray, folder: Path, compiled_luts: int = COMPILED_LUTS) -> None:
    """Emit, compile, run at full rate and with stalls; every result is compared, and the interval."""
    vectors = VectorSet(entering_values(graph, codes), edge_values(graph, codes))
    assert len(np.unique(vectors.outputs, axis=0)) > 1, (
        "a network that answers everything alike proves nothing"
    )
    network = CompiledNetwork.build(
        graph, write_verilog(graph, folder), folder / "build", compiled_luts=compiled_luts
    )
    result = network.simulate(vectors, None)
    assert result.interval_cycles == result.predicted_interval_cycles == sample_interval(graph)
    assert result.images == len(codes)
    for seed in STALL_SEEDS:
        assert network.simulate(vectors, seed).bits == result.bits


@pytest.mark.anchor
@pytest.mark.parametrize("pe", rows([4, 16], usual=lambda pe: pe == 4))
def test_the_published_lfc_network_answers_as_golden(verilator, tmp_path, pe):
    if not ANCHOR.is_file():
        pytest.skip("the published parameters are not beside this checkout")
    with np.load(ANCHOR, allow_pickle=False) as arrays:
        graph = lower(lfc_graph(arrays), FoldingRequest(pe=pe, simd=64))
    pixels = np.zeros((20, 832), dtype=np.int64)
    pixels[:, :784] = data.load("mnist").x_test[:20] >= 128
    check(graph, pixels, tmp_path)


class How(Enum):
    """How a multilayer perceptron is laid out; ``UNROLLED`` but for the first layer of eight-bit pixels."""

    FOLDED = FoldingRequest(pe=8, simd=16)
    UNROLLED = FoldingRequest(layers={"fc1": LayerFolding(pe=8, simd=16)}, unroll=True)
    WHOLLY_UNROLLED = FoldingRequest(unroll=True)


METHODS = ("bnn", "hbnn", "slb", "flexor")

COMPILED_HIDDEN_LUTS = 22_000
"""Behind a folded first layer Verilator itself reads the hidden layers, but for those of HBNN."""


@pytest.mark.table
@pytest.mark.parametrize("how", How, ids=lambda how: how.name.lower())
@pytest.mark.parametrize("method", METHODS)
def test_trained_perceptrons(verilator, tmp_path, method, how):
    from hbnn_hw.capture import capture_file

    graph = lower(capture_file(MODELS / f"mnist_{method}.pt").graph, how.value)
    compiled_luts = COMPILED_HIDDEN_LUTS if how is How.UNROLLED else COMPILED_LUTS
    check(graph, data.load("mnist").x_test[:20].astype(np.int64), tmp_path, compiled_luts)


NETWORKS = [
    ("lenet5", Method.BNN, Activations.SIGN, 16, 16),
    ("lenet5", Method.FLEXOR, Activations.SIGN, 5, 3),
    ("lenet5", Method.HBNN, Activations.CHANNEL, 16, 16),
    ("cnv", Method.HBNN, Activations.SIGN, 16, 32),
    ("cnv", Method.SLB, Activations.SIGN, 16, 32),
    ("vgg8", Method.BNN, Activations.SIGN, 16, 16),
    ("resnet20", Method.FLEXOR, Activations.SIGN, 8, 16),
    ("resnet20", Method.HBNN, Activations.POSITION, 8, 16),
    ("mobilenet", Method.SLB, Activations.SIGN, 8, 16),
]
"""Network, method, activations, PE and SIMD."""


@pytest.mark.table
@pytest.mark.parametrize(
    ("name", "method", "activations", "pe", "simd"),
    NETWORKS,
    ids=lambda value: getattr(value, "value", str(value)),
)
def test_networks_of_the_papers(verilator, tmp_path, name, method, activations, pe, simd):
    import torch

    import hbnn_hw
    from hbnn_hw.capture import capture_file
    from tests.capture.test_network_table import quantized

    model, codes = quantized(name, method, activations)
    hbnn_hw.save(model, torch.from_numpy(codes[:1].astype(np.uint8)), tmp_path / "model.pt")
    captured = capture_file(tmp_path / "model.pt").graph
    check(lower(captured, FoldingRequest(pe=pe, simd=simd)), codes, tmp_path)
