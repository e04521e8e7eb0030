"""Area and accuracy against the average bitwidth: the committed figures, and the page that shows them."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.syspath_prepend(str(ROOT))
    import hbnn_accuracy

    yield hbnn_accuracy
    scripts = {"hbnn_accuracy", "hbnn_area", "drawn_maps", "models"}
    for name in [name for name in sys.modules if name.partition(".")[0] in scripts]:
        del sys.modules[name]


def test_heterogeneous_bits_of_trained_networks_cost_what_was_hoped_for(script):
    area = json.loads(script.AREA.read_text(encoding="utf-8"))
    assert (area["rows"], area["layers"], area["maps"]) == (32, ["fc1", "fc2", "fc3"], "trained")
    assert area["column_1p4_over_1"] <= 1.5
    assert area["column_1p4_over_2"] <= 0.75
    assert area["row_1p4_over_1"] <= 1.5
    assert area["element_1p4_over_1"] <= 1.9
    # The rows that are built have the bits of their networks, whatever shares them.
    for point in area["points"]:
        assert point["measured_bits"] == pytest.approx(point["average_bits"], abs=0.02)


def test_a_committed_area_is_that_of_the_committed_network(script):
    import hbnn_area

    area = json.loads(script.AREA.read_text(encoding="utf-8"))
    (known,) = [
        point["luts_by_layer"]
        for point in area["points"]
        if (point["kind"], point["average_bits"]) == ("column", 1.4)
    ]
    _, (name, op, source), _ = hbnn_area.trained_layers("column", 1.4, area["rows"])
    assert hbnn_area.area(name, op, source, planned=True)[0] == known[name]


def test_the_rows_that_are_built_are_those_of_the_network(script):
    import hbnn_area

    from hbnn_hw import ir_file
    from hbnn_hw.ops.base import Tensor
    from hbnn_hw.passes import lower

    graph = lower(ir_file.load(hbnn_area.NETWORKS / "bit_map_14_row.hbnn"))
    _, (_, whole, source), _ = hbnn_area.hidden_layers(graph)
    some, rows = hbnn_area.some_rows(whole, 32), hbnn_area.typical_rows(whole.weights, 32)
    assert len(set(rows.tolist())) == 32
    bits = np.random.default_rng(0).integers(0, 2, (200, source.element.bits, *source.shape), dtype=np.uint8)
    answers = some.compute(Tensor(source, bits))
    assert 0.2 < answers.mean() < 0.8
    np.testing.assert_array_equal(answers, whole.compute(Tensor(source, bits))[..., rows])


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
