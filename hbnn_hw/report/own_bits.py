"""What a bit costs in the network of a report: LUTs against the average bitwidth, a line a folding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hbnn_hw.report.chart import Tick
from hbnn_hw.report.exploration import Design
from hbnn_hw.report.pareto import BOTTOM, HEIGHT, LEFT, RIGHT, SHADES, TOP, WIDTH, Place, Plotted, bits_of
from hbnn_hw.report.scale import LinearScale, LogScale


@dataclass(frozen=True, slots=True)
class FoldingCurve:
    """One folding: shade, name, its line, the area of its error (empty if unknown), its designs [px]."""

    shade: int
    text: str
    path: str
    band: str
    marks: tuple[Place, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnBits:
    """The plot in pixels; ``here`` is the design at hand, with the ends of its error, or None."""

    curves: tuple[FoldingCurve, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    here: Place
    whisker: Place | None
    width: int = WIDTH
    height: int = HEIGHT
    frame: tuple[int, int, int, int] = (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)


def smallest(designs: Sequence[Design]) -> dict[str, list[Design]]:
    """Return the smallest design of every bitwidth by folding, for foldings with two bitwidths or more.

    The foldings with the most bitwidths, at most ``SHADES`` of them, the smallest first.
    """
    found: dict[str, dict[float, Design]] = {}
    for one in sorted(designs, key=lambda one: -one.luts):
        found.setdefault(one.folding, {})[bits_of(one)] = one
    lines = [(name, sorted(of.values(), key=bits_of)) for name, of in found.items() if len(of) > 1]
    kept = sorted(lines, key=lambda line: (-len(line[1]), line[1][0].luts))[:SHADES]
    return dict(sorted(kept, key=lambda line: line[1][0].luts))


def own_bits(plotted: Plotted) -> OwnBits | None:
    """Draw the designs with the device and clock of the one at hand; None where no folding has a line."""
    here = plotted.here
    lines = smallest(
        [one for one in plotted.designs if (one.board, one.clock_ns) == (here.board, here.clock_ns)]
    )
    if not lines:
        return None
    every = [here, *(one for line in lines.values() for one in line)]
    across = LinearScale.over([one.average_bits for one in every], LEFT, WIDTH - RIGHT)
    up = LogScale.over(list(_heights(plotted, every)), HEIGHT - BOTTOM, TOP)

    def curve(at: int, name: str, line: Sequence[Design]) -> FoldingCurve:
        marks = tuple((across(one.average_bits), up(one.luts)) for one in line)
        ends = [(across(one.average_bits), plotted.range_of(one.luts)) for one in line]
        low = [f"{x} {up(end[0])}" for x, end in ends if end]
        high = [f"{x} {up(end[1])}" for x, end in ends if end]
        return FoldingCurve(
            shade=round(at * (SHADES - 1) / max(1, len(lines) - 1)),
            text=name,
            path="M" + "L".join(f"{x} {y}" for x, y in marks),
            band="M" + "L".join([*low, *high[::-1]]) + "Z" if low else "",
            marks=marks,
        )

    ends = plotted.range_of(here.luts)
    return OwnBits(
        curves=tuple(curve(at, name, line) for at, (name, line) in enumerate(lines.items())),
        x_ticks=across.ticks(),
        y_ticks=up.ticks(),
        here=(across(here.average_bits), up(here.luts)),
        whisker=(up(ends[0]), up(ends[1])) if ends else None,
    )


def _heights(plotted: Plotted, designs: Sequence[Design]) -> Iterator[float]:
    for one in designs:
        yield from plotted.range_of(one.luts) or (one.luts,)
