"""Kernel of an unrolled layer as Verilog text.

Amaranth needs about 0.7 ms per synapse for bit-level logic, text a microsecond, so large layers are printed:
as primitives of the fabric, or as plain logic for all other devices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hbnn_hw.backends.rtl.lut import Fabric
from hbnn_hw.backends.rtl.truth_tables import widened_table
from hbnn_hw.backends.rtl.unrolled.netlist import DUAL_INPUTS, ZERO, CarryChain, Lut, Netlist
from hbnn_hw.backends.rtl.unrolled.stages import Stages, cut
from hbnn_hw.templating import render

_NAMES_PER_LINE = 12
_SLOTS = 4


class _Printer:
    """Names the nets of a netlist as each stage sees them, and prints its cells."""

    def __init__(self, netlist: Netlist, stages: Stages, fabric: Fabric) -> None:
        self.netlist = netlist
        self.stages = stages
        self.fabric = fabric
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
        lut, chain = (
            (self._lut, self._carry4) if self.fabric is Fabric.XC7 else (self._look_up, self._carries)
        )
        for at, (cell, stage) in enumerate(zip(self.netlist.cells, self.stages.cells, strict=True)):
            if isinstance(cell, Lut):
                yield from lut(cell, stage, f"lut{at}")
            else:
                yield from chain(cell, stage, f"carry{at}")

    def _look_up(self, cell: Lut, stage: int, name: str) -> Iterator[str]:
        del name
        address = ", ".join(self.name(net, stage) for net in reversed(cell.inputs))
        for table, net in zip(cell.tables, cell.outputs, strict=True):
            content = _table(table, len(cell.inputs))
            yield f"assign n{net} = table{len(cell.inputs)}({content}, {{{address}}});"

    def _carries(self, cell: CarryChain, stage: int, name: str) -> Iterator[str]:
        carry = self.name(cell.carry_in, stage)
        last = len(cell.sums) - 1
        for at, (select, generate) in enumerate(zip(cell.selects, cell.generates, strict=True)):
            following = f"n{cell.carry_out}" if at == last else f"{name}_{at}"
            chosen, other = self.name(select, stage), self.name(generate, stage)
            yield f"assign n{cell.sums[at]} = {chosen} ^ {carry};"
            declaration = "assign" if at == last else "wire"
            yield f"{declaration} {following} = {chosen} ? {carry} : {other};"
            carry = following

    def _lut(self, cell: Lut, stage: int, name: str) -> Iterator[str]:
        names = [self.name(net, stage) for net in cell.inputs]
        if len(cell.tables) == 1:
            kind, table = f"LUT{len(names)}", _table(cell.tables[0], len(names))
            outputs = f".O(n{cell.outputs[0]})"
        else:
            high, low = (widened_table(table, len(names), DUAL_INPUTS) for table in cell.tables)
            kind, table = "LUT6_2", _table(high << (1 << DUAL_INPUTS) | low, DUAL_INPUTS + 1)
            outputs = f".O6(n{cell.outputs[0]}), .O5(n{cell.outputs[1]})"
            names += [*["1'b0"] * (DUAL_INPUTS - len(names)), "1'b1"]
        pins = ", ".join(f".I{at}({pin})" for at, pin in enumerate(names))
        yield f"{kind} #(.INIT({table})) {name} ({outputs}, {pins});"

    def _carry4(self, cell: CarryChain, stage: int, name: str) -> Iterator[str]:
        carry, start, part = "1'b0", self.name(cell.carry_in, stage), ""
        for first in range(0, len(cell.sums), _SLOTS):
            slots = range(first, min(first + _SLOTS, len(cell.sums)))
            part = f"{name}_{first}"
            selects = _vector([self.name(cell.selects[slot], stage) for slot in slots], ["1'b0"] * _SLOTS)
            others = _vector([self.name(cell.generates[slot], stage) for slot in slots], ["1'b0"] * _SLOTS)
            spare = [f"{part}_o{slot}" for slot in range(len(slots), _SLOTS)]
            sums = _vector([f"n{cell.sums[slot]}" for slot in slots], [""] * len(slots) + spare)
            yield f"wire {', '.join([*spare, f'{part}_co3', f'{part}_co2', f'{part}_co1', f'{part}_co0'])};"
            yield f"CARRY4 {part} (.CI({carry}), .CYINIT({start}), .S({selects}), .DI({others}), .O({sums}),"
            yield f"  .CO({{{part}_co3, {part}_co2, {part}_co1, {part}_co0}}));"
            carry, start = f"{part}_co3", "1'b0"
        yield f"assign n{cell.carry_out} = {part}_co{(len(cell.sums) - 1) % _SLOTS};"


def _table(table: int, n_inputs: int) -> str:
    size = 1 << n_inputs
    return f"{size}'h{table:0{-(-size // 4)}x}"


def _vector(names: Sequence[str], fillers: Sequence[str]) -> str:
    """Concatenate four names, the first least significant; fillers stand where names are missing."""
    return "{" + ", ".join([*names, *fillers[len(names) :]][::-1]) + "}"


def _lines(names: Sequence[str]) -> list[str]:
    """Join names to lines of a declaration."""
    return [", ".join(names[at : at + _NAMES_PER_LINE]) for at in range(0, len(names), _NAMES_PER_LINE)]


def kernel_text(
    name: str,
    netlist: Netlist,
    stages: int = 1,
    fabric: Fabric = Fabric.GENERIC,
    explanation: str = "",
) -> str:
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
    fabric
        Whether cells are instances of primitives; :func:`~hbnn_hw.backends.rtl.lut.with_models` adds their
        models for simulators.
    explanation
        A line above the module: why it is built as it is.

    Returns
    -------
    str
        Verilog-2001 text, the same for the same netlist.
    """
    staged = cut(netlist, stages)
    printer = _Printer(netlist, staged, fabric)
    driven = [f"n{net}" for cell in netlist.cells for net in cell.outputs]
    sizes = {len(cell.inputs) for cell in netlist.cells if isinstance(cell, Lut)}
    values = {
        "name": name,
        "explanation": explanation,
        "luts": netlist.luts,
        "levels": f"{max(netlist.levels(), default=0):.1f}",
        "inputs": netlist.n_inputs,
        "outputs": len(netlist.outputs),
        "tables": sorted(sizes) if fabric is Fabric.GENERIC else [],
        "wires": _lines(driven),
        "cells": list(printer.cells()),
        "stages": [
            {"bits": len(nets), "nets": _lines([printer.name(net, at) for net in reversed(nets)])}
            for at, nets in enumerate(staged.registers)
        ],
        "results": _lines([printer.name(net, stages - 1) for net in reversed(netlist.outputs)]),
    }
    return render("rtl/unrolled_kernel.v.j2", values)
