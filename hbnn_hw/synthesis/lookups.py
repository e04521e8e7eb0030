"""Combinational 7-series primitives as what they all are: tables of one output bit.

Meaning of the cells: Xilinx UG953 (7-series libraries guide).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from hbnn_hw.synthesis.flat_netlist import Cell


@dataclass(frozen=True, slots=True)
class Lookup:
    """``output = table[inputs]``, the first input being the index's least significant bit.

    Attributes
    ----------
    output, inputs
        Nets.
    table
        Bits.
    """

    output: int
    inputs: tuple[int, ...]
    table: tuple[int, ...]


_XOR = (0, 1, 1, 0)
_MUX = (0, 1, 0, 1, 0, 0, 1, 1)
"""Inputs I0, I1, S: I1 where S is 1."""


def _lut(cell: Cell, new_nets: Iterator[int]) -> Iterator[Lookup]:
    inputs = tuple(cell.pin(f"I{at}") for at in range(int(cell.kind[3:])))
    yield Lookup(cell.pin("O"), inputs, cell.bits("INIT", 1 << len(inputs)))


def _lut6_2(cell: Cell, new_nets: Iterator[int]) -> Iterator[Lookup]:
    """O5 is the lower half of the table, whatever I5 is."""
    inputs, table = tuple(cell.pin(f"I{at}") for at in range(6)), cell.bits("INIT", 64)
    if "O6" in cell.pins:
        yield Lookup(cell.pin("O6"), inputs, table)
    if "O5" in cell.pins:
        yield Lookup(cell.pin("O5"), inputs[:5], table[:32])


def _carry4(cell: Cell, new_nets: Iterator[int]) -> Iterator[Lookup]:
    """``O = S ^ C`` and ``C' = C if S else DI``, four bits of it.

    CI comes from the chain below, CYINIT from outside; only one of them may differ from 0 (UG474).
    Bit by bit, so that an upper bit may depend on a lower one through other cells.
    """
    carry = cell.pin("CYINIT") or cell.pin("CI")
    outputs = {port: cell.pins.get(port, ()) for port in ("O", "CO")}
    for at, (select, data) in enumerate(zip(cell.pins["S"], cell.pins["DI"], strict=True)):
        if at < len(outputs["O"]):
            yield Lookup(outputs["O"][at], (select, carry), _XOR)
        onward = outputs["CO"][at] if at < len(outputs["CO"]) else next(new_nets)
        yield Lookup(onward, (data, carry, select), _MUX)
        carry = onward


def _wide_mux(cell: Cell, new_nets: Iterator[int]) -> Iterator[Lookup]:
    yield Lookup(cell.pin("O"), (cell.pin("I0"), cell.pin("I1"), cell.pin("S")), _MUX)


def _inverter(cell: Cell, new_nets: Iterator[int]) -> Iterator[Lookup]:
    yield Lookup(cell.pin("O"), (cell.pin("I"),), (1, 0))


def _buffer(cell: Cell, new_nets: Iterator[int]) -> Iterator[Lookup]:
    yield Lookup(cell.pin("O"), (cell.pin("I"),), (0, 1))


LOOKUPS: Mapping[str, Callable[[Cell, Iterator[int]], Iterator[Lookup]]] = {
    **{f"LUT{inputs}": _lut for inputs in range(1, 7)},
    "LUT6_2": _lut6_2,
    "CARRY4": _carry4,
    "MUXF7": _wide_mux,
    "MUXF8": _wide_mux,
    "INV": _inverter,
    "BUFG": _buffer,
    "IBUF": _buffer,
    "OBUF": _buffer,
}
"""Lookups of every combinational primitive."""
