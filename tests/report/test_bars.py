"""Bars by layer: their lengths, the error of estimates, and what a synthesis counted."""

from dataclasses import replace

import pytest

from hbnn_hw.estimate import CellCounts, SynthesisResult, estimate
from hbnn_hw.estimate.area import ASSUMED_ERROR_PCT
from hbnn_hw.passes import FoldingRequest, lower
from hbnn_hw.report.bars import LEFT, MOST_BARS, Amount, bar_chart, error_pct, layer_bars
from hbnn_hw.report.chart import Series, line_chart
from hbnn_hw.report.dataflow import slowest
from hbnn_hw.target import Target
from tests.graphs import random_mlp


@pytest.fixture(scope="module")
def estimated():
    graph = lower(random_mlp(4, (32, 16, 8), coefficients=(4, 2, 1)), FoldingRequest(pe=4, simd=8))
    return estimate(graph, Target())


def test_lengths_and_ranges_have_one_scale():
    amounts = [Amount("a", 10.0, "10", band=(8.0, 12.0)), Amount("b", 5.0, "5", measured=6.0)]
    chart = bar_chart("t", "n", amounts)
    first, second = chart.bars
    pixel = (first.end - LEFT) / 10
    assert second.end - LEFT == pytest.approx(5 * pixel, abs=0.1)
    assert first.band == pytest.approx((LEFT + 8 * pixel, LEFT + 12 * pixel), abs=0.1)
    assert second.measured - LEFT == pytest.approx(6 * pixel, abs=0.1)
    assert first.text_at > first.band[1]


def test_the_smallest_are_left_out_and_the_order_stays():
    amounts = [Amount(str(n), float(n), str(n)) for n in range(1, MOST_BARS + 4)] + [Amount("0", 0.0, "0")]
    chart = bar_chart("t", "n", amounts)
    assert [bar.name for bar in chart.bars] == [str(n) for n in range(4, MOST_BARS + 4)]
    assert chart.left_out == 3


def test_estimated_luts_span_the_error_of_nine_of_ten(estimated):
    band = estimated.errors["luts"]
    node = estimated.nodes[1]
    assert error_pct(node, band) == band.p90_pct
    assert error_pct(replace(node, is_calibrated=False), band) == ASSUMED_ERROR_PCT
    assert error_pct(node, None) is None


def test_synthesized_units_are_marked_with_their_queues(estimated):
    instances = {"fc1": CellCounts(lut6=100), "fc1_fifo": CellCounts(lut6=20), "fc10": CellCounts(lut6=7)}
    result = SynthesisResult(top="n", tool="Yosys 0.70", counts=CellCounts(lut6=127), instances=instances)
    luts = next(chart for chart in layer_bars(estimated, result) if chart.title == "LUT")
    bars = {bar.name: bar for bar in luts.bars}
    pixel = (bars["fc1"].end - LEFT) / next(n.area.luts for n in estimated.nodes if n.name == "fc1")
    assert bars["fc1"].measured - LEFT == pytest.approx(120 * pixel, abs=0.1)
    assert bars["fc2"].measured is None
    assert "synthesized" in luts.note


def test_cycles_mark_the_slowest(estimated):
    cycles = layer_bars(estimated, None)[0]
    assert [bar.name for bar in cycles.bars if bar.marked] == [estimated.bottleneck]


def test_all_units_that_set_the_pace_are_marked_unless_all_units_do(estimated):
    first, second, *others = estimated.nodes
    both = replace(estimated, nodes=(replace(first, cycles=900), replace(second, cycles=900), *others))
    assert slowest(both) == {first.name, second.name}
    assert slowest(replace(estimated, nodes=tuple(replace(n, cycles=1) for n in estimated.nodes))) == set()


def test_a_curve_s_band_lies_around_it_and_inside_the_frame():
    chart = line_chart("t", "x", [Series("s", [(1.0, 1.0), (3.0, 3.2)], "a", error_pct=20)], here=None)
    corners = [tuple(map(float, at.split())) for at in chart.curves[0].band.strip("MZ").split("L")]
    left, top, right, bottom = chart.frame
    assert all(left <= x <= right and top <= y <= bottom for x, y in corners)
    (_, at), (_, low), (_, high) = chart.curves[0].marks[0], corners[0], corners[-1]
    assert low - at == pytest.approx(at - high, abs=0.2)
    assert (low - at) / (bottom - at) == pytest.approx(0.2, abs=0.01)
