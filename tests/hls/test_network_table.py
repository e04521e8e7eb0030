"""Every network of the papers under every method: the generated C++ equals the golden model, on real images.

Compiling takes most of the time, so the usual run has every network and every method, but not all pairs, one
folding each; ``make table`` runs all pairs at several foldings and in both dialects.
"""

import numpy as np
import pytest
import torch

import hbnn_hw
from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.backends.hls import HlsTool, emit
from hbnn_hw.capture import capture_file
from hbnn_hw.export import edge_values, entering_values
from hbnn_hw.nn import Method
from hbnn_hw.passes import FoldingRequest, lower, simplify
from hbnn_hw.verify.csim import run_csim
from hbnn_hw.verify.vectors import VectorSet, vector_files
from models.networks import Activations
from tests.capture.test_network_table import CASES, quantized
from tests.hls.networks import TARGET, write_texts

pytestmark = pytest.mark.hls

FOLDINGS = (FoldingRequest(), FoldingRequest(pe=5, simd=3), FoldingRequest(pe=64, simd=64))
"""The default; odd and narrow, so that neighbours need converters; wide."""

USUAL = {
    ("sfc", Method.HBNN): 1,
    ("lenet5", Method.SLB): 2,
    ("cnv", Method.FLEXOR): 2,
    ("vgg8", Method.BNN): 2,
    ("resnet20", Method.HBNN): 0,
    ("mobilenet", Method.SLB): 1,
    ("alexnet_bn", Method.BNN): 2,
}
"""What the usual run has: which folding by network and method."""

N_IMAGES = 3


def captured(folder, name, method, activations):
    model, codes = quantized(name, method, activations)
    hbnn_hw.save(model, torch.from_numpy(codes[:1].astype(np.uint8)), folder / "model.pt")
    return capture_file(folder / "model.pt").graph, codes[:N_IMAGES]


def check(folder, name, method, activations, folding, tool, tools):
    graph, codes = captured(folder, name, method, activations)
    lowered = lower(graph, folding)
    answers = GoldenModel(simplify(graph)).value(codes)
    assert np.array_equal(GoldenModel(lowered).value(codes), answers)
    assert len(np.unique(answers, axis=0)) > 1
    vectors = VectorSet(entering_values(lowered, codes), edge_values(lowered, codes))
    write_texts(folder / "hls", emit(lowered, vectors, TARGET, tool))
    for path, array in vector_files(vectors).items():
        (folder / path).parent.mkdir(exist_ok=True)
        np.save(folder / path, array)
    assert run_csim(folder, tools=tools).images == N_IMAGES


@pytest.mark.parametrize(("name", "method"), USUAL, ids=lambda value: getattr(value, "value", value))
def test_csim_equals_golden(name, method, tmp_path, csim_tools):
    tool = HlsTool.VITIS_HLS if method is Method.SLB else HlsTool.VIVADO_HLS
    folding = FOLDINGS[USUAL[name, method]]
    check(tmp_path, name, method, Activations.SIGN, folding, tool, csim_tools)


@pytest.mark.table
@pytest.mark.parametrize("folding", FOLDINGS, ids=("default", "narrow", "wide"))
@pytest.mark.parametrize(
    ("name", "method", "activations"), CASES, ids=lambda value: getattr(value, "value", value)
)
def test_csim_equals_golden_in_every_row(name, method, activations, folding, tmp_path, csim_tools):
    tool = tuple(HlsTool)[(len(name) + folding.pe) % 2]
    check(tmp_path, name, method, activations, folding, tool, csim_tools)
