"""A comparison as plain tables."""

from __future__ import annotations

from collections.abc import Sequence

from hbnn_hw.vendor_reports.comparison import RESOURCES, Comparison, LayerRow, Row
from hbnn_hw.vendor_reports.csynth import CsynthReport

_HEADER = ("", "estimate", "csynth", "out of context", "in the design")


def _amount(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 2):g}" if abs(value) < 1000 else f"{value:.0f}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            f"{cell:<{w}}" if at == 0 else f"{cell:>{w}}"
            for at, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _error(estimated: float | None, found: float | None) -> str:
    """The estimate's relative error, beside the value that it is held against."""
    if estimated is None or not found:
        return ""
    return f" ({100 * (estimated / found - 1):+.0f} %)"


def _row(row: Row) -> tuple[str, ...]:
    # A clock, a slack and a power that were asked for or assumed are no predictions to be wrong by percents.
    compared = row.quantity in {label for label, _ in RESOURCES}
    found = (row.csynth, row.out_of_context, row.bitstream)
    texts = (_amount(value) + (_error(row.estimate, value) if compared else "") for value in found)
    return (row.quantity, _amount(row.estimate), *texts)


def _layer(row: LayerRow) -> tuple[str, ...]:
    values: list[str] = [row.name]
    for _, name in RESOURCES[:3]:
        values.append(_amount(getattr(row.estimated, name)))
        values.append("-" if row.synthesized is None else _amount(getattr(row.synthesized, name)))
    return (*values, str(row.estimated_cycles), _amount(row.synthesized_cycles))


def _layers(layers: Sequence[LayerRow]) -> list[str]:
    heading = [text for label, _ in RESOURCES[:3] for text in (label, "csynth")]
    return _table([("layer", *heading, "clocks", "csynth"), *(_layer(row) for row in layers)])


def _synthesis(report: CsynthReport) -> str:
    low, high = (_amount(cycles) for cycles in (report.interval.minimum, report.interval.maximum))
    return f"csynth: {report.part}, release {report.release}; interval of a call {low} to {high} clocks"


def comparison_text(comparison: Comparison) -> str:
    """Print the totals, the layers if any has a report, the calls of co-simulation, and what is missing."""
    estimate, reports = comparison.estimate, comparison.reports
    lines = [
        f"{estimate.network} on {estimate.part} at {estimate.clock_ns:g} ns; "
        "in brackets: by how much the estimate is off",
    ]
    lines += _table([_HEADER, *(_row(row) for row in comparison.rows)])
    if reports.csynth is not None:
        lines.append(_synthesis(reports.csynth))
    if reports.processes:
        lines += ["", *_layers(comparison.layers)]
    if reports.cosim is not None:
        lines += ["", f"cosim: {'passed' if reports.cosim.passed else 'FAILED'}"]
        lines += [
            f"  a call of {call.images} image(s): {_amount(call.measured)} clocks; {call.estimated} by the "
            "schedule, to which pipelines add their depth"
            for call in comparison.calls
        ]
    if reports.missing:
        lines += ["", *(missing.text for missing in reports.missing)]
    return "\n".join(lines) + "\n"
