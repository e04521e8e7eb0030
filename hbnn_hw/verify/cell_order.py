"""Puts the cells of a netlist in the order of their evaluation; refuses what no order can compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import KernelTextError
from hbnn_hw.verify.table_program import N_CONSTANTS, TableProgram

_NAMED = 6
"""Nets of a loop that its error names."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """Cells in any order, nets in any order but for the constants, which are the first two.

    Attributes
    ----------
    names
        Name of every net.
    tables, inputs
        As of :class:`~hbnn_hw.verify.table_program.TableProgram`.
    driven
        uint32 (cells,): the net that each cell drives.
    """

    names: Sequence[str]
    tables: NDArray[np.uint64]
    inputs: NDArray[np.uint32]
    driven: NDArray[np.uint32]


def table_program(cells: Cells, entering: NDArray[np.int64], leaving: NDArray[np.int64]) -> TableProgram:
    """Order the cells between the nets that enter and those that leave, all int64 (nets,).

    Raises
    ------
    KernelTextError
        If a net is driven twice or not at all, or cells are a loop; it names the nets.
    """
    fixed = np.concatenate([np.arange(N_CONSTANTS), entering])
    _check_drivers(cells, fixed)
    driver = np.full(len(cells.names), -1, dtype=np.int64)
    driver[cells.driven] = np.arange(len(cells.driven))
    order = _ordered(driver[cells.inputs], [cells.names[net] for net in cells.driven])
    numbers = np.empty(len(cells.names), dtype=np.uint32)
    numbers[np.concatenate([fixed, cells.driven[order]])] = np.arange(len(cells.names))
    return TableProgram(
        n_entering=len(entering),
        tables=cells.tables[order],
        inputs=numbers[cells.inputs[order]],
        leaving=numbers[leaving],
    )


def _check_drivers(cells: Cells, fixed: NDArray[np.int64]) -> None:
    drivers = np.bincount(cells.driven, minlength=len(cells.names))
    drivers[fixed] += 1
    for net in np.flatnonzero(drivers != 1)[:1]:
        what = "driven once, not twice" if drivers[net] else "driven"
        raise KernelTextError(f"net '{cells.names[net]}' must be {what}")


def _ordered(feeders: NDArray[np.int64], names: Sequence[str]) -> NDArray[np.int64]:
    """Return an order of cells in which each stands behind its feeders, -1 for none: (cells, inputs)."""
    as_they_are = np.arange(len(feeders))
    if (feeders < as_they_are[:, np.newaxis]).all():
        return as_they_are
    order: list[int] = []
    visited, done = bytearray(len(feeders)), bytearray(len(feeders))
    waiting_for = feeders.tolist()
    for root in as_they_are.tolist():
        path = [root]
        while path:
            cell = path[-1]
            if visited[cell]:
                path.pop()
                if not done[cell]:
                    done[cell] = 1
                    order.append(cell)
                continue
            visited[cell] = 1
            for feeder in waiting_for[cell]:
                if feeder < 0 or done[feeder]:
                    continue
                if visited[feeder]:
                    _raise_loop([names[at] for at in path if visited[at]], names[feeder])
                path.append(feeder)
    return np.array(order)


def _raise_loop(path: list[str], start: str) -> None:
    loop = path[path.index(start) :]
    shown = " -> ".join([*loop[:_NAMED], *(["..."] if len(loop) > _NAMED else []), start])
    raise KernelTextError(f"logic must not be a loop, but each of these nets depends on the next: {shown}")
