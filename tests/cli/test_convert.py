"""The command line on QONNX: written from a model file, read back, inspected and evaluated."""

import json
import re

import numpy as np
import pytest

from hbnn_hw import data, ir_file
from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.inspection import read_graph
from tests.cli.conftest import MODELS
from tests.qonnx.files import File

MODEL = MODELS / "digits_bnn.pt"


@pytest.fixture(scope="module")
def qonnx_file(hbnn, tmp_path_factory):
    path = tmp_path_factory.mktemp("qonnx") / "digits.onnx"
    done = hbnn("convert", MODEL, path)
    assert done.code == 0, done.err
    assert f"written to {path}" in done.out
    return path


def test_a_model_file_goes_to_qonnx_and_back(hbnn, qonnx_file, tmp_path):
    done = hbnn("convert", qonnx_file, tmp_path / "back.hbnn")
    assert done.code == 0, done.err
    codes = data.load("digits").x_test[:50].astype(np.int64)
    expected = GoldenModel(read_graph(MODEL)).classes(codes)
    back = GoldenModel(ir_file.load(tmp_path / "back.hbnn"))
    assert np.array_equal(back.classes(codes), expected)
    again = hbnn("convert", tmp_path / "back.hbnn", tmp_path / "again.onnx", "--batch", 4)
    assert again.code == 0, again.err
    assert np.array_equal(GoldenModel(read_graph(tmp_path / "again.onnx")).classes(codes), expected)


def test_a_qonnx_file_is_inspected(hbnn, qonnx_file):
    done = hbnn("inspect", qonnx_file)
    assert done.code == 0, done.err
    assert re.search(r"fc1: \d+ × 64, 1\.000 bits a weight", done.out)


def test_a_qonnx_file_is_evaluated_like_the_model_it_came_from(hbnn, qonnx_file):
    expected = json.loads(hbnn("evaluate", MODEL, "--json").out)
    done = hbnn("evaluate", qonnx_file, "--dataset", "digits", "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert (result["correct"], result["images"]) == (expected["correct"], expected["images"])
    assert (result["layers"], result["values"]) == (0, 0)
    assert "golden = PyTorch" not in hbnn("evaluate", qonnx_file, "--dataset", "digits").out


@pytest.mark.hls
def test_a_qonnx_file_becomes_an_accelerator(hbnn, qonnx_file, tmp_path):
    """What was read from QONNX is emitted, and its C++ gives the golden vectors."""
    done = hbnn("export", qonnx_file, "-o", tmp_path / "out", "--backend", "hls")
    assert done.code == 0, done.err
    done = hbnn("csim", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    (result,) = json.loads(done.out)
    assert result["images"] == 8  # two extreme ones, and six random ones


def test_a_file_without_a_training_needs_the_name_of_a_data_set(hbnn, qonnx_file):
    done = hbnn("evaluate", qonnx_file)
    assert done.code == 2
    assert "name it with --dataset" in done.err


def test_images_of_other_codes_are_refused(hbnn, tmp_path):
    file = File((64,), datatype="UINT2")
    file.add("MatMul", file.weights(np.eye(64)[:, :10] * 2 - 1, 2))
    (tmp_path / "net.onnx").write_bytes(file.content())
    done = hbnn("evaluate", tmp_path / "net.onnx", "--dataset", "digits")
    assert done.code == 2
    assert re.search(r"reads codes up to 3, digits has \d+", done.err)


def test_the_user_may_say_what_input_codes_stand_for(hbnn, tmp_path):
    file = File((4,))
    file.add("MatMul", file.weights(np.eye(4) * 2 - 1, 2))
    file.add("Softmax")
    (tmp_path / "net.onnx").write_bytes(file.content())
    refused = hbnn("convert", tmp_path / "net.onnx", tmp_path / "net.hbnn")
    assert refused.code == 2
    assert "must be quantized" in refused.err
    done = hbnn(
        "convert", tmp_path / "net.onnx", tmp_path / "net.hbnn", "--input-bits", 4, "--input-scale", 0.5
    )
    assert done.code == 0, done.err
    assert "'softmax2' (Softmax) is left to the host" in done.err
    assert ir_file.load(tmp_path / "net.hbnn").input_type.element.high == 15


@pytest.mark.parametrize(
    ("name", "text"),
    [("net.pb", "must end with .hbnn or .onnx, not 'net.pb'"), ("there.onnx", "exists already")],
)
def test_outputs_that_cannot_be_written(hbnn, tmp_path, name, text):
    (tmp_path / "there.onnx").write_text("precious")
    done = hbnn("convert", MODEL, tmp_path / name)
    assert done.code == 2
    assert text in done.err
    assert (tmp_path / "there.onnx").read_text() == "precious"


def test_the_pages_commands_are_those_of_the_command_line(hbnn):
    page = (MODELS.parent / "docs" / "qonnx.md").read_text(encoding="utf-8")
    helps = "".join(hbnn(*verb, "--help").out for verb in ((), ("convert",), ("evaluate",), ("export",)))
    assert set(re.findall(r"hbnn-hw (\w+)", page)) <= set(re.findall(r"\w+", helps))
    assert set(re.findall(r"--[a-z][a-z-]+", page)) <= set(re.findall(r"--[a-z][a-z-]+", helps))
