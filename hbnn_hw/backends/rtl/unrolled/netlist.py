"""Netlist of a combinational kernel: LUTs of six inputs and carry chains, as data that can be executed.

Nets are numbered: the kernel's inputs first, then the outputs of cells in the order of their making.
:data:`ZERO` and :data:`ONE` stand for constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LUT_INPUTS = 6
DUAL_INPUTS = 5
"""Inputs of a LUT that has both outputs."""

ZERO, ONE = -1, -2

CARRY_LEVEL = 0.1
"""Delay of a carry slot in units of a LUT with its wire."""


class Bit(NamedTuple):
    """A net, or its complement, which costs nothing at the input of a LUT."""

    net: int
    inverted: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether the bit is always 1; a constant 0 is no bit at all."""
        return self.net == ONE


class Output(Enum):
    """What a LUT tells about the weighted count of its inputs."""

    BIT = "bit"
    EQUALS = "equals"
    AT_LEAST = "at least"


class Function(NamedTuple):
    """One output of a LUT: bit ``argument`` of the count, or a comparison of the count with ``argument``."""

    output: Output
    argument: int
    inverted: bool = False

    def __call__(self, count: int) -> bool:
        """Evaluate for a count."""
        match self.output:
            case Output.BIT:
                value = bool(count >> self.argument & 1)
            case Output.EQUALS:
                value = count == self.argument
            case Output.AT_LEAST:
                value = count >= self.argument
        return value != self.inverted


@dataclass(frozen=True, slots=True)
class Lut:
    """A look-up table: one output of up to six inputs, or two outputs of up to five, which share a site.

    Attributes
    ----------
    inputs
        Nets; input i is bit i of the address.
    tables
        ``2**len(inputs)`` bits per output, address 0 in the least significant bit.
    outputs
        Driven nets: O6, then O5 if there is one.
    """

    inputs: tuple[int, ...]
    tables: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CarryChain:
    """``sum = select ^ carry`` and ``next carry = select ? carry : generate``, slot by slot (CARRY4).

    Attributes
    ----------
    carry_in
        Net or constant.
    selects, generates
        One net or constant per slot.
    sums
        Driven nets, one per slot.
    carry_out
        Driven net.
    """

    carry_in: int
    selects: tuple[int, ...]
    generates: tuple[int, ...]
    sums: tuple[int, ...]
    carry_out: int

    @property
    def inputs(self) -> tuple[int, ...]:
        """All nets that the chain reads."""
        return (self.carry_in, *self.selects, *self.generates)

    @property
    def longest_carry(self) -> int:
        """Most slots that a carry runs through; it ends where a select is 0 for good."""
        most = since = 0
        for select in self.selects:
            since = 1 if select == ZERO else since + 1
            most = max(most, since)
        return most

    @property
    def outputs(self) -> tuple[int, ...]:
        """All nets that the chain drives."""
        return (*self.sums, self.carry_out)


Cell = Lut | CarryChain


