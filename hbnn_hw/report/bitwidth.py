"""Area and time against the average bitwidth: committed synthesis results, the model, the paper's law."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from hbnn_hw.estimate import ErrorBand, scaled_area
from hbnn_hw.report.chart import Chart, Series, line_chart

FILE = "data/area_vs_bitwidth.json"
"""Written by ``benchmarks/area_vs_bitwidth.py``."""

X_LABEL = "average bits per weight"
_STYLES = {"unrolled, element map": "a", "unrolled, column map": "b", "folded, column map": "c"}


@cache
def bitwidth_results() -> dict[str, Any]:
    """Read the committed results: ``layer`` (text), ``tool`` and ``points``."""
    document: dict[str, Any] = json.loads((files("hbnn_hw.estimate") / FILE).read_text(encoding="utf-8"))
    return document


def _relative(style: str, key: str, unit: str | None = None) -> list[tuple[float, float]]:
    """Points of a style, each divided by the one-bit point (of ``unit``, a measured quantity)."""
    rows = [row for row in bitwidth_results()["points"] if row["style"] == style]
    return [(row["average_bits"], row[key] / rows[0][unit or key]) for row in rows]


def _paper(points: list[tuple[float, float]]) -> Series:
    return Series(
        "paper's linear scaling", [(x, scaled_area(1.0, x)) for x, _ in points], "paper", marks=False
    )


def area_chart(here: float, band: ErrorBand | None = None) -> Chart:
    """LUT against bitwidth, relative to the same layer at one bit; the model with its error band."""
    error = band.p90_pct if band else 0.0
    series = []
    for style, colour in _STYLES.items():
        series.append(Series(f"{style}, synthesized", _relative(style, "luts"), colour))
        series.append(
            Series(
                f"{style}, model",
                _relative(style, "model_luts", "luts"),
                f"{colour} model",
                marks=False,
                error_pct=error,
            )
        )
    return line_chart("LUT, relative to one bit", X_LABEL, [_paper(list(series[0].points)), *series], here)


def time_chart(here: float) -> Chart:
    """Clock cycles a frame of the folded layer against bitwidth, relative to one bit."""
    folded = _relative("folded, column map", "cycles")
    series = [_paper(folded), Series("folded, column map, exact", folded, "c")]
    return line_chart("Clock cycles a frame, relative to one bit", X_LABEL, series, here)
