"""A synthesis as text: units, total, longest path."""

from __future__ import annotations

from hbnn_hw.synthesis.placement import Placement
from hbnn_hw.synthesis.project import TOP, Counts, ProjectSynthesis

WIDTH = 8


def project_text(result: ProjectSynthesis) -> str:
    """Print the cells of every unit and of the whole, and the longest path."""
    names = {name: name or f"({result.top})" for name in result.units}
    room = max([len("total, flattened"), *map(len, names.values())]) + 2
    units = sorted(result.units, key=lambda name: (name == TOP, name))
    lines = [
        f"{result.top} on {result.target.value}, synthesized with {result.tool}; nothing is placed or routed",
        f"{'':{room}}" + "".join(f"{column:>{WIDTH}}" for column in result.total),
        *(f"{names[name]:{room}}{_row(result.units[name])}" for name in units),
        f"{'total, flattened':{room}}{_row(result.total)}",
        _path(result),
    ]
    if result.placement is not None:
        lines.append(placement_text(result.placement))
    return "\n".join(lines) + "\n"


def placement_text(placement: Placement) -> str:
    """Say what place and route reached."""
    used = ", ".join(f"{used} of {available} {name}" for name, (used, available) in placement.used.items())
    return (
        f"placed and routed by {placement.tool} on {placement.device}: {placement.fmax_mhz:.1f} MHz; {used}"
    )


def _row(counts: Counts) -> str:
    return "".join(f"{value:>{WIDTH}g}" for value in counts.values())


def _path(result: ProjectSynthesis) -> str:
    path = result.path
    levels = f"{path.levels} level{'' if path.levels == 1 else 's'}"
    untimed = f"; not timed: {', '.join(path.untimed)}" if path.untimed else ""
    if result.delay_ns is None:
        return f"longest path: {levels} of logic{untimed}"
    return (
        f"longest path: {result.delay_ns:.2f} ns of logic delay in {levels}, "
        f"without nets, which take about as long again{untimed}"
    )
