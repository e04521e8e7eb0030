"""The FPGA's power: toggling from golden bits, the schedule's idle clocks, constants from FINN's designs."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.estimate import estimate, estimate_text
from hbnn_hw.estimate.activity import activities, product_toggle, stream_beats, toggle_rate, utilizations
from hbnn_hw.estimate.finn import FASTEST, FIXED_RATE
from hbnn_hw.estimate.power import (
    CLOCK_SHARE,
    PowerConstants,
    fpga_power,
    load_power_constants,
    switching_factor,
)
from hbnn_hw.folding import weight_words
from hbnn_hw.ops import Mvtu, Tensor
from hbnn_hw.passes import FoldingRequest, lower
from hbnn_hw.streams import node_cycles
from hbnn_hw.target import Target
from hbnn_hw.types import Integers, Planes, TensorType
from tests.graphs import random_mlp

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def graph(unroll=False):
    return lower(random_mlp(4, (32, 16, 8), n_bits=2), FoldingRequest(pe=4, simd=8, unroll=unroll))


def test_utilization_is_the_share_of_the_slowest_operator_s_cycles():
    net = graph()
    cycles = node_cycles(net)
    assert utilizations(net) == {name: n / max(cycles.values()) for name, n in cycles.items()}
    assert max(utilizations(net).values()) == 1


def test_without_data_bits_are_random():
    found = activities(graph()).values()
    assert {activity.toggle for activity in found} == {0.5}
    assert not any(activity.measured for activity in found)


def test_beats_of_numbers_are_their_bits_in_the_stream_s_order():
    value = Tensor(TensorType((4,), Integers(-2, 1)), np.array([[0, 1, -1, -2]]))
    assert stream_beats(value, 2).tolist() == [[[0, 0, 1, 0], [1, 1, 0, 1]]]
    planes = Tensor(TensorType((2,), Planes((1, 2))), np.array([[[1, 0], [0, 1]]], dtype=np.uint8))
    assert stream_beats(planes, 1).tolist() == [[[1, 0], [0, 1]]]


def test_toggle_rates_of_known_streams():
    alternating = np.array([[0, 1], [1, 0], [0, 1]], dtype=np.uint8)
    assert toggle_rate(alternating) == 1
    assert toggle_rate(np.zeros((5, 3), dtype=np.uint8)) == 0
    assert toggle_rate(np.array([[0, 0, 0, 0], [1, 0, 0, 0]], dtype=np.uint8)) == 0.25
    assert toggle_rate(alternating[:1]) == 0


def test_products_toggle_because_weights_do_even_for_a_constant_input():
    net = graph()
    node = next(node for node in net.hardware_nodes if isinstance(node.op, Mvtu))
    op, source = node.op, net.source_type(node)
    constant = Tensor(source, np.ones((1, source.element.n_planes, *source.shape), dtype=np.uint8))
    words = weight_words(op.weights, op.scheduled_folding, op.schedule())[0]
    # Against ones the products are the weights themselves.
    assert product_toggle(op, constant) == pytest.approx((words[1:] != words[:-1]).mean())


def test_unrolled_units_toggle_as_their_input_does():
    net = graph(unroll=True)
    one = np.random.default_rng(3).integers(0, 4, (1, 32))
    still = activities(net, np.repeat(one, 3, axis=0))
    assert all(activity.measured for activity in still.values())
    units = [node.name for node in net.hardware_nodes if isinstance(node.op, Mvtu)]
    assert [still[name].toggle for name in units] == [0, 0]
    moving = activities(net, np.random.default_rng(3).integers(0, 4, (64, 32)))
    assert moving[units[0]].toggle == pytest.approx(0.5, abs=0.05)


def test_an_idle_picture_takes_less_power_than_random_bits():
    net = graph(unroll=True)
    still = estimate(net, Target(), np.zeros((2, 32), dtype=np.int64))
    random = estimate(net, Target())
    assert still.fpga_power.logic_w < random.fpga_power.logic_w
    assert still.fpga_power.logic_w >= CLOCK_SHARE * random.fpga_power.logic_w
    assert "on real data" in estimate_text(still)
    assert "bits taken for random" in estimate_text(random)


def test_power_by_hand():
    known = PowerConstants(
        static_w=0.1, most_static_w=0.3, lut_pj=0.5, bram36_pj=20.0, low=0.5, high=2.0, source=""
    )
    power = fpga_power([(1000.0, 0.5), (1000.0, 0.0)], 10.0, 100.0, known)
    assert power.logic_w == pytest.approx((1000 + 1000 * CLOCK_SHARE) * 0.5e-12 * 100e6)
    assert power.bram_w == pytest.approx(10 * 20e-12 * 100e6)
    assert power.total_w == pytest.approx(0.1 + power.logic_w + power.bram_w)
    assert power.low_w == pytest.approx(0.5 * power.total_w)
    assert power.high_w == pytest.approx(2 * power.total_w + 0.2)


@given(st.floats(0, 1), st.floats(0, 1))
def test_switching_rises_with_activity(one, other):
    low, high = sorted((one, other))
    assert CLOCK_SHARE <= switching_factor(low) <= switching_factor(high)
    assert switching_factor(0.5) == pytest.approx(1)


def test_the_committed_constants_hold_finn_s_designs(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    calibrate = importlib.import_module("calibrate_power")
    fitted, checked = calibrate.points()
    assert [point.design for point in fitted] == list(FASTEST)
    assert [point.design for point in checked] == list(FIXED_RATE)
    known = load_power_constants()
    assert all(abs(point.error_pct(known)) < 10 for point in fitted)
    for point in (*fitted, *checked):
        total = point.design.chip_w * (1 + point.error_pct(known) / 100)
        assert 0.97 * known.low * total <= point.design.chip_w <= 1.03 * known.high * total
    again = calibrate.fit(fitted, checked)
    assert again.lut_pj == pytest.approx(known.lut_pj, rel=0.05)


def test_finn_s_rates_are_met_at_matching_parallelism(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    rows = importlib.import_module("finn_networks").all_matched()
    assert [row.design for row in rows] == list(FASTEST)
    assert [row.estimate.interval_cycles for row in rows] == [16, 128, 9216]
    assert all(abs(row.rate_error_pct) < 5 for row in rows)
