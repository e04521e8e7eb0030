"""``hbnn-hw report``: the page of an export written again, with the Pareto front of an exploration."""

import json

import pytest

from tests.cli.conftest import MODELS

MODEL = MODELS / "digits_hbnn.pt"


@pytest.fixture(scope="module")
def exported(hbnn, tmp_path_factory):
    """Export, and results of an exploration of the same model file."""
    folder = tmp_path_factory.mktemp("report")
    assert hbnn("export", MODEL, "-o", folder / "out", "--backend", "hls", "--pe", 4, "--simd", 4).code == 0
    space = ["--bits", "1.0,2.0", "--folding", "4x4", "--workers", "1"]
    done = hbnn("explore", MODEL, "-o", folder / "r.sqlite", *space)
    assert done.code == 0, done.err
    return folder / "out", folder / "r.sqlite"


def test_the_front_is_in_the_page_and_stays_there(hbnn, exported):
    folder, results = exported
    before = (folder / "report.html").read_text(encoding="utf-8")
    done = hbnn("report", folder, "--explored", results)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert done.code == 0, done.err
    assert "3 points: 0 without a design" in done.out
    assert "Not explored yet" in before
    assert "3 points explored" in page
    assert hbnn("report", folder).code == 0
    assert (folder / "report.html").read_text(encoding="utf-8") == page


def test_the_exported_design_has_the_figures_of_its_point(hbnn, exported):
    folder, results = exported
    hbnn("report", folder, "--explored", results, "--objectives", "luts")
    document = json.loads((folder / "exploration.json").read_bytes())
    totals = json.loads(hbnn("estimate", folder, "--json").out)["totals"]
    (trained,) = [point for point in document["points"] if point["weights"] == "trained"]
    (smallest,) = [point for point in document["points"] if point["on_front"]]
    assert document["objectives"] == ["luts"]
    assert trained["luts"] == totals["area"]["luts"]
    assert trained["interval_cycles"] == totals["interval_cycles"]
    assert trained["operation_energy_pj"] == totals["operation_energy_45nm_pj"]
    assert trained["accuracy"] == pytest.approx(0.9621, abs=1e-4)
    assert smallest["luts"] == min(point["luts"] for point in document["points"])


def test_results_of_another_network_and_other_files_are_refused(hbnn, exported, tmp_path):
    folder, results = exported
    space = ["--bits", "1.0", "--folding", "4x4", "--workers", "1"]
    assert hbnn("explore", MODELS / "digits_bnn.pt", "-o", tmp_path / "other.sqlite", *space).code == 0
    before = (folder / "report.html").read_bytes()
    for arguments, message in (
        ([folder, "--explored", tmp_path / "other.sqlite"], "that was exported, not of digits_bnn alone"),
        ([folder, "--explored", folder / "graph.hbnn"], "must be a results file of 'hbnn-hw explore'"),
        ([folder, "--explored", tmp_path / "none"], "but there is none"),
        ([folder, "--explored", results, "--objectives", "beauty"], "an objective must be one of"),
        ([tmp_path], "is not an export"),
    ):
        done = hbnn("report", *arguments)
        assert done.code == 2, done.err
        assert message in done.err
        assert "Traceback" not in done.err
    assert (folder / "report.html").read_bytes() == before


@pytest.mark.parametrize("damage", ["[", "{}", '{"version": "", "objectives": ["x"], "points": []}'])
def test_a_damaged_exploration_is_named(hbnn, exported, damage):
    folder, results = exported
    (folder / "exploration.json").write_text(damage, encoding="utf-8")
    done = hbnn("report", folder)
    assert done.code == 2
    assert "exploration.json' is damaged" in done.err
    assert hbnn("report", folder, "--explored", results).code == 0
