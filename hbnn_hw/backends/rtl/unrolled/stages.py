"""Pipelining: a netlist cut into stages of about equal delay."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from hbnn_hw.backends.rtl.unrolled.netlist import Netlist


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """Where registers go.

    Attributes
    ----------
    cells
        Stage of every cell, ascending along every path.
    registers
        Per boundary behind a stage but the last, the nets that cross it.
    """

    cells: tuple[int, ...]
    registers: tuple[tuple[int, ...], ...]

    @property
    def count(self) -> int:
        """Number of stages."""
        return len(self.registers) + 1


def cut(netlist: Netlist, count: int) -> Stages:
    """Cut a netlist into stages; a cell belongs to the stage in which its outputs settle.

    Parameters
    ----------
    netlist
        The netlist.
    count
        Number of stages, at least 1; there are ``count - 1`` ranks of registers between them.
    """
    levels = netlist.levels()
    longest = max((levels[net] for net in netlist.outputs if net >= 0), default=0.0) or 1.0
    born = [0] * netlist.n_nets
    cells = []
    for cell in netlist.cells:
        share = levels[cell.outputs[0]] * count / longest
        stage = min(count - 1, max(0, ceil(share - 1e-9) - 1))
        cells.append(stage)
        for net in cell.outputs:
            born[net] = stage
    last = list(born)
    for cell, stage in zip(netlist.cells, cells, strict=True):
        for net in cell.inputs:
            if net >= 0:
                last[net] = max(last[net], stage)
    for net in netlist.outputs:
        if net >= 0:
            last[net] = count - 1
    crossing = [
        tuple(net for net in range(netlist.n_nets) if born[net] <= boundary < last[net])
        for boundary in range(count - 1)
    ]
    return Stages(cells=tuple(cells), registers=tuple(crossing))
