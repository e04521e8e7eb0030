"""Area and accuracy against the average bitwidth: the committed figures, and the page that shows them."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.syspath_prepend(str(ROOT))
    import hbnn_accuracy

    yield hbnn_accuracy
    for name in [name for name in sys.modules if name.partition(".")[0] in {"hbnn_accuracy", "models"}]:
        del sys.modules[name]


def test_maps_of_columns_and_rows_cost_what_their_bits_say(script):
    area = json.loads(script.AREA.read_text(encoding="utf-8"))
    assert (area["rows"], area["layers"]) == (32, ["fc1", "fc2", "fc3"])
    assert area["column_1p4_over_1"] <= 1.5
    # Two full planes have 0.75 digits a weight behind the shared total, 1.4 bits in columns 0.61.
    assert area["column_1p4_over_2"] <= 0.61 / 0.75
    assert area["row_1p4_over_1"] <= 1.4
    assert area["element_1p4_over_1"] <= 2.1


@pytest.mark.parametrize(("ratio", "goal"), [("column_1p4_over_2", 0.75), ("element_1p4_over_1", 1.9)])
@pytest.mark.xfail(strict=True, reason="goals that are not met; docs/bitwidth.md says why")
def test_the_goals_of_heterogeneous_bits(script, ratio, goal):
    assert json.loads(script.AREA.read_text(encoding="utf-8"))[ratio] <= goal


def test_the_page_shows_the_committed_figures(script, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(script, "PICTURE", tmp_path / "bitwidth.svg")
    script.main([])
    *table, figures = capsys.readouterr().out.splitlines()
    page = (ROOT / "docs" / "bitwidth.md").read_text(encoding="utf-8")
    assert "\n".join(table) in page
    points = json.loads(figures)["points"]
    assert len(points) == 15
    assert all(0.9 < point["accuracy"] < 1 and point["accuracies"] for point in points)
    assert (tmp_path / "bitwidth.svg").read_text(encoding="utf-8").startswith("<?xml")
