"""The Pareto front in a report: what is drawn is the best there is, with its error, and words agree."""

import csv
import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.estimate import CellCounts, SynthesisResult, estimate
from hbnn_hw.passes import FoldingRequest, lower
from hbnn_hw.report import Exploration, ReportInput, render_report
from hbnn_hw.report.exploration import Design
from hbnn_hw.report.figures_file import downloads, figures_document
from hbnn_hw.report.own_bits import smallest
from hbnn_hw.report.pareto import (
    ACCURACY,
    ENERGY,
    HEIGHT,
    LEFT,
    RATE,
    SHADES,
    TOP,
    WIDTH,
    best,
    corners,
    shades,
)
from hbnn_hw.report.pareto_section import luts_error_pct, pareto_section, this_design
from hbnn_hw.report.scale import LinearScale, LogScale
from hbnn_hw.target import Target
from tests.graphs import random_mlp
from tests.report.test_figures_file import content
from tests.report.test_report import HOSTILE, Page

OBJECTIVES = ["luts", "energy", "interval", "accuracy"]
PLAIN = ReportInput(
    graph=(graph := lower(random_mlp(4, (32, 16, 8), coefficients=(4, 2, 1)), FoldingRequest(pe=4, simd=8))),
    estimate=estimate(graph, Target()),
    target=Target(),
    metadata={"method": "hbnn", "accuracy": 0.95},
)


def record(luts, cycles, bits=1.0, energy=1e5, accuracy=None, **others):
    """Return a design as an exploration's document has it."""
    return {
        "map": "tile 16x16 90/0/10",
        "weights": "drawn" if accuracy is None else "trained",
        "method": "hbnn",
        "asked_bits": bits,
        "folding": "8x8",
        "board": "zc706",
        "clock_ns": 5.0,
        "accuracy": accuracy,
        "on_front": True,
        "problem": "",
        "weight_bits": 3000,
        "map_bits": 1000,
        "luts": luts,
        "flip_flops": 10.0,
        "bram36": 1.5,
        "interval_cycles": cycles,
        "latency_cycles": 2 * cycles,
        "operation_energy_pj": energy,
        "fits": True,
    } | others


def report_of(*records, objectives=OBJECTIVES, version="now", **others):
    document = {"version": version, "objectives": objectives, "points": list(records)}
    return replace(PLAIN, exploration=Exploration.from_document(document, "now"), **others)


SMALL, LARGE = record(400.0, 5000), record(9000.0, 20, bits=2.0, energy=2e5)
BEATEN = record(9500.0, 30, bits=2.0, energy=3e5, on_front=False)
TOO_LARGE = record(90000.0, 10, bits=3.0, energy=4e5, on_front=False, fits=False)

places = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)).map(lambda p: (float(p[0]), float(p[1]))))


@given(places, st.booleans())
def test_steps_are_the_places_that_no_other_beats(found, more):
    sign = -1 if more else 1
    beaten = {
        (x, y)
        for x, y in found
        if any(a <= x and sign * b <= sign * y and (a, b) != (x, y) for a, b in found)
    }
    assert best(found, more) == sorted(set(found) - beaten)


def test_a_staircase_turns_at_right_angles_and_reaches_the_edge():
    path = corners([(10.0, 50.0), (20.0, 30.0)], 100.0, 90.0)
    assert path == [(10.0, 100.0), (10.0, 50.0), (20.0, 50.0), (20.0, 30.0), (90.0, 30.0)]
    assert corners([], 100.0, 90.0) == []


def plots(source):
    return pareto_section(source).panels


def test_marks_have_the_error_of_their_luts_and_lie_in_the_frame():
    error = luts_error_pct(PLAIN.estimate) / 100
    for panel in plots(report_of(SMALL, LARGE, BEATEN, TOO_LARGE)):
        left, top, right, bottom = panel.frame
        for mark in (*panel.marks, panel.here):
            assert left <= mark.whisker[0] < mark.x < mark.whisker[1] <= right
            assert top <= mark.y <= bottom
        widths = [mark.whisker[1] - mark.whisker[0] for mark in panel.marks]
        assert (
            max(widths) - min(widths) <= 0.3
        )  # equal errors are equally wide on a logarithmic axis, rounded
        assert panel.band.startswith(f"M{panel.marks[0].whisker[0]:g} ")
    assert 0.01 < error < 0.2


