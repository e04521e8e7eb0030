"""Static timing of a mapped 7-series netlist: logic delays only, nothing is placed or routed.

Paths run from inputs and clocked outputs to outputs and clocked inputs. On a chip the nets between the cells
take about as long again; a figure here is a bound from below and a means to compare structures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hbnn_hw.synthesis.cell_delays import CellDelays, Pin, xilinx_delays
from hbnn_hw.synthesis.flat_netlist import ONE, ZERO, Cell, FlatNetlist
from hbnn_hw.synthesis.levels import levels


@dataclass(frozen=True, slots=True)
class _Arc:
    """A way through a cell to a net; ``source`` is None from the clock."""

    cell: Cell
    source: int | None
    delay_ps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LongestPath:
    """The slowest path of a netlist.

    Attributes
    ----------
    delay_ps
        Its logic delay, clock-to-output and setup included [ps].
    levels
        Cells on it between its ends: LUTs, carry chains of four bits, multiplexers.
    depth
        Most such cells on any path.
    cells
        The cells of the path, "name (kind)" in order; a clocked cell first if it starts at one.
    untimed
        Kinds of cells without known delays; paths end there.
    """

    delay_ps: int
    levels: int
    depth: int
    cells: tuple[str, ...]
    untimed: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "delay_ps": self.delay_ps,
            "levels": self.levels,
            "depth": self.depth,
            "cells": list(self.cells),
            "untimed": list(self.untimed),
        }


def longest_path(netlist: FlatNetlist, delays: Mapping[str, CellDelays] | None = None) -> LongestPath:
    """Find the slowest path.

    Parameters
    ----------
    netlist
        A flat netlist.
    delays
        By kind of cell; those of 7-series by default.

    Raises
    ------
    ToolMissingError
        If the delays are not given and pyosys is not installed.
    ToolFailedError
        If the logic has a loop.
    """
    known = xilinx_delays() if delays is None else delays
    arcs = _arcs(netlist, known)
    order = levels({net: _sources(found) for net, found in arcs.items()})
    arrival: dict[int, int] = {}
    depth: dict[int, int] = {}
    slowest: dict[int, _Arc] = {}
    for net in sorted(arcs, key=order.__getitem__):
        slowest[net] = max(arcs[net], key=lambda arc: _time(arc, arrival))
        arrival[net] = _time(slowest[net], arrival)
        depth[net] = max((depth.get(source, 0) + 1 for source in _sources(arcs[net])), default=0)
    ends = [(arrival.get(net, 0) + setup, net) for net, setup in _ends(netlist, known)]
    delay, end = max(ends, default=(0, ONE))
    cells, n_launches = _trace(end, slowest)
    return LongestPath(
        delay_ps=delay,
        levels=len(cells) - n_launches,
        depth=max((depth.get(net, 0) for _, net in ends), default=0),
        cells=cells,
        untimed=tuple(sorted({cell.kind for cell in netlist.cells} - set(known))),
    )


def _time(arc: _Arc, arrival: Mapping[int, int]) -> int:
    return arc.delay_ps + (0 if arc.source is None else arrival.get(arc.source, 0))


def _sources(arcs: list[_Arc]) -> tuple[int, ...]:
    return tuple(arc.source for arc in arcs if arc.source is not None)


def _nets(cell: Cell, pin: Pin) -> tuple[int, ...]:
    """Nets of a pin, without the constants."""
    name, bit = pin
    nets = cell.pins.get(name, ())
    return tuple(net for net in (nets if bit is None else nets[bit : bit + 1]) if net > ONE)


def _arcs(netlist: FlatNetlist, delays: Mapping[str, CellDelays]) -> dict[int, list[_Arc]]:
    """Ways to every net that a cell drives."""
    arcs: dict[int, list[_Arc]] = defaultdict(list)
    for cell in netlist.cells:
        timed = delays.get(cell.kind)
        if timed is None or cell.kind == "BUFG":
            continue
        for pin, delay in timed.launches.items():
            for net in _nets(cell, pin):
                arcs[net].append(_Arc(cell, None, delay))
        for (source, output), delay in timed.arcs.items():
            for net in _nets(cell, output):
                if not _is_cut(cell, source, output):
                    arcs[net] += [_Arc(cell, read, delay) for read in _nets(cell, source)]
    # A cell whose inputs are all constant drives a constant: nothing arrives there.
    return {net: found for net, found in arcs.items() if found}


def _is_cut(cell: Cell, source: Pin, output: Pin) -> bool:
    """Whether a slot of a carry chain between two pins passes no carry on: its S is the constant 0.

    Slot k's S and DI make the carry behind it, CO[k]; O[k] is the sum of S[k] and the carry in front of it.
    """
    if cell.kind != "CARRY4":
        return False
    below = -1 if source[1] is None else source[1]
    last = int(output[1] or 0) - (output[0] == "O")
    return ZERO in cell.pins["S"][below + 1 : last + 1]


def _ends(netlist: FlatNetlist, delays: Mapping[str, CellDelays]) -> Iterator[tuple[int, int]]:
    """Nets at which paths end, with the setup time there; in pairs (net, setup)."""
    for nets in netlist.outputs.values():
        yield from ((net, 0) for net in nets)
    for cell in netlist.cells:
        if cell.kind in delays:
            for pin, setup in delays[cell.kind].setups.items():
                yield from ((net, setup) for net in _nets(cell, pin))


def _trace(end: int, slowest: Mapping[int, _Arc]) -> tuple[tuple[str, ...], int]:
    """Cells from the start of a path to its end, and how many of them are clocked."""
    cells, launches, net = [], 0, end
    while net in slowest:
        arc = slowest[net]
        cells.append(f"{arc.cell.name} ({arc.cell.kind})")
        if arc.source is None:
            launches = 1
            break
        net = arc.source
    return tuple(reversed(cells)), launches
