"""Geometry of a line chart: data to pixels, ticks, series. Drawn by ``templates/report/macros.html.j2``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 500, 320
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 14, 40

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Series:
    """One curve.

    Attributes
    ----------
    label
        Text of the legend.
    points
        (x, y) in data units, x ascending.
    style
        CSS class: a colour, ``a`` to ``c``, or ``paper``.
    marks
        Whether points are marked (measured) or only joined (computed).
    error_pct
        Width of the band around the curve, a share of y to either side [%]; 0 for none.
    """

    label: str
    points: Points
    style: str
    marks: bool = True
    error_pct: float = 0.0


@dataclass(frozen=True, slots=True)
class Curve:
    """A series in pixels; ``band`` is the outline of its error band, empty without one."""

    label: str
    style: str
    path: str
    marks: tuple[tuple[float, float], ...]
    band: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick at a pixel position."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart in pixels; ``here`` is the place of this network on the x axis, None outside."""

    title: str
    x_label: str
    curves: tuple[Curve, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    here: float | None
    width: int = WIDTH
    height: int = HEIGHT
    frame: tuple[int, int, int, int] = field(default=(LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM))


def _ticks(low: float, high: float, step: float) -> list[float]:
    return [round(low + step * at, 6) for at in range(int((high - low) / step + 1e-9) + 1)]


def line_chart(title: str, x_label: str, series: Sequence[Series], here: float | None) -> Chart:
    """Scale series into a chart whose x axis covers the data and whose y axis starts at 0."""
    xs = [x for one in series for x, _ in one.points]
    top = max(y * (1 + one.error_pct / 100) for one in series for _, y in one.points)
    y_high = max(1.0, -(-top // 0.5) * 0.5)
    x_low, x_high = min(xs), max(xs)

    def px(x: float) -> float:
        return round(LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT), 1)

    def py(y: float) -> float:
        return round(HEIGHT - BOTTOM - y / y_high * (HEIGHT - TOP - BOTTOM), 1)

    def curve(one: Series) -> Curve:
        at = [(px(x), py(y)) for x, y in one.points]
        path = "M" + "L".join(f"{x} {y}" for x, y in at)
        return Curve(one.label, one.style, path, tuple(at) if one.marks else (), band(one))

    def band(one: Series) -> str:
        if not one.error_pct:
            return ""
        lower = [f"{px(x)} {py(y * max(0.0, 1 - one.error_pct / 100))}" for x, y in one.points]
        upper = [f"{px(x)} {py(y * (1 + one.error_pct / 100))}" for x, y in one.points]
        return "M" + "L".join([*lower, *upper[::-1]]) + "Z"

    return Chart(
        title=title,
        x_label=x_label,
        curves=tuple(curve(one) for one in series),
        x_ticks=tuple(Tick(px(x), f"{x:g}") for x in _ticks(x_low, x_high, 0.5)),
        y_ticks=tuple(Tick(py(y), f"{y:g}×") for y in _ticks(0.0, y_high, 0.5 if y_high <= 3.5 else 1.0)),
        here=px(here) if here is not None and x_low <= here <= x_high else None,
    )
