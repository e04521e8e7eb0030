"""Geometry of Pareto plots: designs as marks, their front as steps, and the band of the area model's error.

Every panel has LUTs across. Steps join the designs that no other beats in the panel's two figures alone;
marks of the front of all objectives are large, numbered, and have the error of their LUTs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from hbnn_hw.report.chart import Tick
from hbnn_hw.report.exploration import Design
from hbnn_hw.report.scale import LinearScale, LogScale

WIDTH, HEIGHT = 500, 370
LEFT, RIGHT, TOP, BOTTOM = 60, 14, 10, 42

SHADES = 8
"""Colours, from the fewest to the most bits: ``--s0`` to ``--s7`` of ``templates/explore/shades.css``."""

HERE = "this design"
RADIUS, GLYPH, TALL = 5, 7, 12
"""Of a mark, and of a label's letters [px]."""

Place: TypeAlias = tuple[float, float]
Frame: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Figure:
    """What a panel has upwards: its name, its unit or origin, its value, and whether more is better."""

    title: str
    label: str
    value: Callable[[Design], float]
    more_is_better: bool


def _accuracy(design: Design) -> float:
    return design.accuracy or 0.0


RATE = Figure("Frame rate", "frames a second", lambda design: design.frames_per_second, True)
ENERGY = Figure("Energy a frame", "nJ a frame, 45 nm", lambda design: design.energy_pj / 1000, False)
ACCURACY = Figure("Accuracy", "right answers on the test set", _accuracy, True)


@dataclass(frozen=True, slots=True)
class Label:
    """Text beside a mark [px]; ``anchor`` is that of SVG."""

    x: float
    y: float
    anchor: str
    text: str

    @property
    def box(self) -> Frame:
        """Left, top, right and bottom of the text, about."""
        width = GLYPH * len(self.text)
        left = {"start": self.x, "middle": self.x - width / 2, "end": self.x - width}[self.anchor]
        return left, self.y - TALL + 2, left + width, self.y + 2