def test_synthesized_luts_have_a_mark_of_their_own():
    done = SynthesisResult(top="net", tool="Yosys", counts=CellCounts(lut6=round(PLAIN.estimate.area.luts)))
    (rate, _) = plots(report_of(SMALL, LARGE, synthesis=done))
    assert rate.measured == pytest.approx(rate.here.x, abs=0.2)
    assert plots(report_of(SMALL, LARGE))[0].measured is None


def test_beaten_designs_and_those_that_do_not_fit_look_different():
    dots = {(dots.fits, dots.shade) for dots in plots(report_of(SMALL, LARGE, BEATEN, TOO_LARGE))[0].dots}
    assert dots == {(True, 4), (False, SHADES - 1)}
    assert [mark.number for mark in plots(report_of(LARGE, SMALL))[0].marks] == [1, 2]


@given(st.lists(st.tuples(st.integers(300, 40000), st.integers(5, 9000)), min_size=1, max_size=40))
def test_labels_lie_over_nothing(found):
    source = report_of(*(record(float(luts), cycles) for luts, cycles in found))
    for panel in plots(source):
        boxes = [label.box for label in panel.labels]
        boxes += [(mark.x - 4, mark.y - 4, mark.x + 4, mark.y + 4) for mark in panel.marks]
        labels = range(len(panel.labels))
        for at in labels:
            left, top, right, bottom = boxes[at]
            assert LEFT <= left <= right <= WIDTH
            assert TOP <= top <= bottom <= HEIGHT
            for x0, y0, x1, y1 in boxes[at + 1 :]:
                assert right <= x0 or left >= x1 or bottom <= y0 or top >= y1


def test_what_a_bit_costs_has_a_line_for_every_folding_with_several_bitwidths():
    found = [
        record(5000.0, 90, bits=2.0),
        record(3000.0, 90, bits=1.0),
        record(3500.0, 90, bits=1.0),
        record(900.0, 900, bits=1.0, folding="4x4"),
        record(950.0, 900, bits=2.0, folding="4x4"),
        record(100.0, 900, bits=1.5, folding="4x4", board="pynq-z1"),
        record(100.0, 900, bits=1.0, folding="2x2"),
    ]
    source = report_of(*found)
    lines = smallest(source.exploration.designs[:5])
    assert {name: [one.luts for one in line] for name, line in lines.items()} == {
        "4x4": [900.0, 950.0],
        "8x8": [3000.0, 5000.0],
    }
    picture = pareto_section(source).bits
    assert [(curve.text, len(curve.marks)) for curve in picture.curves] == [("4x4", 2), ("8x8", 2)]
    left, top, right, bottom = picture.frame
    for x, y in (picture.here, *(mark for curve in picture.curves for mark in curve.marks)):
        assert left <= x <= right
        assert top <= y <= bottom
    assert picture.whisker[0] > picture.here[1] > picture.whisker[1]  # pixels count downwards
    assert pareto_section(report_of(*found[3:4], *found[5:])).bits is None


def test_accuracy_has_a_plot_where_two_are_known():
    titles = [panel.title for panel in plots(report_of(SMALL, LARGE))]
    assert titles == [f"{figure.title} against LUT" for figure in (RATE, ENERGY)]
    trained = record(500.0, 4000, accuracy=0.97)
    with_accuracy = plots(report_of(SMALL, trained))
    assert with_accuracy[2].title == f"{ACCURACY.title} against LUT"
    assert [mark.number for mark in with_accuracy[2].marks] == [2]


def words(source):
    return Page(render_report(source)).text


def test_the_page_says_what_is_known_of_accuracies():
    trained = record(500.0, 4000, accuracy=0.97)
    assert "No accuracy is known: the weights of 2 are drawn" in words(report_of(SMALL, LARGE))
    some = words(report_of(SMALL, trained))
    assert "The accuracy of 1 of 2 designs is known: the weights of 1 are drawn" in some
    assert "more bits count as better" in some
    all_known = words(report_of(trained))
    assert "Accuracies are those of trained networks" in all_known
    assert "more bits" not in all_known
    assert "as good in LUT, energy, frame rate and accuracy and better in one" in all_known


