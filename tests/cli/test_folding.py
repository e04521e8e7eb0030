"""Foldings on the command line: searched, written, read again, and refused with a reason."""

import json

import pytest

from tests.cli.conftest import MODELS
from tests.cli.test_export import files_of

MODEL = MODELS / "digits_hbnn.pt"


@pytest.fixture(scope="module")
def searched(hbnn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("searched") / "out"
    done = hbnn("export", MODEL, "-o", folder, "--fps", "400000", "--clock-ns", "5")
    assert done.code == 0, done.err
    return folder, done


def test_a_rate_is_met_by_what_is_exported(searched):
    folder, done = searched
    layers = json.loads((folder / "export.json").read_bytes())["layers"]
    assert max(layer["cycles"] for layer in layers) <= 500
    assert "bottleneck: fc" in done.err
    assert "all words" in done.err


def test_the_folding_that_was_chosen_gives_the_same_bytes_again(hbnn, searched, tmp_path):
    folder, _ = searched
    again = tmp_path / "again"
    done = hbnn("export", MODEL, "-o", again, "--folding", folder / "folding.json")
    assert done.code == 0, done.err
    first, second = files_of(folder), files_of(again)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_every_export_writes_its_folding(hbnn, tmp_path):
    options = ["--backend", "rtl", "--pe", "fc1=8", "--simd", "fc1=4", "--unroll", "fc2", "--stages", "fc2=4"]
    assert hbnn("export", MODEL, "-o", tmp_path / "out", *options).code == 0
    assert json.loads((tmp_path / "out" / "folding.json").read_bytes()) == {
        "format": "hbnn_hw.folding",
        "version": 1,
        "layers": {"fc1": {"pe": 8, "simd": 4}, "fc2": {"unroll": True, "stages": 4}},
    }


def test_layers_of_a_file_stay_and_the_others_are_searched(hbnn, tmp_path):
    path = tmp_path / "mine.json"
    layers = {"fc1": {"pe": 16, "simd": 1}}
    path.write_text(json.dumps({"format": "hbnn_hw.folding", "version": 1, "layers": layers}))
    options = ["--backend", "rtl", "--folding", path, "--cycles", "1000"]
    done = hbnn("export", MODEL, "-o", tmp_path / "out", *options)
    assert done.code == 0, done.err
    chosen = json.loads((tmp_path / "out" / "folding.json").read_bytes())["layers"]
    assert chosen["fc1"] == {"pe": 16, "simd": 1}
    assert chosen["fc2"]["pe"] * chosen["fc2"]["simd"] < 64


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fps", "1", "--fit"], "--fps, --cycles and --fit exclude one another"),
        (["--fps", "1", "--pe", "8"], "limit single layers beside them, such as --pe fc1=8"),
        (["--fps", "0"], "--fps must lie above 0 and not above the clock's 200,000,000 frames/s, not at 0"),
        (["--cycles", "0"], "--cycles must be at least 1, not 0"),
        (["--stages", "fc1=3"], "layer 'fc1' is folded, and only an unrolled layer has stages"),
        (["--stages", "0"], "--stages must be a number like 16 or a layer's number like fc1=8, not '0'"),
        (["--cycles", "1"], "takes at least 3 cycles a sample"),
        (["--folding", "nothing.json"], "cannot read the foldings in 'nothing.json'"),
    ],
)
def test_wrong_wishes_exit_2_and_leave_nothing(hbnn, tmp_path, options, message):
    done = hbnn("export", MODEL, "-o", tmp_path / "out", *options)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "out").exists()


def test_a_wrong_file_names_layer_field_and_legal_values(hbnn, tmp_path):
    def run(**fields):
        path = tmp_path / "wrong.json"
        document = {"format": "hbnn_hw.folding", "version": 1, "layers": {"fc1": fields}}
        path.write_text(json.dumps(document))
        return hbnn("export", MODEL, "-o", tmp_path / "out", "--folding", path)

    assert "layer 'fc1': 'pe' must be a whole number from 1, not 'many'" in run(pe="many").err
    done = run(pe=7)
    assert done.code == 2
    assert "layer 'fc1': PE must divide its 64 rows, not 7; legal values: 1, 2, 4, 8, 16, 32, 64" in done.err