@dataclass(frozen=True, slots=True, kw_only=True)
class Netlist:
    """A combinational module.

    Attributes
    ----------
    n_inputs
        Its inputs are nets 0 … n_inputs - 1.
    n_nets
        Number of nets.
    cells
        In an order in which they can be evaluated.
    outputs
        Nets or constants.
    """

    n_inputs: int
    n_nets: int
    cells: tuple[Cell, ...]
    outputs: tuple[int, ...]

    @property
    def luts(self) -> int:
        """LUT cells; one with two outputs counts once."""
        return sum(isinstance(cell, Lut) for cell in self.cells)

    @property
    def carry_slots(self) -> int:
        """Bits of carry chains."""
        return sum(len(cell.sums) for cell in self.cells if isinstance(cell, CarryChain))

    def levels(self) -> list[float]:
        """Delay of every net behind the inputs, in LUTs with their wires."""
        found = [0.0] * self.n_nets
        for cell in self.cells:
            own = 1.0 if isinstance(cell, Lut) else CARRY_LEVEL * cell.longest_carry
            level = own + max((found[net] for net in cell.inputs if net >= 0), default=0.0)
            for net in cell.outputs:
                found[net] = level
        return found

    def evaluate(self, inputs: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Compute outputs (batch, n_outputs) from inputs (batch, n_inputs), all 0 or 1."""
        values = np.empty((self.n_nets + 2, len(inputs)), dtype=np.uint8)
        values[: self.n_inputs] = inputs.T
        values[ZERO], values[ONE] = 0, 1
        for cell in self.cells:
            if isinstance(cell, Lut):
                _evaluate_lut(cell, values)
            else:
                _evaluate_chain(cell, values)
        return values[list(self.outputs)].T


def _evaluate_lut(cell: Lut, values: NDArray[np.uint8]) -> None:
    address = np.zeros(values.shape[1], dtype=np.uint8)
    for at, net in enumerate(cell.inputs):
        address |= values[net] << at
    for table, net in zip(cell.tables, cell.outputs, strict=True):
        bits = np.array([table >> at & 1 for at in range(1 << len(cell.inputs))], dtype=np.uint8)
        values[net] = bits[address]


def _evaluate_chain(cell: CarryChain, values: NDArray[np.uint8]) -> None:
    carry = values[cell.carry_in]
    for select, generate, total in zip(cell.selects, cell.generates, cell.sums, strict=True):
        values[total] = values[select] ^ carry
        carry = np.where(values[select], carry, values[generate])
    values[cell.carry_out] = carry


def side_by_side(netlists: Sequence[Netlist]) -> Netlist:
    """Join netlists that read the same inputs; the outputs of one follow those of the other."""
    n_inputs = n_nets = netlists[0].n_inputs
    cells: list[Cell] = []
    outputs: list[int] = []
    for netlist in netlists:
        move = _Renumbering(n_inputs, n_nets - n_inputs)
        cells += map(move.cell, netlist.cells)
        outputs += move.nets(netlist.outputs)
        n_nets += netlist.n_nets - n_inputs
    return Netlist(n_inputs=n_inputs, n_nets=n_nets, cells=tuple(cells), outputs=tuple(outputs))


@dataclass(frozen=True, slots=True)
class _Renumbering:
    """Gives all nets but inputs and constants higher numbers."""

    n_inputs: int
    distance: int

    def net(self, net: int) -> int:
        return net if net < self.n_inputs else net + self.distance

    def nets(self, nets: Sequence[int]) -> tuple[int, ...]:
        return tuple(map(self.net, nets))

    def cell(self, cell: Cell) -> Cell:
        if isinstance(cell, Lut):
            return Lut(self.nets(cell.inputs), cell.tables, self.nets(cell.outputs))
        return CarryChain(
            carry_in=self.net(cell.carry_in),
            selects=self.nets(cell.selects),
            generates=self.nets(cell.generates),
            sums=self.nets(cell.sums),
            carry_out=self.net(cell.carry_out),
        )


@lru_cache(maxsize=1 << 16)
def _table(values: tuple[tuple[int, int], ...], constant: int, function: Function) -> int:
    """Tabulate a function of ``constant + sum values[i][input i]``."""
    table = 0
    for address in range(1 << len(values)):
        count = constant + sum(pair[address >> at & 1] for at, pair in enumerate(values))
        table |= function(count) << address
    return table


Terms = Sequence[tuple[Bit, int]]
"""Bits and their weights."""


def _tabulate(nets: tuple[int, ...], terms: Terms, function: Function) -> int:
    """Tabulate a function of the weighted count of bits over the values of ``nets``."""
    constant = 0
    values = dict.fromkeys(nets, (0, 0))
    for bit, weight in terms:
        if bit.net < 0:
            constant += weight * (bit.is_constant != bit.inverted)
            continue
        off, on = values[bit.net]
        values[bit.net] = (off + weight * bit.inverted, on + weight * (not bit.inverted))
    return _table(tuple(values.values()), constant, function)


INPUT_TABLES = tuple(
    tuple(sum((address >> at & 1) << address for address in range(1 << n)) for at in range(n))
    for n in range(LUT_INPUTS + 1)
)
"""Tables that repeat one of n inputs."""


def _trivial(nets: tuple[int, ...], table: int) -> int | None:
    """Return the constant or the input that a table is, if it is one."""
    if table in (0, (1 << (1 << len(nets))) - 1):
        return ONE if table else ZERO
    inputs = INPUT_TABLES[len(nets)]
    return nets[inputs.index(table)] if table in inputs else None


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the making of a netlist to which it can be taken back."""

    cells: int
    nets: int


class NetlistBuilder:
    """Makes cells one by one; equal LUTs are made once.

    Parameters
    ----------
    n_inputs
        Inputs of the netlist.
    """

    def __init__(self, n_inputs: int) -> None:
        self.n_inputs = n_inputs
        self.levels: list[float] = [0.0] * n_inputs
        self._cells: list[Cell] = []
        self._made: dict[tuple[tuple[int, ...], tuple[int, ...]], tuple[int, ...]] = {}

    @property
    def luts(self) -> int:
        """LUTs made so far."""
        return len(self._made)

    def mark(self) -> Mark:
        """Remember this place."""
        return Mark(len(self._cells), len(self.levels))

    def since(self, mark: Mark) -> Sequence[Cell]:
        """Return the cells made behind a mark."""
        return self._cells[mark.cells :]

    def take_back(self, mark: Mark) -> None:
        """Forget everything made behind a mark."""
        for cell in self._cells[mark.cells :]:
            if isinstance(cell, Lut):
                del self._made[cell.inputs, cell.tables]
        del self._cells[mark.cells :]
        del self.levels[mark.nets :]

    def level(self, bit: Bit) -> float:
        """Delay of a bit."""
        return 0.0 if bit.net < 0 else self.levels[bit.net]

    def lut(self, terms: Terms, function: Function) -> int:
        """Make a LUT of a weighted count of bits; return its net, or what needs no LUT."""
        return self._made_of((terms, function))[0]

    def dual(self, high: tuple[Terms, Function], low: tuple[Terms, Function]) -> tuple[int, int]:
        """Make a LUT with two outputs of at most five inputs together; return both nets."""
        high_net, low_net = self._made_of(high, low)
        return high_net, low_net

    def _made_of(self, *outputs: tuple[Terms, Function]) -> tuple[int, ...]:
        nets = tuple(sorted({bit.net for terms, _ in outputs for bit, _ in terms if bit.net >= 0}))
        tables = tuple(_tabulate(nets, terms, function) for terms, function in outputs)
        trivial = [_trivial(nets, table) for table in tables]
        if any(net is not None for net in trivial):
            return tuple(
                self._lut(nets, (table,))[0] if net is None else net
                for net, table in zip(trivial, tables, strict=True)
            )
        return self._lut(nets, tables)

    def _lut(self, nets: tuple[int, ...], tables: tuple[int, ...]) -> tuple[int, ...]:
        made = self._made.get((nets, tables))
        if made is None:
            made = self._drive(len(tables), 1.0, nets)
            self._made[nets, tables] = made
            self._cells.append(Lut(nets, tables, made))
        return made

    def chain(self, carry_in: int, slots: Sequence[tuple[int, int]]) -> tuple[tuple[int, ...], int]:
        """Make a carry chain of (select, generate) slots; return its sums and its carry."""
        selects = tuple(select for select, _ in slots)
        generates = tuple(generate for _, generate in slots)
        *sums, carry = self._drive(len(slots) + 1, CARRY_LEVEL * len(slots), (carry_in, *selects, *generates))
        self._cells.append(CarryChain(carry_in, selects, generates, tuple(sums), carry))
        return tuple(sums), carry

    def _drive(self, count: int, delay: float, inputs: Sequence[int]) -> tuple[int, ...]:
        level = delay + max((self.levels[net] for net in inputs if net >= 0), default=0.0)
        first = len(self.levels)
        self.levels.extend([level] * count)
        return tuple(range(first, first + count))

    def finish(self, outputs: Sequence[int]) -> Netlist:
        """Return the netlist with these outputs, without cells that nothing reads."""
        used = set(outputs)
        kept: list[Cell] = []
        for cell in reversed(self._cells):
            if used.intersection(cell.outputs):
                used.update(cell.inputs)
                kept.append(cell)
        return Netlist(
            n_inputs=self.n_inputs,
            n_nets=len(self.levels),
            cells=tuple(reversed(kept)),
            outputs=tuple(outputs),
        )
