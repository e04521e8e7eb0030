"""The whole way through the command line: export, simulate, compile, inspect, estimate."""

import json
import re
import shutil

import numpy as np
import pytest

import hbnn_hw
from hbnn_hw import ir_file
from hbnn_hw.export import Backend, ExportOptions, _backends
from hbnn_hw.ops import Mvtu
from hbnn_hw.passes import FoldingRequest, lower
from tests.cli.conftest import MODELS
from tests.graphs import random_mlp


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def exported(hbnn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "out"
    done = hbnn("export", MODELS / "digits_hbnn.pt", "-o", folder)
    assert done.code == 0, done.err
    assert "report.html" in done.out
    return folder


def test_the_same_input_gives_byte_identical_output(hbnn_process, exported, tmp_path):
    again = tmp_path / "another_name"
    assert hbnn_process("export", MODELS / "digits_hbnn.pt", "-o", again, PYTHONHASHSEED="7").code == 0
    first, second = files_of(exported), files_of(again)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_no_path_of_the_machine_is_written(exported):
    needles = [str(exported.parent).encode(), str(MODELS).encode()]
    assert [name for name, content in files_of(exported).items() if any(n in content for n in needles)] == []


def test_the_manifest_lists_every_file_with_its_digest(exported):
    import hashlib

    files = files_of(exported)
    listed = json.loads(files.pop("export.json"))["files"]
    assert listed == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


@pytest.mark.hls
def test_csim_equals_golden_and_says_how_much_was_compared(hbnn, exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "out")
    done = hbnn("csim", folder, "--json")
    assert done.code == 0, done.err
    (result,) = json.loads(done.out)
    assert result["images"] >= 100
    assert result["bits"] > result["images"] * 10
    page = (folder / "report.html").read_text()
    assert str(result["bits"]) in page.replace(",", "").replace("\u202f", "")


@pytest.mark.hls
def test_streams_reports_depths_and_clocks(hbnn, exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "out")
    done = hbnn("streams", folder, "--images", "4", "--suggest")
    assert done.code == 0, done.err
    assert "stream" in done.out
    assert "needed" in done.out
    (result,) = json.loads((folder / "verification.json").read_bytes())
    assert (result["level"], result["images"]) == ("bounded streams", 4)
    assert result["interval_cycles"] == result["predicted_interval_cycles"]
    assert "bounded streams" in (folder / "report.html").read_text()


@pytest.mark.cosim
def test_simulate_equals_golden_at_full_rate_and_under_stalls(hbnn, exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "out")
    done = hbnn("simulate", folder, "--simulator", "icarus", "--images", "3", "--json")
    assert done.code == 0, done.err
    full_rate, stalled = json.loads(done.out)
    assert full_rate["images"] == stalled["images"] == 3
    assert full_rate["interval_cycles"] == full_rate["predicted_interval_cycles"]
    assert full_rate["latency_cycles"] == full_rate["predicted_latency_cycles"]
    assert len(json.loads((folder / "verification.json").read_bytes())) == 2


def test_one_backend_alone_is_emitted_on_request(hbnn, tmp_path):
    assert hbnn("export", MODELS / "digits_bnn.pt", "-o", tmp_path / "h", "--backend", "hls").code == 0
    assert hbnn("export", MODELS / "digits_bnn.pt", "-o", tmp_path / "r", "--backend", "rtl").code == 0
    assert {path.name for path in (tmp_path / "h").iterdir()} >= {
        "hls",
        "graph.hbnn",
        "vectors",
        "report.html",
    }
    assert not (tmp_path / "h" / "rtl").exists()
    assert not (tmp_path / "r" / "hls").exists()


@pytest.mark.parametrize(
    ("limit", "request_"),
    [("RTL_MEMORY_TEXT", FoldingRequest(pe=2, simd=4)), ("RTL_UNROLLED_BITS", FoldingRequest(unroll=True))],
)
def test_large_rtl_is_left_out_unless_it_is_asked_for(monkeypatch, limit, request_):
    """The user is told; weights of 0 bytes or bits stand for those of 100 million or 8 million."""
    graph, told = lower(random_mlp(1, [16, 8, 4]), request_), []
    assert _backends(graph, ExportOptions(), told.append) == {Backend.HLS, Backend.RTL}
    assert told == []
    monkeypatch.setattr(f"hbnn_hw.export.{limit}", 0)
    assert _backends(graph, ExportOptions(), told.append) == {Backend.HLS}
    assert len(told) == 1
    assert "--backend rtl" in told[0]
    both = ExportOptions(backends=frozenset(Backend))
    assert _backends(graph, both, told.append) == {Backend.HLS, Backend.RTL}


def test_plane_scales_may_be_shifts(hbnn, tmp_path):
    options = ["--backend", "hls", "--scales", "powers-of-two"]
    assert hbnn("export", MODELS / "digits_hbnn.pt", "-o", tmp_path / "out", *options).code == 0
    graph = ir_file.load(tmp_path / "out" / "graph.hbnn")
    coefficients = [node.op.weights.coefficients for node in graph.nodes if isinstance(node.op, Mvtu)]
    assert any(len(of_layer) > 1 for of_layer in coefficients)
    assert all(c & (c - 1) == 0 for of_layer in coefficients for c in of_layer)
    assert json.loads((tmp_path / "out" / "export.json").read_bytes())["scales"] == "powers-of-two"


@pytest.mark.hls
def test_the_class_may_leave_the_accelerator(hbnn, exported, tmp_path):
    """The golden vectors are the classes of the scores that leave otherwise, on real images."""
    folder = tmp_path / "out"
    options = ["--backend", "hls", "--arg-max"]
    assert hbnn("export", MODELS / "digits_hbnn.pt", "-o", folder, *options).code == 0
    scores = np.load(exported / "vectors" / "output.npy")
    classes = np.load(folder / "vectors" / "output.npy")
    assert np.array_equal(classes[:, 0], scores.argmax(axis=1))
    assert len(np.unique(classes)) == 10
    assert json.loads((folder / "export.json").read_bytes())["arg_max"] is True
    assert "arg_max" in hbnn("estimate", folder).out
    done = hbnn("csim", folder, "--json")
    assert done.code == 0, done.err


def test_classes_of_different_scales_are_left_to_the_host(hbnn, tmp_path):
    done = hbnn("export", MODELS / "digits_flexor.pt", "-o", tmp_path / "out", "--arg-max")
    assert done.code == 2
    assert "class 0 has 0.17648074 and class 1 has 0.183299392; leave the choice to the host" in done.err


def test_foldings_are_taken_per_layer(hbnn, tmp_path):
    options = ["--backend", "hls", "--pe", "8", "--simd", "4", "--pe", "fc2=5", "--simd", "fc2=8"]
    assert hbnn("export", MODELS / "digits_bnn.pt", "-o", tmp_path / "out", *options).code == 0
    layers = json.loads((tmp_path / "out" / "export.json").read_bytes())["layers"]
    assert [(layer["name"], layer["pe"], layer["simd"]) for layer in layers] == [("fc1", 8, 4), ("fc2", 5, 8)]


def test_inspect_reads_checkpoints_ir_files_and_exports(hbnn, exported):
    for source in (MODELS / "digits_hbnn.pt", exported, exported / "graph.hbnn"):
        done = hbnn("inspect", source)
        assert done.code == 0, done.err
        assert "fc1: 64 × 64, 1.400 bits a weight" in done.out


def test_evaluate_measures_the_accuracy_that_the_checkpoint_records(hbnn):
    done = hbnn("evaluate", MODELS / "digits_bnn.pt", "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    recorded = hbnn_hw.load(MODELS / "digits_bnn.pt").metadata.accuracy
    assert (result["images"], result["layers"]) == (1797, 6)
    assert result["accuracy"] == pytest.approx(recorded, abs=1e-12)


def test_estimate_prints_every_layer(hbnn, exported):
    done = hbnn("estimate", exported)
    assert done.code == 0, done.err
    assert "fc1" in done.out
    assert "LUT" in done.out
    assert "xc7z045ffg900-2: " in done.out
    assert "of the working clocks on real data" in done.out


def test_estimate_holds_a_design_against_any_device(hbnn, exported):
    done = hbnn("estimate", exported, "--device", "zedboard", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    luts = document["totals"]["area"]["luts"]
    assert document["totals"]["occupancy_pct"]["LUT"] == pytest.approx(100 * luts / 53_200)
    assert document["compression"] == []
    unknown = hbnn("estimate", exported, "--device", "zynq")
    assert unknown.code == 2
    assert "the device must be one of" in unknown.err


def test_doctor_finds_what_is_installed_and_names_remedies(hbnn, tmp_path, monkeypatch):
    done = hbnn("doctor")
    assert done.code == 0, done.err
    for name in ("torch", "numba", "onnx", "brevitas", "g++", "tclsh"):
        assert re.search(rf"^{re.escape(name)} .*\d\.\d", done.out, re.MULTILINE), name
    monkeypatch.setattr("hbnn_hw.doctor._dataset", lambda name: None)  # all of them have been read above
    bare = hbnn("doctor", PATH=str(tmp_path))
    assert bare.code == 0, bare.err
    assert "apt-get install g++" in bare.out
    assert "apt-get install tcl" in bare.out


def test_the_exported_graph_is_the_lowered_network(exported):
    graph = ir_file.load(exported / "graph.hbnn")
    assert graph.is_scheduled
    assert [node.name for node in graph.hardware_nodes if "fc" in node.name] == ["fc1", "fc2"]
