"""Kernel of an unrolled layer as Verilog text.

Amaranth needs about 0.7 ms per synapse for bit-level logic, text a microsecond, so large layers are printed.
Cells are macros. They stand for 7-series primitives (LUT1 … LUT6, LUT6_2, CARRY4) where ``HBNN_XILINX`` is
defined, which the text does by itself under a vendor's synthesis, and for plain logic elsewhere: in
simulators, proofs and synthesis for other devices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hbnn_hw.backends.rtl.unrolled.netlist import DUAL_INPUTS, ZERO, CarryChain, Lut, Netlist
from hbnn_hw.backends.rtl.unrolled.stages import Stages, cut
from hbnn_hw.templating import render

XILINX_MACRO = "HBNN_XILINX"
"""Defined, it makes the cells of a kernel 7-series primitives."""

_NAMES_PER_LINE = 12
_SLOTS = 4


class _Printer:
    """Names the nets of a netlist as each stage sees them, and prints its cells."""

    def __init__(self, netlist: Netlist, stages: Stages) -> None:
        self.netlist = netlist
        self.stages = stages
        self._held = [
            {net: f"stage{at}[{place}]" for place, net in enumerate(nets)}
            for at, nets in enumerate(stages.registers, start=1)
        ]

    def name(self, net: int, stage: int) -> str:
        """Name a net where a stage reads it."""
        if net < 0:
            return "1'b0" if net == ZERO else "1'b1"
        if stage and net in self._held[stage - 1]:
            return self._held[stage - 1][net]
        return f"lanes[{net}]" if net < self.netlist.n_inputs else f"n{net}"

    def cells(self) -> Iterator[str]:
        """Print all cells."""
        for at, (cell, stage) in enumerate(zip(self.netlist.cells, self.stages.cells, strict=True)):
            if isinstance(cell, Lut):
                yield self._lut(cell, stage, f"lut{at}")
            else:
                yield from self._chain(cell, stage, f"carry{at}")

    def _lut(self, cell: Lut, stage: int, name: str) -> str:
        names = [self.name(net, stage) for net in cell.inputs]
        if len(cell.tables) == 1:
            size = 1 << len(names)
            pins = ", ".join([f"n{cell.outputs[0]}", *names])
            return f"`HBNN_LUT{len(names)}({name}, {size}'h{cell.tables[0]:0{-(-size // 4)}x}, {pins})"
        high, low = (_repeated(table, len(names)) for table in cell.tables)
        names += ["1'b0"] * (DUAL_INPUTS - len(names))
        pins = ", ".join([*(f"n{net}" for net in cell.outputs), *names])
        return f"`HBNN_LUT6_2({name}, 32'h{high:08x}, 32'h{low:08x}, {pins})"

    def _chain(self, cell: CarryChain, stage: int, name: str) -> Iterator[str]:
        carry, start = "1'b0", self.name(cell.carry_in, stage)
        for first in range(0, len(cell.sums), _SLOTS):
            slots = range(first, min(first + _SLOTS, len(cell.sums)))
            wire = f"{name}_{first}"
            selects = _vector([self.name(cell.selects[slot], stage) for slot in slots], "1'b0")
            generates = _vector([self.name(cell.generates[slot], stage) for slot in slots], "1'b0")
            spare = [f"{wire}_spare{slot}" for slot in range(_SLOTS - len(slots))]
            sums = _vector([*(f"n{cell.sums[slot]}" for slot in slots), *spare], "")
            if spare:
                yield f"wire {', '.join(spare)};"
            yield f"wire [3:0] {wire}_co;"
            yield f"`HBNN_CARRY4({wire}, {carry}, {start}, {selects}, {generates}, {sums}, {wire}_co)"
            carry, start = f"{wire}_co[3]", "1'b0"
        yield f"assign n{cell.carry_out} = {wire}_co[{(len(cell.sums) - 1) % _SLOTS}];"


def _repeated(table: int, n_inputs: int) -> int:
    """Widen a table to that of a LUT whose further inputs do not matter."""
    for width in range(n_inputs, DUAL_INPUTS):
        table |= table << (1 << width)
    return table


def _vector(names: Sequence[str], filler: str) -> str:
    """Concatenate up to four names, the first least significant."""
    return "{" + ", ".join([*names, *[filler] * (_SLOTS - len(names))][::-1]) + "}"


def _lines(names: Sequence[str]) -> list[str]:
    """Join names to lines of a declaration."""
    return [", ".join(names[at : at + _NAMES_PER_LINE]) for at in range(0, len(names), _NAMES_PER_LINE)]


def kernel_text(name: str, netlist: Netlist, stages: int = 1) -> str:
    """Print the module ``name(lanes, results)`` of a netlist.

    Parameters
    ----------
    name
        Module name.
    netlist
        The kernel.
    stages
        Combinational stages; with more than one the module has ``clk`` and ``enable`` as well, and results
        come ``stages - 1`` enabled clocks later.

    Returns
    -------
    str
        Verilog-2001 text, the same for the same netlist.
    """
    staged = cut(netlist, stages)
    printer = _Printer(netlist, staged)
    driven = [f"n{net}" for cell in netlist.cells for net in cell.outputs]
    values = {
        "name": name,
        "luts": netlist.luts,
        "levels": f"{max(netlist.levels(), default=0):.1f}",
        "inputs": netlist.n_inputs,
        "outputs": len(netlist.outputs),
        "wires": _lines(driven),
        "cells": list(printer.cells()),
        "stages": [
            {"bits": len(nets), "nets": _lines([printer.name(net, at) for net in reversed(nets)])}
            for at, nets in enumerate(staged.registers)
        ],
        "results": _lines([printer.name(net, stages - 1) for net in reversed(netlist.outputs)]),
        "macro": XILINX_MACRO,
    }
    return render("rtl/unrolled_kernel.v.j2", values)
