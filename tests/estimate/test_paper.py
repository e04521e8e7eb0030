"""The paper's scaling gives the printed digits of its hardware table."""

import importlib
from decimal import Decimal
from pathlib import Path

import pytest

from hbnn_hw.estimate.paper import (
    CUT_OFF,
    ERRATA,
    TABLE_2,
    Network,
    Platform,
    Quantity,
    as_printed,
    differing_cells,
    scaled,
)


def test_all_rows_are_there():
    assert [row.number for row in TABLE_2] == list(range(1, 14))
    assert sum(len(row.printed) for row in TABLE_2) == 39


def test_every_printed_digit_is_the_scaling_s_but_for_two_that_are_cut_off():
    different = differing_cells()
    assert different == {
        (8, Quantity.AREA): ("2.96", "2.97"),
        (8, Quantity.POWER): ("0.18", "0.19"),
    }
    assert different.keys() == CUT_OFF
    # Cutting off instead of rounding gives the printed digits there.
    for number, quantity in CUT_OFF:
        row = TABLE_2[number - 1]
        assert str(scaled(row)[quantity])[: len(row.printed[quantity])] == row.printed[quantity]
        assert number in ERRATA


def test_the_device_is_never_more_than_full():
    clipped = TABLE_2[5]
    assert clipped.printed[Quantity.AREA] == "100"
    figures = scaled(clipped)
    assert figures[Quantity.AREA] == 100
    assert figures[Quantity.KFPS] == 73  # not clipped


@pytest.mark.parametrize("row", TABLE_2, ids=lambda row: str(row.number))
def test_area_and_time_take_one_factor_each_on_the_fpga_and_area_both_on_the_asic(row):
    figures, halved = scaled(row), row.bits / 2
    if row.platform is Platform.ASIC:
        assert figures[Quantity.KFPS] == Decimal("3.4")
        assert figures[Quantity.AREA] / halved**2 in (Decimal("6.06"), Decimal(297))
    elif figures[Quantity.AREA] < 100:
        product = float(figures[Quantity.AREA] * figures[Quantity.KFPS]) / row.unfolding**2
        assert product == pytest.approx(
            {Network.VGG8: 21.2 * 21.9, Network.MOBILENET: 20 * 0.45}[row.network]
        )


@pytest.mark.parametrize(
    ("value", "printed", "text"),
    [("0.225", "0.23", "0.23"), ("2.9694", "2.96", "2.97"), ("73", "73.0", "73.0"), ("100", "100", "100")],
)
def test_rounding_is_half_up_to_the_printed_digits(value, printed, text):
    assert as_printed(Decimal(value), printed) == text


@pytest.fixture
def table(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return importlib.import_module("paper_table")


@pytest.mark.parametrize("number", [1, 2, 4, 5, 6])
def test_a_folded_cnv_has_the_paper_s_rate(table, number):
    row = TABLE_2[number - 1]
    model = table.modelled(row, 1)
    assert model.kfps == pytest.approx(float(row.printed[Quantity.KFPS]), rel=0.03)
    assert model.weight_bits == pytest.approx(float(row.bits), abs=0.03)


def test_more_weight_bits_take_time_and_more_planes_area(table):
    one, two = (table.modelled(TABLE_2[3], planes) for planes in (1, 2))
    assert one.kfps == two.kfps
    assert one.occupancy_pct < two.occupancy_pct


def test_the_synthesized_units_have_whole_words_of_equal_bitwidth(table):
    for spec in table.units():
        layer = spec.layers[0]
        assert sum(layer.fractions) == pytest.approx(1)
        assert all(
            (share * table.WORDS) == pytest.approx(round(share * table.WORDS)) for share in layer.fractions
        )


def test_units_are_shown_as_they_were_synthesized(table):
    found = [table.unit(entry) for entry in table.load_results(table.RAW)]
    assert [(row["name"], row["planes"]) for row in found] == [
        (spec.name, spec.input_bits) for spec in table.units()
    ]
    # Whole words that are missing take no step: cycles follow the bits exactly.
    for row in found:
        assert row["cycles"] == pytest.approx(144 * row["weight_bits"], abs=0.1)


def test_the_trained_network_s_cycles_follow_its_bits_and_its_area_does_not(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    curve = importlib.import_module("trained_curve")
    points = curve.load_results(curve.RAW)
    assert [point["asked_bits"] for point in points] == list(curve.BITS)
    first, last = points[0], points[-1]
    for point in points:
        assert point["total_cycles"] / first["total_cycles"] == pytest.approx(point["average_bits"], rel=0.01)
    assert curve.CellCounts(**last["counts"]).luts < 1.5 * curve.CellCounts(**first["counts"]).luts
