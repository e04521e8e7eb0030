"""Trained networks on real test images: the generated C++ answers as the golden model does, bit for bit."""

import numpy as np
import pytest

from hbnn_hw import data
from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.backends.hls import HlsTool, emit
from hbnn_hw.capture import capture_file
from hbnn_hw.export import edge_values, entering_values
from hbnn_hw.passes import FoldingRequest, lower, simplify
from hbnn_hw.verify.csim import run_csim
from hbnn_hw.verify.vectors import VectorSet, vector_files
from tests.cli.conftest import MODELS
from tests.hls.networks import TARGET, write_texts

pytestmark = pytest.mark.hls

N_IMAGES = 100


@pytest.mark.parametrize("method", ["bnn", "hbnn", "slb", "flexor"])
def test_shipped_digits_networks(method, tmp_path, csim_tools):
    digits = data.load("digits")
    graph = capture_file(MODELS / f"digits_{method}.pt").graph
    codes = digits.x_test[:N_IMAGES].reshape(N_IMAGES, -1).astype(np.int64)
    lowered = lower(graph, FoldingRequest(pe=8, simd=16))
    vectors = VectorSet(entering_values(lowered, codes), edge_values(lowered, codes))
    answers = GoldenModel(simplify(graph)).classes(codes)
    assert np.array_equal(GoldenModel(lowered).classes(codes), answers)
    assert (answers == digits.y_test[:N_IMAGES]).mean() > 0.8
    tool = HlsTool.VITIS_HLS if method in ("hbnn", "slb") else HlsTool.VIVADO_HLS
    write_texts(tmp_path / "hls", emit(lowered, vectors, TARGET, tool))
    for path, array in vector_files(vectors).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        np.save(tmp_path / path, array)
    result = run_csim(tmp_path, tools=csim_tools)
    assert result.images == N_IMAGES
