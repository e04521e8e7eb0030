"""The command line on a convolutional network: evaluated and inspected like any other, not exported yet."""

import json
import re

import numpy as np
import pytest
import torch

import hbnn_hw.nn as hnn
from hbnn_hw import data
from hbnn_hw.nn import Method, Padding
from models.small_cnn import quantized
from tests.capture.networks import lived_in


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A small network for digits as a model file, its norms fitted to real images."""
    digits = data.load("digits")
    torch.manual_seed(5)
    model = quantized(hnn.HbnnSpec(padding=Padding.MINUS_ONE))(digits)
    codes = digits.x_train[:200].copy()
    lived_in(model, codes.astype(np.int64))
    path = tmp_path_factory.mktemp("model") / "digits_cnn.pt"
    golden = hnn.Golden(digits.x_test[:4], digits.y_test[:4].astype(np.int64))
    metadata = hnn.Metadata(dataset="digits", method=Method.HBNN)
    hnn.save(model, torch.from_numpy(codes[:2]), path, metadata=metadata, golden=golden)
    return path


def test_evaluate_compares_every_layer_of_a_model_file(hbnn, checkpoint):
    done = hbnn("evaluate", checkpoint, "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    digits = data.load("digits")
    with torch.no_grad():
        logits = hnn.deploy(hnn.load(checkpoint).model)(torch.from_numpy(digits.x_test.copy()))
    assert result["images"] == len(digits.x_test)
    assert result["correct"] == int((logits.argmax(1).numpy() == digits.y_test).sum())
    assert result["layers"] == len(hnn.load(checkpoint).model)


def test_inspect_prints_the_network(hbnn, checkpoint, tmp_path):
    done = hbnn("inspect", checkpoint)
    assert done.code == 0, done.err
    assert "image : integer 0…31 [8×8×1] = Unflatten(x)" in done.out
    assert re.search(r"pool1 : integer -\d+…\d+ \[4×4×8\] = MaxPool\(conv1\)\n", done.out)
    assert ", 3×3 kernel, padding 1 1 1 1 of -32\n" in done.out
    assert "conv2: 16 × 72, " in done.out
    assert "3×3 kernel, padding 1 1 1 1 of -1\n" in done.out
    assert re.search(r"\n  conv2: sums -\d+…\d+, \d+ bits proven, \d+ naive; \d+ bits as a count", done.out)
    assert re.search(r"\n  conv2: \d+ of \d+ 2-D kernels are unique up to the sign \(\d+\.\d % of", done.out)


def test_inspect_draws_the_network(hbnn, checkpoint, tmp_path):
    done = hbnn("inspect", checkpoint, "--draw", tmp_path / "graph.svg")
    assert done.code == 0, done.err
    assert "conv2: 16 × 72, " in done.out
    drawing = (tmp_path / "graph.svg").read_text(encoding="utf-8")
    assert drawing.startswith("<svg ")
    assert drawing.count("<rect") == 2 + done.out.count(" = ")


def test_a_drawing_that_cannot_be_written_is_an_error_without_a_traceback(hbnn, checkpoint, tmp_path):
    done = hbnn("inspect", checkpoint, "--draw", tmp_path)
    assert done.code == 2
    assert "error: cannot write" in done.err


def test_export_refuses_before_anything_is_written(hbnn, checkpoint, tmp_path):
    done = hbnn("export", checkpoint, "-o", tmp_path / "out", "--backend", "rtl", "--unroll", "conv9")
    assert done.code == 2
    assert "error: " in done.err
    assert "no layer 'conv9'" in done.err
    assert list(tmp_path.iterdir()) == []


def test_export_writes_the_rtl_of_convolutions(hbnn, checkpoint, tmp_path):
    assert hbnn("export", checkpoint, "-o", tmp_path / "out", "--backend", "rtl").code == 0
    (verilog,) = (tmp_path / "out" / "rtl").glob("*.v")
    assert "conv1" in verilog.read_text(encoding="utf-8")
