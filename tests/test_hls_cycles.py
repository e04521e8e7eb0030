"""The benchmark of cycles: FINN's formulas, the search for CNV, counted cycles of heterogeneous planes."""

import importlib
from pathlib import Path

import pytest

from hbnn_hw.search import Budget
from hbnn_hw.target import XC7Z045

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("hls_cycles")


def test_the_schedule_takes_the_cycles_of_finn_s_formulas(benchmark, capsys):
    rows = benchmark.compare_all()
    assert [row for row in rows if row.scheduled != row.formula] == []
    units = {row.name: row.scheduled for row in rows if row.network == "cnv" and "window" not in row.name}
    published = [32400, 28224, 20736, 28800, 20736, 18432, 32768, 32768, 8192]
    assert list(units.values()) == published
    assert sum("window" in row.name for row in rows) == 6
    assert max(row.scheduled for row in rows if row.network == "lfc") == 512
    assert "DIFFERS" not in capsys.readouterr().out


def test_the_search_reaches_finn_s_rate_with_cnv_within_the_device(benchmark):
    at_rate, fastest, _ = benchmark.searched()
    for result in (at_rate, fastest):
        assert 200e6 / result.interval_cycles >= 21_900
        assert Budget.of(XC7Z045).excess(result.needs) is None
    shapes = [(layer.columns, layer.rows) for layer in at_rate.layers]
    assert shapes[:2] == [(27, 64), (576, 64)]
    assert shapes[-1] == (512, 10)


@pytest.mark.hls
def test_counted_cycles_follow_the_bitwidth_where_columns_stand_side_by_side(benchmark):
    one, column = (
        benchmark.counted_cycles(benchmark.one_layer(shares)) for shares in ((1.0,), benchmark.SHARES)
    )
    assert column / one == pytest.approx(1.4)


def test_scattered_columns_save_nothing(benchmark):
    from hbnn_hw.streams import sample_interval

    cycles = [
        sample_interval(benchmark.one_layer(shares, scattered))
        for shares, scattered in (((0.0, 1.0), False), (benchmark.SHARES, True))
    ]
    assert cycles[0] < cycles[1]


@pytest.mark.hls
def test_counted_cycles_of_scattered_columns_behind_a_layer_follow_the_bitwidth_too(benchmark):
    one, mixed = (
        benchmark.counted_cycles(benchmark.two_layers(shares)) for shares in ((1.0,), benchmark.SHARES)
    )
    assert mixed / one == pytest.approx(1.4)
