"""LUT6 sites as the slices of 7-series can hold them, carry chains included.

A site of a slice is a LUT6 with outputs O6 and O5, a slot of the carry chain, one bypass input (AX … DX), a
plain output for O6 and one output multiplexer for everything else (Xilinx UG474, "Carry Logic" and "Slice").
That gives the rules:

* **S** of a slot comes from the O6 of its own site and from nowhere else. The first slot that reads a
  function holds it; a net from elsewhere, or a constant, passes through the LUT. Either way the slot has a
  site, and two functions in front of slots never share one.
* **O5** of that site may hold a second function if both read at most five nets together.
* **The multiplexer** lets one of O5, sum and carry out to other logic. Where the sum or the carry leaves by
  it, O5 can feed the DI of its own slot alone. Where both leave, the carry passes one slot more, as its sum.
* **DI** comes from O5 or from the bypass. The carry into a chain (CYINIT) takes the bypass of its first
  slot: DI then passes through O5, or the carry enters by the DI of one slot more, below.
* **The top.** A topmost slot with S = 0 repeats the carry below it, as Yosys writes a carry that goes to
  logic: it is that carry, and has a site only where the rule of the multiplexer asks for one.
* **Wires.** A carry to the CI of the next slots has a wire of its own, and so has what the registers of a
  site take.

Everything else is paired as in :mod:`hbnn_hw.estimate.pairing`. Where wide multiplexers (MUXF7, MUXF8) lie is
not looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from hbnn_hw.estimate.netlist import LUT_INPUTS, LUTRAM_LUTS
from hbnn_hw.estimate.pairing import PAIR_INPUTS, Nets, site_pairs
from hbnn_hw.synthesis.flat_netlist import ONE, ZERO, Cell, FlatNetlist
from hbnn_hw.synthesis.lookups import LOOKUPS, Lookup

CONSTANTS = frozenset({ZERO, ONE})

_OUTPUTS = {"O", "O5", "O6", "CO", "Q"}
"""Output pins of LUTs, carry chains and registers."""

_OWN_WIRES = {("CARRY4", "CI"), *((kind, "D") for kind in ("FDRE", "FDSE", "FDCE", "FDPE"))}
"""Pins that what lies in a site reaches without the output multiplexer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slot:
    """A used bit of a carry chain.

    Attributes
    ----------
    select, data
        Nets of S and DI.
    leaving
        How many of sum and carry go to other logic.
    is_entered
        Whether a net enters the chain here, by the bypass.
    """

    select: int
    data: int
    leaving: int
    is_entered: bool


def packed_sites(netlist: FlatNetlist) -> int:
    """Count LUT6 sites of logic, carry chains and distributed memory together."""
    memory = sum(LUTRAM_LUTS.get(cell.kind, 0) for cell in netlist.cells)
    return memory + _Packer(netlist).count()