@dataclass(frozen=True, slots=True)
class Mark:
    """A design on the front, or the one at hand: place, ends of its error [px], shade, what to read there."""

    x: float
    y: float
    whisker: tuple[float, float] | None
    shade: int
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Dots:
    """Beaten designs of one shade as one path, so that a page with thousands of them stays small."""

    shade: int
    fits: bool
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One plot in pixels; ``measured`` is the place of the synthesized LUTs, None without a synthesis."""

    title: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    steps: str
    band: str
    dots: tuple[Dots, ...]
    marks: tuple[Mark, ...]
    here: Mark
    measured: float | None
    labels: tuple[Label, ...]
    width: int = WIDTH
    height: int = HEIGHT
    frame: tuple[int, int, int, int] = (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plotted:
    """What a panel is drawn from.

    Attributes
    ----------
    designs
        All explored ones.
    front
        Those on the front, in the order of their numbers.
    here
        The design that the report is about.
    error_pct
        Error that 9 of 10 estimates of LUTs stay within [%]; None if nobody knows it.
    synthesized
        LUTs that a synthesis counted; None without one.
    describe
        What the pointer reads at a design.
    """

    designs: Sequence[Design]
    front: Sequence[Design]
    here: Design
    error_pct: float | None
    synthesized: float | None
    describe: Callable[[Design], str]

    def range_of(self, luts: float) -> Place | None:
        """Range that an estimate is trusted in; None if nobody knows it."""
        if self.error_pct is None:
            return None
        return luts * max(0.01, 1 - self.error_pct / 100), luts * (1 + self.error_pct / 100)


def shades(designs: Sequence[Design]) -> dict[float, int]:
    """Return the shade of every average bitwidth, spread from the fewest to the most bits."""
    averages = sorted({bits_of(design) for design in designs})
    last = max(1, len(averages) - 1)
    return {average: round(at * (SHADES - 1) / last) for at, average in enumerate(averages)}


def bits_of(design: Design) -> float:
    """Average bitwidth that designs are told apart by."""
    return round(design.average_bits, 2)


def best(places: Sequence[Place], more_is_better: bool) -> list[Place]:
    """Keep the (x, y) that no other beats, x ascending: less x is better, and more or less y."""
    sign = -1 if more_is_better else 1
    kept: list[Place] = []
    for x, y in sorted(places, key=lambda place: (place[0], sign * place[1])):
        if not kept or sign * y < sign * kept[-1][1]:
            kept.append((x, y))
    return kept


def corners(steps: Sequence[Place], edge: float, right: float) -> list[Place]:
    """Turn places [px] into a staircase: from the worst edge of y, and to the right end of the frame."""
    if not steps:
        return []
    path = [(steps[0][0], edge), steps[0]]
    for (_, y), (next_x, next_y) in pairwise(steps):
        path += [(next_x, y), (next_x, next_y)]
    return [*path, (right, steps[-1][1])]


def _path(places: Sequence[Place]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in places) if places else ""


def panel(plotted: Plotted, figure: Figure) -> Panel:
    """Draw one figure against LUTs; designs without it are left out."""
    has = figure is not ACCURACY
    designs = [one for one in plotted.designs if has or one.accuracy is not None]
    every = [*designs, plotted.here] if has or plotted.here.accuracy is not None else designs
    across = LogScale.over(list(_widths(every, plotted)), LEFT, WIDTH - RIGHT)
    cover = LogScale.over if has else LinearScale.of_shares
    up = cover([figure.value(one) for one in every], HEIGHT - BOTTOM, TOP)
    shade = shades(plotted.designs)

    def mark(one: Design, number: int) -> Mark:
        ends = plotted.range_of(one.luts)
        return Mark(
            across(one.luts),
            up(figure.value(one)),
            (across(ends[0]), across(ends[1])) if ends else None,
            shade.get(bits_of(one), 0),
            number,
            plotted.describe(one),
        )

    def staircase(factor: float) -> list[Place]:
        fitting = [(one.luts, figure.value(one)) for one in designs if one.fits]
        steps = [(across(x * factor), up(y)) for x, y in best(fitting, figure.more_is_better)]
        edge = HEIGHT - BOTTOM if figure.more_is_better else TOP
        return corners(steps, edge, WIDTH - RIGHT)

    error = (plotted.error_pct or 0.0) / 100
    marks = [mark(one, at) for at, one in enumerate(plotted.front, start=1) if one in designs]
    here = mark(plotted.here, 0)
    beaten = [one for one in designs if not one.on_front]
    places = [(across(one.luts), up(figure.value(one)), shade[bits_of(one)], one.fits) for one in beaten]
    return Panel(
        title=f"{figure.title} against LUT",
        y_label=figure.label,
        x_ticks=across.ticks(),
        y_ticks=up.ticks(),
        steps=_path(staircase(1.0)),
        band=_path([*staircase(max(0.01, 1 - error)), *staircase(1 + error)[::-1]]) if error else "",
        dots=tuple(_dots(places)),
        marks=tuple(marks),
        here=here,
        measured=None if plotted.synthesized is None else across(plotted.synthesized),
        labels=tuple(_labels(here, marks)),
    )


def _widths(designs: Sequence[Design], plotted: Plotted) -> Iterator[float]:
    """LUTs that the axis has to show, with their ranges."""
    for design in designs:
        yield from plotted.range_of(design.luts) or (design.luts,)
    if plotted.synthesized:
        yield plotted.synthesized


def _dots(places: Sequence[tuple[float, float, int, bool]]) -> Iterator[Dots]:
    """Join the beaten designs of a shade: dots, and crosses where they do not fit their device."""
    for shade in range(SHADES):
        for fits, stroke, back in ((True, "h0", 0), (False, "l5 5m0 -5l-5 5", 2.5)):
            path = "".join(
                f"M{x - back:g} {y - back:g}{stroke}"
                for x, y, of, fit in places
                if of == shade and fit is fits
            )
            if path:
                yield Dots(shade, fits, path)


def _labels(here: Mark, marks: Sequence[Mark]) -> Iterator[Label]:
    """Label every mark for which there is room; the others are told apart by the pointer."""
    taken = [(one.x - RADIUS, one.y - RADIUS, one.x + RADIUS, one.y + RADIUS) for one in (here, *marks)]
    for one, text in [(here, HERE), *((one, str(one.number)) for one in marks)]:
        free = next((label for label in _beside(one, text) if _is_free(label.box, taken)), None)
        if free is not None:
            taken.append(free.box)
            yield free


def _beside(mark: Mark, text: str) -> Iterator[Label]:
    """Places for a label: above, to the right, to the left, below."""
    left, right = mark.whisker or (mark.x, mark.x)
    yield Label(mark.x, mark.y - RADIUS - 3, "middle", text)
    yield Label(max(mark.x + RADIUS, right) + 3, mark.y + 4, "start", text)
    yield Label(min(mark.x - RADIUS, left) - 3, mark.y + 4, "end", text)
    yield Label(mark.x, mark.y + RADIUS + TALL - 1, "middle", text)


def _is_free(box: Frame, taken: Sequence[Frame]) -> bool:
    """Whether a box lies in the frame and on nothing else."""
    left, top, right, bottom = box
    if left < LEFT or right > WIDTH - RIGHT or top < TOP or bottom > HEIGHT - BOTTOM:
        return False
    return all(right <= x0 or left >= x1 or bottom <= y0 or top >= y1 for x0, y0, x1, y1 in taken)