def test_the_page_says_where_the_design_stands():
    here = this_design(PLAIN)
    like = {
        "bits": here.average_bits,
        "energy": here.energy_pj,
        "luts": here.luts,
        "cycles": here.interval_cycles,
    }
    assert "None of them beats this design" in words(report_of(record(**like)))
    smaller, faster = like | {"luts": here.luts - 1}, like | {"cycles": here.interval_cycles - 1}
    slower = smaller | {"cycles": here.interval_cycles + 1}
    assert "Number 1 beats this design; it would have to be trained." in words(report_of(record(**smaller)))
    assert "None of them beats this design" in words(report_of(record(**slower)))
    trained = record(**faster, accuracy=0.96)
    assert "Number 1 beats this design." in words(report_of(trained))
    both = words(report_of(trained, record(**(smaller | {"bits": 3.0}))))
    assert "Numbers 1 and 2 beat this design; 1 of them would have to be trained." in both
    unknown = report_of(trained, metadata={})
    assert "The accuracy of this design is not known, so it is not compared" in words(unknown)
    assert "None of them fits its device" in words(report_of(TOO_LARGE))


def test_points_without_a_design_are_counted():
    nothing = {"accuracy": None, "problem": "no folding is as fast"}
    text = words(report_of(SMALL, LARGE, BEATEN, TOO_LARGE, nothing))
    assert "5 points explored, 1 had no design, 1 does not fit the device, 2 on the front" in text
    assert "None of the 1 points explored is a design" in words(report_of(nothing))


def test_a_page_without_an_exploration_says_how_to_get_one():
    text = words(PLAIN)
    assert "hbnn-hw report DIR --explored FILE.sqlite" in text
    assert figures_document(PLAIN)["exploration"] is None


def test_figures_of_another_version_are_said_to_be():
    assert "another version" in words(report_of(SMALL, version="old"))
    assert "another version" not in words(report_of(SMALL))


def test_the_table_has_the_front_and_the_design_and_devices_where_they_differ():
    section = pareto_section(report_of(LARGE, SMALL, BEATEN))
    assert [(number, cells[3].value) for number, cells in section.rows] == [(1, 400.0), (2, 9000.0)]
    assert section.here[3].value == PLAIN.estimate.area.luts
    assert not section.has_devices
    two = pareto_section(report_of(LARGE, record(500.0, 9, clock_ns=10 / 3)))
    assert two.has_devices
    assert [cells[3].text.replace("\u202f", " ") for _, cells in two.rows] == [
        "zc706, 300 MHz",
        "zc706, 200 MHz",
    ]


def test_downloads_have_every_explored_point():
    source = report_of(SMALL, LARGE, BEATEN, {"accuracy": None, "problem": "too fast"})
    files = {file.name: content(file.address) for file in downloads(source)}
    document = json.loads(files["random_mlp.json"])
    assert [one.get("luts") for one in document["exploration"]["points"]] == [400.0, 9000.0, 9500.0, None]
    rows = list(csv.DictReader(io.StringIO(files["random_mlp_explored.csv"])))
    assert [row["luts"] for row in rows] == ["400.0", "9000.0", "9500.0", ""]
    assert rows[3]["problem"] == "too fast"
    assert "exploration.points[1].luts,9000.0" in files["random_mlp.csv"]


def test_names_of_checkpoints_are_escaped():
    page = Page(render_report(report_of(record(400.0, 50, accuracy=0.5, map=HOSTILE))))
    assert page.tags.count("script") == 1
    assert HOSTILE in page.text


def test_more_bitwidths_than_shades_share_them_in_order():
    designs = [Design.from_record(record(400.0, 50, bits=1 + at / 10)) for at in range(12)]
    found = shades(designs)
    assert list(found.values()) == sorted(found.values())
    assert set(found.values()) == set(range(SHADES))
    keys = pareto_section(report_of(*(record(400.0, 50, bits=1 + at / 10) for at in range(12)))).keys
    assert [key.shade for key in keys] == list(range(SHADES))
    assert keys[0].text.startswith("1")
    assert all(key.text.endswith(" bits") for key in keys[1:])


@given(st.floats(1e-3, 1e9), st.floats(1.0, 1e4))
def test_logarithmic_axes_have_ticks_inside(low, factor):
    scale = LogScale.over([low, low * factor], 50, 450)
    ticks = [tick.at for tick in scale.ticks()]
    assert 2 <= len(ticks) <= 13
    assert ticks == sorted(ticks)
    assert 50 <= ticks[0] <= ticks[-1] <= 450


@given(st.floats(0, 1), st.floats(0, 1))
def test_axes_of_shares_have_different_round_ticks(one, other):
    scale = LinearScale.of_shares([one, other], 300, 10)
    texts = [tick.text for tick in scale.ticks()]
    assert 2 <= len(texts) <= 8
    assert len(set(texts)) == len(texts)
    assert all(10 <= tick.at <= 300 for tick in scale.ticks())
