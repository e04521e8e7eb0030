"""Schedules of the temperature and of S_tanh: end points, monotony, the authors' form."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.nn import (
    CosineTemperature,
    ExponentialTemperature,
    LinearTemperature,
    SharpnessSchedule,
    WarmRestartTemperature,
)

FALLING = (ExponentialTemperature, CosineTemperature, LinearTemperature)
ALL = (*FALLING, WarmRestartTemperature)


@pytest.mark.parametrize("kind", ALL)
def test_a_schedule_begins_and_ends_at_its_temperatures(kind):
    schedule = kind(initial=2.0, final=0.01, start=0.25, end=0.75)
    assert [schedule.temperature(at) for at in (0.0, 0.1, 0.25)] == [2.0, 2.0, 2.0]
    assert [schedule.temperature(at) for at in (0.75, 0.9, 1.0)] == [0.01, 0.01, 0.01]
    assert schedule.inverse(0.0) == 0.5
    assert [schedule.is_hard(at) for at in (0.0, 0.7499, 0.75, 1.0)] == [False, False, True, True]


@pytest.mark.parametrize("kind", FALLING)
@given(a=st.floats(0, 1), b=st.floats(0, 1))
def test_without_restarts_the_temperature_never_rises(kind, a, b):
    schedule = kind(initial=1.0, final=1e-3)
    assert schedule.temperature(min(a, b)) >= schedule.temperature(max(a, b))
    assert 1e-3 * (1 - 1e-12) <= schedule.temperature(a) <= 1.0


@pytest.mark.parametrize(
    ("kind", "middle"),
    [(ExponentialTemperature, 0.1), (LinearTemperature, 0.505), (CosineTemperature, 0.505)],
)
def test_half_way_values_by_hand(kind, middle):
    assert kind(initial=1.0, final=0.01, start=0.0, end=1.0).temperature(0.5) == pytest.approx(middle)


def test_the_cosine_is_flat_at_both_ends_and_the_line_is_not():
    cosine, line = (
        kind(initial=1.0, final=0.0001, start=0, end=1) for kind in (CosineTemperature, LinearTemperature)
    )
    assert 1 - cosine.temperature(0.05) < 0.2 * (1 - line.temperature(0.05))


def test_each_cycle_begins_anew():
    schedule = WarmRestartTemperature(initial=1.0, final=0.01, start=0.0, end=0.8, cycles=4)
    assert [schedule.temperature(at + 1e-9) for at in (0.0, 0.2, 0.4, 0.6)] == pytest.approx([1.0] * 4)
    before = [schedule.temperature(at - 1e-9) for at in (0.2, 0.4, 0.6, 0.8)]
    assert before == pytest.approx([0.01] * 4, abs=1e-6)
    assert schedule.temperature(0.3) == pytest.approx(0.505)


def test_the_authors_factor_per_epoch_is_the_exponential_schedule():
    """T_e = f^(e - e_start) from 20 % to 60 % of 100 epochs."""
    schedule = ExponentialTemperature.from_factor(1.2, 100)
    for epoch in (0, 20, 21, 40, 59):
        assert schedule.inverse(epoch / 100) == pytest.approx(1.2 ** max(0, epoch - 20))
    assert schedule.inverse(0.6) == pytest.approx(1.2**40)
    assert schedule.is_hard(0.6)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"final": 0.0}, "must be positive and not rise"),
        ({"initial": 0.1, "final": 0.2}, "must be positive and not rise"),
        ({"initial": math.inf}, "must be positive and not rise"),
        ({"start": 0.5, "end": 0.5}, r"must lie within 0\.\.1"),
        ({"end": 1.1}, r"must lie within 0\.\.1"),
    ],
)
@pytest.mark.parametrize("kind", ALL)
def test_impossible_schedules_are_refused(kind, fields, complaint):
    with pytest.raises(ValueError, match=complaint):
        kind(**fields)


def test_a_warm_restart_has_a_cycle():
    with pytest.raises(ValueError, match="at least 1 cycle, not 0"):
        WarmRestartTemperature(cycles=0)


def test_sharpness_warms_up_linearly_and_doubles():
    schedule = SharpnessSchedule(initial=5, final=10, warm_up=0.2, doublings=(0.7, 0.8))
    found = [schedule.s_tanh(at) for at in (0.0, 0.1, 0.2, 0.69, 0.7, 0.8, 1.0)]
    assert found == pytest.approx([5, 7.5, 10, 10, 20, 40, 40])
    assert SharpnessSchedule(warm_up=0.0).s_tanh(0.0) == 10.0


def test_impossible_sharpness_is_refused():
    with pytest.raises(ValueError, match=r"S_tanh must be finite and positive, not 0\.0"):
        SharpnessSchedule(initial=0.0)
    with pytest.raises(ValueError, match=r"must lie in 0\.\.1"):
        SharpnessSchedule(doublings=(1.5,))
