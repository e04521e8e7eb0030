"""Pictures of an exploration: every design as a mark, those of the front joined; as SVG, or an HTML page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from hbnn_hw import __version__
from hbnn_hw.errors import OutputError
from hbnn_hw.explore.figures import Figures
from hbnn_hw.explore.pareto import Row
from hbnn_hw.explore.table import method_text, summary_text
from hbnn_hw.report.chart import Tick
from hbnn_hw.report.figures import UNKNOWN, percent, significant, whole, with_unit
from hbnn_hw.report.scale import LogScale
from hbnn_hw.templating import render

WIDTH, HEIGHT = 560, 420
LEFT, RIGHT, TOP, BOTTOM = 66, 16, 30, 46

SHADES = 8
"""Colours, from the fewest to the most bits."""


class PictureKind(Enum):
    """Kinds of picture files, by their suffixes."""

    SVG = ".svg"
    HTML = ".html"


def picture_kind(path: Path) -> PictureKind:
    """Tell what a picture file will be; raises OutputError for a suffix of no kind."""
    try:
        return PictureKind(path.suffix.lower())
    except ValueError:
        raise OutputError(f"a picture must be an .svg or .html file, not '{path}'") from None


@dataclass(frozen=True, slots=True)
class Axis:
    """A figure on a logarithmic axis."""

    label: str
    value: Callable[[Figures], float]


LUTS = Axis("LUT", lambda figures: figures.luts)
RATE = Axis("frames a second", lambda figures: figures.frames_per_second)
ENERGY = Axis("nJ a frame (45 nm)", lambda figures: figures.operation_energy_pj / 1000)


@dataclass(frozen=True, slots=True)
class Mark:
    """One design: place [px], shade, CSS classes, and what the pointer shows."""

    x: float
    y: float
    shade: int
    classes: str
    text: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart in pixels."""

    title: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    curves: tuple[tuple[int, str], ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of the legend."""

    shade: int
    text: str


def _made(rows: Sequence[Row]) -> list[tuple[Row, Figures]]:
    return [(row, row.outcome.figures) for row in rows if row.outcome.figures is not None]


def shades(rows: Sequence[Row]) -> dict[float, int]:
    """Return the shade of every average bitwidth, spread from the fewest to the most bits."""
    averages = sorted({_average(row) for row in rows})
    last = max(1, len(averages) - 1)
    return {average: round(at * (SHADES - 1) / last) for at, average in enumerate(averages)}


def _average(row: Row) -> float:
    return round(row.point.weights.average_bits, 2)


def _text(row: Row, figures: Figures) -> str:
    weights = row.point.weights
    known = "" if row.accuracy is None else f", {percent(row.accuracy, 2)} right"
    return (
        f"{weights.average_bits:.2f} bits, {method_text(weights)} {weights.map_text}, "
        f"{row.point.folding.text} at {1000 / row.point.clock_ns:g} MHz on {row.point.board}: "
        f"{whole(figures.luts)} LUT, {figures.bram36:g} BRAM36, {whole(figures.frames_per_second)} frames/s, "
        f"{significant(figures.operation_energy_pj / 1000)} nJ{known}"
    )


def panel(rows: Sequence[Row], x: Axis, y: Axis) -> Panel:
    """Draw every design, and join those on the front that have equally many bits."""
    made, shade = _made(rows), shades(rows)
    across = LogScale.over([x.value(figures) for _, figures in made], LEFT, WIDTH - RIGHT)
    up = LogScale.over([y.value(figures) for _, figures in made], HEIGHT - BOTTOM, TOP)
    curves = []
    for average, colour in shade.items():
        front = sorted(
            (x.value(f), y.value(f)) for row, f in made if row.on_front and _average(row) == average
        )
        if len(front) > 1:
            curves.append((colour, "M" + "L".join(f"{across(a)} {up(b)}" for a, b in front)))
    marks = tuple(
        Mark(
            across(x.value(figures)),
            up(y.value(figures)),
            shade[_average(row)],
            "front" if row.on_front else "beaten" if figures.fits else "beaten large",
            _text(row, figures),
        )
        # The front's marks are drawn last, on top.
        for row, figures in sorted(made, key=lambda pair: pair[0].on_front)
    )
    title = f"{y.label} against {x.label}"
    return Panel(title, x.label, y.label, across.ticks(), up.ticks(), tuple(curves), marks)


def _values(name: str, rows: Sequence[Row]) -> dict[str, object]:
    panels = [panel(rows, LUTS, RATE), panel(rows, LUTS, ENERGY)] if _made(rows) else []
    keys = [
        Key(shade, f"{average:.1f} bits" if round(average, 1) == average else f"{average:g} bits")
        for average, shade in shades(rows).items()
    ]
    return {
        "name": name,
        "panels": panels,
        "keys": keys,
        "width": WIDTH,
        "height": HEIGHT,
        "frame": (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM),
        "summary": summary_text(rows),
    }


def draw(kind: PictureKind, name: str, rows: Sequence[Row]) -> str:
    """Draw all designs and the front; the same rows give the same text.

    Parameters
    ----------
    kind
        An SVG file, or a page with the front's table that needs nothing else.
    name
        Of the network.
    rows
        With the front marked.
    """
    values = _values(name, rows)
    if kind is PictureKind.SVG:
        return render("explore/front.svg.j2", values)
    front = [(row, figures) for row, figures in _made(rows) if row.on_front]
    table = [_page_row(row, figures) for row, figures in front]
    return render("explore/page.html.j2", values | {"rows": table, "version": __version__})


def _page_row(row: Row, figures: Figures) -> tuple[str, ...]:
    weights, point = row.point.weights, row.point
    return (
        f"{weights.average_bits:.2f}",
        f"{method_text(weights)} {weights.map_text}".strip(),
        point.folding.text,
        f"{point.board}, {1000 / point.clock_ns:g} MHz",
        whole(figures.luts),
        whole(figures.flip_flops),
        f"{figures.bram36:g}",
        whole(figures.interval_cycles),
        whole(figures.frames_per_second),
        with_unit(figures.operation_energy_pj * 1e-12, "J"),
        whole((figures.weight_bits + figures.map_bits) / 1000),
        UNKNOWN if row.accuracy is None else percent(row.accuracy, 2),
    )
