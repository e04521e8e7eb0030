"""Geometry of bars by layer: what a node takes, with the range in which an estimate is to be trusted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hbnn_hw.estimate import ErrorBand, Estimate, NodeEstimate, SynthesisResult
from hbnn_hw.estimate.area import ASSUMED_ERROR_PCT
from hbnn_hw.report.dataflow import short, slowest
from hbnn_hw.report.figures import whole, with_unit

WIDTH, LEFT, RIGHT = 500, 132, 76
ROW, BAR, TOP = 24, 12, 4
MOST_BARS = 24
"""Nodes that are drawn; the table has all."""


@dataclass(frozen=True, slots=True)
class Amount:
    """What one node takes.

    Attributes
    ----------
    name
        The node.
    value
        The figure.
    text
        The same as printed.
    band
        Lower and upper end of the range that an estimate is trusted in; None for exact figures.
    measured
        What a synthesis counted; None without one.
    marked
        Whether the node sets the pace.
    """

    name: str
    value: float
    text: str
    band: tuple[float, float] | None = None
    measured: float | None = None
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar [px]: its right end, its range, and the mark of what was measured."""

    name: str
    text: str
    y: int
    end: float
    band: tuple[float, float] | None
    measured: float | None
    marked: bool
    text_at: float


@dataclass(frozen=True, slots=True)
class BarChart:
    """Bars in pixels, a node a line; ``left_out`` counts the smallest of those that are not drawn."""

    title: str
    note: str
    bars: tuple[Bar, ...]
    left_out: int
    width: int
    height: int
    left: int = LEFT
    thickness: int = BAR


def _largest(amounts: Sequence[Amount]) -> list[Amount]:
    """Keep the largest ones, in the order of the network."""
    order = sorted(range(len(amounts)), key=lambda at: -amounts[at].value)[:MOST_BARS]
    return [amounts[at] for at in sorted(order)]


def bar_chart(title: str, note: str, amounts: Sequence[Amount]) -> BarChart:
    """Scale amounts to a common axis that starts at 0."""
    taking = [amount for amount in amounts if amount.value or amount.measured]
    drawn = _largest(taking)
    ends = (
        value for amount in drawn for value in (amount.value, *(amount.band or ()), amount.measured or 0.0)
    )
    scale = (WIDTH - LEFT - RIGHT) / max(ends, default=1.0)

    def px(value: float) -> float:
        return round(LEFT + value * scale, 1)

    def bar(row: int, amount: Amount) -> Bar:
        band = (px(amount.band[0]), px(amount.band[1])) if amount.band else None
        measured = None if amount.measured is None else px(amount.measured)
        end = px(amount.value)
        text_at = max(end, band[1] if band else 0.0, measured or 0.0) + 6
        return Bar(
            short(amount.name), amount.text, TOP + ROW * row, end, band, measured, amount.marked, text_at
        )

    bars = tuple(bar(row, amount) for row, amount in enumerate(drawn))
    height = TOP + ROW * len(bars)
    return BarChart(title, note, bars, len(taking) - len(drawn), WIDTH, height)


def error_pct(node: NodeEstimate, band: ErrorBand | None) -> float | None:
    """Error that 9 of 10 estimates of a node's LUTs stay within [%]; None if nobody knows it."""
    if not node.is_calibrated:
        return ASSUMED_ERROR_PCT
    return band.p90_pct if band else None


def _synthesized(node: NodeEstimate, synthesis: SynthesisResult) -> int | None:
    """LUTs of a node's unit and of the queues in front of it; None if the synthesis kept no such unit."""
    if node.name not in synthesis.instances:
        return None
    queue = re.compile(re.escape(node.name) + r"(_fifo\d*)?")
    return sum(counts.luts for name, counts in synthesis.instances.items() if queue.fullmatch(name))


def _luts(node: NodeEstimate, band: ErrorBand | None, synthesis: SynthesisResult | None) -> Amount:
    error = error_pct(node, band)
    luts = node.area.luts
    return Amount(
        name=node.name,
        value=luts,
        text=whole(luts),
        band=None if error is None else (luts * max(0.0, 1 - error / 100), luts * (1 + error / 100)),
        measured=_synthesized(node, synthesis) if synthesis else None,
    )


def layer_bars(estimate: Estimate, synthesis: SynthesisResult | None) -> tuple[BarChart, ...]:
    """Draw cycles, LUTs, block RAM and energy of every node; what no node takes is left out."""
    nodes, slow = estimate.nodes, slowest(estimate)
    charts = (
        bar_chart(
            "Cycles a frame",
            "exact",
            [Amount(n.name, n.cycles, whole(n.cycles), marked=n.name in slow) for n in nodes],
        ),
        bar_chart(
            "LUT",
            "estimated; the line spans the error of 9 of 10 designs"
            + (", the mark is synthesized" if synthesis else ""),
            [_luts(n, estimate.errors.get("luts"), synthesis) for n in nodes],
        ),
        bar_chart(
            "Block RAM, 36 kbit",
            "by rule",
            [Amount(n.name, n.area.bram36, f"{n.area.bram36:g}") for n in nodes],
        ),
        bar_chart(
            "Energy a frame",
            "estimated, 45 nm operations and memory reads",
            [Amount(n.name, n.energy.total_pj, with_unit(n.energy.total_pj * 1e-12, "J")) for n in nodes],
        ),
    )
    return tuple(chart for chart in charts if chart.bars)
