"""Rows of an exploration as text, CSV and plain data."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from hbnn_hw.explore.pareto import Row, accuracy_is_known
from hbnn_hw.explore.point import Trained, Weights
from hbnn_hw.explore.results_file import estimator_version

FRONT = "*"
"""Marks a row on the front."""

_HEADER = (
    "bits",
    "method",
    "map",
    "folding",
    "board",
    "MHz",
    "LUT",
    "FF",
    "BRAM36",
    "cycles",
    "frames/s",
    "nJ (45 nm)",
    "kbit",
    "accuracy",
    "",
)
_TEXT_COLUMNS = (1, 2, 3, 4, 14)
_BITS_COLUMNS = (0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13)


def aligned(rows: Sequence[Sequence[str]], left: Sequence[int] = ()) -> str:
    """Print rows in columns, those numbered in ``left`` at their left edges, the others at their right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = (
        "  ".join(
            f"{cell:<{width}}" if at in left else f"{cell:>{width}}"
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)


def method_text(weights: Weights) -> str:
    """Name the method of a point's weights."""
    return weights.method if isinstance(weights, Trained) else weights.method.value


def _cells(row: Row) -> tuple[str, ...]:
    point, figures = row.point, row.outcome.figures
    weights = point.weights
    named = (
        method_text(weights),
        weights.map_text,
        point.folding.text,
        point.board,
        f"{1000 / point.clock_ns:g}",
    )
    first = (f"{weights.average_bits:.2f}", *named)
    if figures is None:
        return (*first, *("–",) * 8, row.outcome.problem)
    remark = FRONT if row.on_front else "" if figures.fits else f"{100 * figures.occupancy:.0f} % of budget"
    return (
        *first,
        f"{figures.luts:.0f}",
        f"{figures.flip_flops:.0f}",
        f"{figures.bram36:g}",
        f"{figures.interval_cycles}",
        f"{figures.frames_per_second:,.0f}",
        f"{figures.operation_energy_pj / 1000:.2f}",
        f"{(figures.weight_bits + figures.map_bits) / 1000:.0f}",
        "–" if row.accuracy is None else f"{100 * row.accuracy:.2f} %",
        remark,
    )


def rows_text(rows: Sequence[Row], *, front_only: bool = False) -> str:
    """Print the rows as a table, all of them or the front's, and what the front was made of."""
    shown = [row for row in rows if row.on_front] if front_only else rows
    table = aligned([_HEADER, *map(_cells, shown)], _TEXT_COLUMNS) if shown else ""
    return table + summary_text(rows)


def bits_text(rows: Sequence[Row]) -> str:
    """Print the rows of one network, device and clock against the average bitwidth, without the front."""
    table = [[cells[at] for at in _BITS_COLUMNS] for cells in (_HEADER, *map(_cells, rows))]
    return aligned(table, range(1, 4)) + "area and energy are estimated, cycles exact\n"


def summary_text(rows: Sequence[Row]) -> str:
    """Say how many points there are, how many of them are designs, and what accuracy was taken from."""
    made = [row.outcome.figures for row in rows if row.outcome.figures is not None]
    fitting = sum(figures.fits for figures in made)
    front = sum(row.on_front for row in rows)
    text = (
        f"{len(rows)} points: {len(rows) - len(made)} without a design, {len(made) - fitting} that do not "
        f"fit their device, {front} on the front; area and energy are estimated, cycles exact\n"
    )
    if accuracy_is_known(rows):
        return text
    return text + "no accuracy is known of drawn weights: more bits count as better\n"


def flat(row: Row) -> dict[str, Any]:
    """Return a row as one flat record; figures are None where there is no design."""
    point, figures = row.point, row.outcome.figures
    weights = point.document()["weights"]
    record = {
        "weights": weights["kind"],
        "label": weights.get("label", ""),
        "method": weights["method"],
        "asked_bits": round(point.weights.average_bits, 6),
        "distribution": "/".join(f"{bits}:{share:.6g}" for bits, share in point.weights.distribution),
        "sharing": weights["sharing"],
        "tile": "x".join(map(str, weights.get("tile", (1, 1)))),
        "folding": point.folding.text,
        "board": point.board,
        "clock_ns": point.clock_ns,
        "accuracy": row.accuracy,
        "on_front": row.on_front,
        "problem": row.outcome.problem,
    }
    return record | (figures.document() | {"fits": figures.fits} if figures else {})


def rows_document(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the rows as plain data for JSON."""
    return {"version": estimator_version(), "points": [flat(row) for row in rows]}


def rows_csv(rows: Sequence[Row]) -> str:
    """Return the rows as CSV, a record a point; empty where a point has no such figure."""
    records = [flat(row) for row in rows]
    columns: Mapping[str, None] = dict.fromkeys(name for record in records for name in record)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()
