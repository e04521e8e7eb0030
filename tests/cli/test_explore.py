"""``hbnn-hw explore`` and ``estimate`` of model files, as a user runs them."""

import csv
import json
import sqlite3
import sys
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import MODELS

MODEL = MODELS / "digits_hbnn.pt"
SPACE = ["--bits", "1.0,1.4,2.0", "--folding", "4x4,unrolled", "--workers", "1"]


@pytest.fixture(scope="module")
def explored(hbnn, tmp_path_factory):
    """Folder of a finished exploration with all its files, and what it printed."""
    folder = tmp_path_factory.mktemp("explored")
    files = ["--csv", folder / "all.csv", "--picture", folder / "front.html"]
    checkpoint = ["--checkpoint", f"1.0={MODELS / 'digits_bnn.pt'}"]
    done = hbnn("explore", MODEL, "-o", folder / "r.sqlite", *SPACE, *files, *checkpoint)
    assert done.code == 0, done.err
    return folder, done


def test_an_exploration_prints_the_front_and_writes_all_points(explored):
    folder, done = explored
    with (folder / "all.csv").open(newline="", encoding="utf-8") as file:
        records = list(csv.DictReader(file))
    front = [record for record in records if record["on_front"] == "True"]
    assert [len(records), len({row["label"] for row in records})] == [8, 3]
    assert done.out.count("*\n") == len(front)
    assert f"8 points: 0 without a design, 0 that do not fit their device, {len(front)} on" in done.out
    accuracies = {record["label"]: record["accuracy"][:6] for record in records}
    assert accuracies == {"": "", "digits_bnn": "0.9482", "digits_hbnn": "0.9621"}


def test_the_same_command_finds_its_points(hbnn, explored):
    folder, before = explored
    checkpoint = ["--checkpoint", MODELS / "digits_bnn.pt"]
    again = hbnn("explore", MODEL, "-o", folder / "r.sqlite", *SPACE, *checkpoint, "--all", "--json")
    document = json.loads(again.out)
    with sqlite3.connect(folder / "r.sqlite") as database:
        (count,) = database.execute("SELECT count(*) FROM points").fetchone()
    database.close()
    assert count == len(document["points"]) == 8
    unrolled = {p["asked_bits"]: p["luts"] for p in document["points"] if p["folding"] == "unrolled"}
    assert list(unrolled) == sorted(unrolled)
    assert min(unrolled.values()) == unrolled[1.0]
    assert before.code == again.code == 0


def test_a_trained_network_is_a_point_with_its_accuracy(hbnn, tmp_path):
    copy = f"import shutil, sys; shutil.copy('{MODELS / 'digits_bnn.pt'}', sys.argv[1])"
    train = f'{sys.executable} -c "{copy}" {{out}}'
    space = ["--bits", "2.0", "--folding", "4x4", "--workers", "1", "--all"]
    done = hbnn("explore", MODEL, "-o", tmp_path / "r.sqlite", *space, "--train", train)
    (checkpoint,) = (tmp_path / "r.trained").iterdir()
    assert done.code == 0, done.err
    assert checkpoint.stem in done.out
    assert "94.82 %" in done.out


def test_pictures_are_files_of_their_own(hbnn, explored, tmp_path):
    folder, _ = explored
    page = (folder / "front.html").read_text(encoding="utf-8")
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "digits_bnn" in page
    done = hbnn("explore", MODEL, "-o", folder / "r.sqlite", *SPACE, "--picture", tmp_path / "front.svg")
    svg = ElementTree.parse(tmp_path / "front.svg").getroot()
    marks = svg.findall(".//{http://www.w3.org/2000/svg}title")
    assert done.code == 0
    assert len(marks) == 2 * 8
    assert any("1.40 bits, hbnn digits_hbnn: element 70/20/10, unrolled" in mark.text for mark in marks)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--bits", "1.4,x"], "an average bitwidth must be a number, not 'x'"),
        (["--folding", "16"], "a folding (or unrolled, fit, fps=N, cycles=N) must be"),
        (["--map", "spiral"], "a bit map must be one of element, column, row, tile"),
        (["--method", "xnor"], "a method must be one of bnn, hbnn, slb, flexor"),
        (["--board", "zx81"], "the board must be one of"),
        (["--objectives", "beauty"], "an objective must be one of luts, bram36"),
        (["--picture", "front.png"], "a picture must be an .svg or .html file, not 'front.png'"),
        (["--checkpoint", f"1.0={MODEL}"], "must have 1.0 bits a weight on average, not 1.40"),
        (["--checkpoint", "missing.pt"], "missing.pt"),
    ],
)
def test_bad_input_is_named_before_anything_is_written(hbnn, tmp_path, options, message):
    done = hbnn("explore", MODEL, "-o", tmp_path / "r.sqlite", *options)
    assert done.code == 2, done.err
    assert message in done.err
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_model_file_is_estimated_at_the_default_folding(hbnn):
    assert "16×16" in hbnn("estimate", MODEL).out


def test_an_estimate_against_the_average_bitwidth(hbnn):
    done = hbnn("estimate", MODEL, "--bits", "1.0,1.2,1.4,2.0", "--checkpoint", MODELS / "digits_bnn.pt")
    lines = [line.split() for line in done.out.splitlines()[1:-1]]
    assert [line[0] for line in lines] == ["1.00", "1.00", "1.20", "1.20", "1.40", "1.40", "2.00", "2.00"]
    luts = [int(line[line.index("unrolled") + 1]) for line in lines if "unrolled" in line]
    assert min(luts) == luts[0]
    assert "94.82 %" in done.out
    assert "96.22 %" in done.out


def test_checkpoints_without_bits_are_refused(hbnn):
    done = hbnn("estimate", MODEL, "--checkpoint", MODEL)
    assert done.code == 2
    assert "--checkpoint stands beside --bits only" in done.err