class _Packer:
    """Gives every slot its site, then pairs what is left."""

    def __init__(self, netlist: FlatNetlist) -> None:
        self._reads, self._leaving = _readers(netlist)
        self._functions: dict[int, Nets] = {}
        self._mates: dict[int, int] = {}
        self._uppers: set[int] = set()
        for cell in netlist.cells:
            if cell.kind in LUT_INPUTS or cell.kind == "LUT6_2":
                self._add(cell, netlist)
        self._slots = [slot for cell in netlist.cells for slot in _slots(cell, self._reads, self._leaving)]
        self._fronts = {slot.select for slot in self._slots}
        self._placed: set[int] = set()
        self._open: list[Nets] = []

    def _add(self, cell: Cell, netlist: FlatNetlist) -> None:
        """Take up what a LUT computes; two functions of a LUT6_2 are mates."""
        found = [look for look in LOOKUPS[cell.kind](cell, netlist.new_nets) if self._reads[look.output]]
        self._functions.update((look.output, _support(look)) for look in found)
        if len(found) > 1:
            upper, lower = (look.output for look in found)
            self._mates |= {upper: lower, lower: upper}
            self._uppers.add(upper)

    def count(self) -> int:
        """Count all sites."""
        closed = sum(self._place(slot) for slot in self._slots)
        others, mates = self._others()
        functions = self._open + others
        small = [at for at, nets in enumerate(functions) if len(nets) <= PAIR_INPUTS]
        apart = {place for place, at in enumerate(small) if at < len(self._open)}
        return closed + mates + len(functions) - len(site_pairs([functions[at] for at in small], apart))

    def _place(self, slot: _Slot) -> int:
        """Fill the site of a slot; return the sites that nothing can join, and note one that may be."""
        is_home = slot.select in self._functions and slot.select not in self._placed
        nets = self._functions[slot.select] if is_home else frozenset({slot.select}) - CONSTANTS
        sites = int(slot.leaving > 1)
        if is_home:
            self._placed.add(slot.select)
        second = self._second(slot, nets, is_home)
        if second is not None:
            self._placed.add(second)
            return sites + 1
        if slot.is_entered:
            if len(nets | ({slot.data} - CONSTANTS)) <= PAIR_INPUTS:
                return sites + 1
            self._open.append(frozenset())
        if slot.leaving:
            return sites + 1
        self._open.append(nets)
        return sites

    def _second(self, slot: _Slot, nets: Nets, is_home: bool) -> int | None:
        """Choose the function at O5 where the netlist or the slot leaves no choice."""
        mate = self._mates.get(slot.select) if is_home else None
        for found in (mate, slot.data):
            if found not in self._functions or found in self._placed or found in self._fronts:
                continue
            is_joined = found == mate and slot.select in self._uppers
            if not is_joined and len(nets | self._functions[found]) > PAIR_INPUTS:
                continue
            feeds_slot = found == slot.data and self._reads[found] == 1
            is_free = not slot.leaving and not slot.is_entered and found == mate
            if feeds_slot or is_free:
                return found
        return None

    def _others(self) -> tuple[list[Nets], int]:
        """List the functions in no site yet, and count the sites of mates that stay together."""
        left = {net: nets for net, nets in self._functions.items() if net not in self._placed}
        together = {net for net in left if self._mates.get(net) in left}
        return [nets for net, nets in left.items() if net not in together], len(together) // 2


def _support(look: Lookup) -> Nets:
    """Nets that a table depends on."""
    table, nets = look.table, set()
    for at, net in enumerate(look.inputs):
        step = 1 << at
        if any(table[low] != table[low | step] for low in range(len(table)) if not low & step):
            nets.add(net)
    return frozenset(nets - CONSTANTS)


def _readers(netlist: FlatNetlist) -> tuple[Counter[int], Counter[int]]:
    """Count the pins and ports that read every net: all, and those that the output multiplexer serves."""
    reads, leaving = Counter[int](), Counter[int]()
    for cell in netlist.cells:
        for port, nets in cell.pins.items():
            if port not in _OUTPUTS:
                reads.update(nets)
                leaving.update(nets if (cell.kind, port) not in _OWN_WIRES else ())
    for nets in netlist.outputs.values():
        reads.update(nets)
        leaving.update(nets)
    return reads, leaving


def _slots(cell: Cell, reads: Counter[int], leaving: Counter[int]) -> Iterator[_Slot]:
    """List the bits of a carry chain up to the highest that something is read of."""
    if cell.kind != "CARRY4":
        return
    selects, nothing = cell.pins["S"], (-1,) * len(cell.pins["S"])
    results = list(zip(cell.pins.get("O", nothing), cell.pins.get("CO", nothing), strict=True))
    used = [at for at, nets in enumerate(results) if any(reads[net] for net in nets)]
    top = max(used, default=-1)
    if top > 0 and selects[top] == ZERO and not reads[results[top][1]] and not reads[results[top - 1][1]]:
        top, repeated = top - 1, results[top][0]
        results[top] = (results[top][0], repeated)
    for at in range(top + 1):
        yield _Slot(
            select=selects[at],
            data=cell.pins["DI"][at],
            leaving=sum(leaving[net] > 0 for net in results[at]),
            is_entered=at == 0 and cell.pin("CYINIT") not in CONSTANTS,
        )
