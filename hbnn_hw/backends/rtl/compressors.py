"""Plans of compressor trees: a heap of bits becomes LUTs and carry chains whose outputs are its sum.

A plan is plain data: numbered nets, and cells that read and drive them. The planner knows cost and depth of
every cell and tries a handful of schedules; :mod:`hbnn_hw.backends.rtl.popcount` turns the best one into
hardware, :meth:`Plan.evaluate` into numbers.

What the cells take, in LUT6 sites:

- Three XNOR products have six inputs: two LUT6 give their 2-bit sum.
- A 6:3 counter is three LUT6 and removes three bits; a full adder is one LUT6_2 and removes one.
- On a carry chain, the outputs of a 6:3 counter take the carry input as a seventh bit: three sites remove
  four. Below it the chain may run through groups of five bits, two sites each, which remove three: a group's
  carry leads into the next group two places up. Every output is the sum output of its site and no carry
  leaves a chain, so that all of this fits a slice without registers.
- A ternary adder ends the tree: one LUT6_2 for each place, with the majority of a place's three bits on O5.
  A register behind it shares the slice; without one, O5 or the sum may cost a further site.

Source: Kumm and Zipf, "Efficient High Speed Compression Trees on Xilinx FPGAs", MBMV 2014, for compressors on
carry chains; Simkins and Philofsky, US 7274211, for the ternary adder.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.rtl.truth_tables import truth_table, widened_table

ZERO, ONE = -1, -2
"""Nets that are constant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addend:
    """One bit of the heap as a function of input nets.

    Attributes
    ----------
    nets
        One to three nets that it reads.
    table
        Its value for every pattern of them; see :func:`~hbnn_hw.backends.rtl.lut.truth_table`.
    place
        Weight ``2**place`` in the sum.
    """

    nets: tuple[int, ...]
    table: int
    place: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A LUT of one to six inputs."""

    inputs: tuple[int, ...]
    table: int
    output: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePair:
    """A LUT6_2: six inputs, O5 (lower half of the table) and O6."""

    inputs: tuple[int, ...]
    table: int
    outputs: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A carry chain: ``sums[i] = p[i] ^ c[i]`` and ``c[i + 1] = c[i] if p[i] else g[i]``."""

    carry_in: int
    propagate: tuple[int, ...]
    generate: tuple[int, ...]
    sums: tuple[int, ...]


Cell = Table | TablePair | Chain


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A compressor tree.

    Attributes
    ----------
    n_inputs
        Nets 0 ... n_inputs - 1 are the inputs.
    cells
        In an order in which every net is driven before it is read.
    outputs
        Nets of the sum, least significant first.
    depth
        Logic levels: every LUT is one, and so are four places of a carry chain.
    """

    n_inputs: int
    cells: tuple[Cell, ...]
    outputs: tuple[int, ...]
    depth: int

    @property
    def luts(self) -> int:
        """LUT primitives; a LUT6_2 is one."""
        return sum(not isinstance(cell, Chain) for cell in self.cells)

    def evaluate(self, inputs: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Compute the sums (batch,) int64 for inputs (batch, n_inputs) uint8 of 0 and 1."""
        batch = len(inputs)
        values = {at: inputs[:, at] for at in range(self.n_inputs)}
        values |= {ZERO: np.zeros(batch, np.uint8), ONE: np.ones(batch, np.uint8)}
        for cell in self.cells:
            values |= _evaluate(cell, values)
        sums = [values[net].astype(np.int64) << at for at, net in enumerate(self.outputs)]
        return np.asarray(np.sum(sums, axis=0), dtype=np.int64)


def _evaluate(cell: Cell, values: dict[int, NDArray[np.uint8]]) -> dict[int, NDArray[np.uint8]]:
    if isinstance(cell, Table):
        return {cell.output: _look_up(cell.table, [values[net] for net in cell.inputs])}
    if isinstance(cell, TablePair):
        pins = [values[net] for net in cell.inputs]
        low, high = cell.outputs
        return {low: _look_up(cell.table & ((1 << 32) - 1), pins[:5]), high: _look_up(cell.table, pins)}
    carry, driven = values[cell.carry_in], {}
    for propagate, generate, total in zip(cell.propagate, cell.generate, cell.sums, strict=True):
        driven[total] = values[propagate] ^ carry
        carry = np.where(values[propagate] == 1, carry, values[generate])
    return driven


def _look_up(table: int, pins: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    index = sum((pin.astype(np.int64) << at for at, pin in enumerate(pins)), np.int64(0))
    bits = np.array([table >> at & 1 for at in range(1 << len(pins))], dtype=np.uint8)
    return np.asarray(bits[index])


_MOST_INPUTS, _PAIR_INPUTS = 6, 5
"""Inputs of a LUT, and joint inputs of two tables in one LUT6_2."""

_CHAIN_BITS = 7
"""Bits that a counter on a carry chain takes."""

_CARRY_PLACES = 4
"""Places of a carry primitive; a longer chain is one level for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What the planner may choose.

    Attributes
    ----------
    chain_stages
        Leading stages that count on carry chains, two levels each; counters of plain LUTs follow.
    groups
        Groups of five bits below the seven-bit counter of a chain, at most.
    rows
        Height at which the final adder takes over, 1 to 3.
    """

    chain_stages: int
    groups: int
    rows: int


@dataclass(slots=True)
class _Builder:
    """Heap of bits under compression; ``heap[place]`` holds nets, earliest first.

    A net that is the complement of an input stands in the heap as a net of its own (``complements``); the
    tables that read it absorb the inversion.
    """

    n_inputs: int
    now: int = 0
    cells: list[Cell] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    heap: list[list[int]] = field(default_factory=list)
    complements: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.times = [0] * self.n_inputs

    def net(self, time: int) -> int:
        """Number a new net."""
        self.times.append(time)
        return len(self.times) - 1

    def complement(self, net: int) -> int:
        """Stand for the complement of an input."""
        other = self.net(0)
        self.complements[other] = net
        return other

    def time(self, nets: Iterable[int]) -> int:
        """Levels until all of some nets are there."""
        return max((self.times[net] for net in nets if net >= 0), default=0)

    def put(self, place: int, nets: Iterable[int]) -> None:
        """Add the bits of a number to the heap."""
        for at, net in enumerate(nets, start=place):
            while len(self.heap) <= at:
                self.heap.append([])
            insort(self.heap[at], net, key=self.times.__getitem__)

    def ready(self, place: int) -> int:
        """Bits of a place that are there now."""
        column = self.heap[place] if place < len(self.heap) else []
        return bisect_right(column, self.now, key=self.times.__getitem__)

    def take(self, place: int, count: int) -> list[int]:
        """Remove the earliest bits of a place."""
        taken, self.heap[place] = self.heap[place][:count], self.heap[place][count:]
        return taken

    def take_carry(self, place: int) -> int:
        """Remove one bit that can enter a carry chain without a table."""
        column = self.heap[place]
        for net in column:
            if net not in self.complements and self.times[net] <= self.now:
                column.remove(net)
                return net
        return self.table(self.take(place, 1), 0b10)

    def table(self, inputs: Sequence[int], table: int) -> int:
        """Add a LUT."""
        output = self.net(self.time(inputs) + 1)
        pins, plain = self._without_complements(inputs, table)
        self.cells.append(Table(inputs=pins, table=plain, output=output))
        return output

    def pair(self, inputs: Sequence[int], low: int, high: int) -> tuple[int, int]:
        """Add a LUT6_2 with two tables of the same one to five inputs."""
        time = self.time(inputs) + 1
        outputs = self.net(time), self.net(time)
        (pins, low), (_, high) = (self._without_complements(inputs, table) for table in (low, high))
        table = widened_table(low, len(pins), 5) | widened_table(high, len(pins), 5) << 32
        pins = (*pins, *[ZERO] * (5 - len(pins)), ONE)
        self.cells.append(TablePair(inputs=pins, table=table, outputs=outputs))
        return outputs

    def chain(self, carry_in: int, propagate: Sequence[int], generate: Sequence[int]) -> tuple[int, ...]:
        """Add a carry chain."""
        time = self.time([carry_in, *propagate, *generate]) + 1
        sums = tuple(self.net(time + at // _CARRY_PLACES) for at in range(len(propagate)))
        self.cells.append(
            Chain(carry_in=carry_in, propagate=tuple(propagate), generate=tuple(generate), sums=sums)
        )
        return sums

    def _without_complements(self, inputs: Sequence[int], table: int) -> tuple[tuple[int, ...], int]:
        """Read inputs in the place of their complements, with the table reordered."""
        flips = sum((net in self.complements) << at for at, net in enumerate(inputs))
        if flips:
            table = sum((table >> (index ^ flips) & 1) << index for index in range(1 << len(inputs)))
        return tuple(self.complements.get(net, net) for net in inputs), table


@cache
def _count_table(n: int, bit: int) -> int:
    """Table of one bit of the count of n bits."""
    return truth_table(n, lambda *bits: sum(bits) >> bit)


@cache
def _group_tables() -> tuple[tuple[int, int], tuple[int, int]]:
    """(propagate, generate) of the two places of a group of five bits on a carry chain.

    A count t is ``t0 + 2 (carry + rest)``: an odd one hands the carry on; an even one makes the carry 1 from
    2 on, so that the rest is never above 2 and the next place holds it.
    """
    return (
        (_count_table(5, 0), truth_table(5, lambda *bits: sum(bits) >= 2)),
        (truth_table(5, lambda *bits: sum(bits) in (3, 4)), truth_table(5, lambda *bits: sum(bits) == 5)),
    )


def _merge_products(b: _Builder, addends: Sequence[Addend]) -> None:
    """Sum neighbours that read at most six nets together; addends of one net go to the heap as they are."""
    by_place: dict[int, list[Addend]] = {}
    for addend in addends:
        if len(addend.nets) > 1:
            by_place.setdefault(addend.place, []).append(addend)
        else:
            b.put(addend.place, [addend.nets[0] if addend.table == 0b10 else b.complement(addend.nets[0])])
    for place, group in by_place.items():
        for part in _cut(group):
            b.put(place, _sum_of_products(b, part))


def _cut(addends: Sequence[Addend]) -> Iterator[list[Addend]]:
    """Cut into runs that read at most six nets each."""
    run: list[Addend] = []
    for addend in addends:
        if run and len({net for part in (*run, addend) for net in part.nets}) > _MOST_INPUTS:
            yield run
            run = []
        run.append(addend)
    if run:
        yield run


def _sum_of_products(b: _Builder, addends: Sequence[Addend]) -> list[int]:
    """Count a few addends that read at most six nets together, one level of LUTs."""
    nets = sorted({net for addend in addends for net in addend.nets})
    pins = tuple(tuple(nets.index(net) for net in addend.nets) for addend in addends)
    tables = _product_tables(len(nets), pins, tuple(addend.table for addend in addends))
    return _count_bits(b, nets, tables)


@cache
def _product_tables(
    n_nets: int, pins: tuple[tuple[int, ...], ...], tables: tuple[int, ...]
) -> tuple[int, ...]:
    """Tables of the bits of a sum of addends; ``pins`` says which inputs each addend reads."""

    def count(*bits: int) -> int:
        indices = (sum(bits[pin] << at for at, pin in enumerate(own)) for own in pins)
        return sum(table >> index & 1 for table, index in zip(tables, indices, strict=True))

    width = len(pins).bit_length()
    return tuple(truth_table(n_nets, lambda *bits, bit=bit: count(*bits) >> bit) for bit in range(width))


def _count_bits(b: _Builder, nets: Sequence[int], tables: Sequence[int]) -> list[int]:
    """Add one LUT for each table, or one for two tables where both fit its outputs."""
    outputs: list[int] = []
    for at in range(0, len(tables), 2):
        pair = tables[at : at + 2]
        if len(pair) == 2 and len(nets) <= _PAIR_INPUTS:
            outputs += b.pair(nets, *pair)
        else:
            outputs += [b.table(nets, table) for table in pair]
    return outputs


def _count_in_luts(b: _Builder, place: int, count: int) -> None:
    """Replace 2 to 6 bits of a place by their binary count, one level."""
    width = count.bit_length()
    b.put(place, _count_bits(b, b.take(place, count), [_count_table(count, bit) for bit in range(width)]))


def _count_on_chain(b: _Builder, place: int, groups: int) -> None:
    """Take six bits of a place, five of every second place up, and six of the last: two levels.

    Without groups these are seven bits of one place.
    """
    carry_in = b.take_carry(place)
    propagate, generate = [], []
    for group in range(groups):
        bits = b.take(place + 2 * group, 5)
        for propagates, generates in _group_tables():
            low, high = b.pair(bits, generates, propagates)
            propagate.append(high)
            generate.append(low)
    top = b.take(place + 2 * groups, 6)
    propagate += [b.table(top, _count_table(6, bit)) for bit in range(3)]
    generate += [ZERO] * 3
    b.put(place, b.chain(carry_in, propagate, generate))


def _chain_stage(b: _Builder, groups: int) -> None:
    """Count on carry chains as much as is ready."""
    for place in range(len(b.heap)):
        while b.ready(place) >= _CHAIN_BITS - 1:
            length = 0
            while (
                length < groups
                and b.ready(place + 2 * length) >= 5 + (not length)
                and b.ready(place + 2 * length + 2) >= _CHAIN_BITS - 1
            ):
                length += 1
            if not length and b.ready(place) < _CHAIN_BITS:
                break
            _count_on_chain(b, place, length)


def _lut_stage(b: _Builder, rows: int) -> None:
    """Halve the tallest place by counters, or reach ``rows``, and touch no more bits than that takes.

    A counter costs a LUT for each bit that it removes whenever it comes; what is left to the final adder
    costs half of that.
    """
    target = max(rows, -(-max(map(len, b.heap)) // 2))
    heights = [len(column) for column in b.heap]
    for place in range(len(b.heap)):
        excess = heights[place] - target
        while excess > 0 and b.ready(place) > 1:
            ready = b.ready(place)
            count = min(_MOST_INPUTS if rows == 1 or excess >= 4 else 3, ready)
            if rows > 1 and count in (4, 5):
                count = 3  # a full adder removes as much for each LUT and leaves less to the places above
            _count_in_luts(b, place, count)
            excess -= count - 1
            for up in range(1, count.bit_length()):
                if place + up < len(heights):
                    heights[place + up] += 1
    b.now += 1


def _final_sum(b: _Builder, width: int) -> tuple[int, ...]:
    """Add what is left, at most three bits a place, on one carry chain."""
    columns = [*b.heap, *[[] for _ in range(width - len(b.heap))]][:width]
    start = next((at for at, column in enumerate(columns) if len(column) > 1), width)
    low = [_plain(b, column) for column in columns[:start]]
    if start == width:
        return tuple(low)
    b.heap = [list(column) for column in columns]
    carry_in = b.take_carry(start) if len(columns[start]) > 2 else ZERO
    propagate, generate, saved = [], [], ZERO
    for place in range(start, width):
        operands = [*b.heap[place], *([saved] if saved != ZERO else [])]
        p, g, next_saved = _place_of_adder(b, operands, saved, last=place == width - 1)
        propagate.append(p)
        generate.append(g)
        saved = next_saved
    return (*low, *b.chain(carry_in, propagate, generate))


def _plain(b: _Builder, column: Sequence[int]) -> int:
    if not column:
        return ZERO
    return b.table(column, 0b10) if column[0] in b.complements else column[0]


def _place_of_adder(b: _Builder, operands: list[int], saved: int, last: bool) -> tuple[int, int, int]:
    """(propagate, generate, majority) of a place; the majority goes one place up."""
    if len(operands) < 2:
        return (_plain(b, operands), ZERO, ZERO)
    parity = _count_table(len(operands), 0)
    if len(operands) == 2 or last:
        # One operand enters the chain beside the LUT; it must be a net.
        operands.sort(key=lambda net: net in b.complements)
        entry = operands[0] if operands[0] not in b.complements else b.table(operands[:1], 0b10)
        operands[0] = entry
        return b.table(operands, parity), ZERO if last else entry, ZERO
    if saved == ZERO:
        majority, total = b.pair(operands, _count_table(3, 1), parity)
        return total, ZERO, majority
    bits = operands[:-1]
    if len(bits) == 2:
        operands = [*bits, saved]
        majority, total = b.pair(operands, truth_table(3, lambda x, y, _: x & y), parity)
    else:
        majority, total = b.pair(operands, truth_table(4, lambda x, y, z, _: x + y + z >= 2), parity)
    return total, saved, majority


def compress_by(addends: Sequence[Addend], n_inputs: int, schedule: Schedule) -> Plan:
    """Plan by one schedule; see :func:`compress`."""
    b = _Builder(n_inputs)
    _merge_products(b, addends)
    b.now = b.time(net for column in b.heap for net in column)
    for _ in range(schedule.chain_stages):
        _chain_stage(b, schedule.groups)
        b.now = b.time(net for column in b.heap for net in column)
    while max(map(len, b.heap)) > schedule.rows:
        _lut_stage(b, schedule.rows)
    width = max(1, sum(1 << addend.place for addend in addends).bit_length())
    outputs = _final_sum(b, width)
    cells = tuple(_live_cells(b.cells, outputs))
    return Plan(n_inputs=n_inputs, cells=cells, outputs=outputs, depth=b.time(outputs))


def _live_cells(cells: Sequence[Cell], outputs: Iterable[int]) -> list[Cell]:
    """Drop what no output depends on: carries out of a place that the largest sum never reaches."""
    live = set(outputs)
    kept: list[Cell] = []
    for cell in reversed(cells):
        needed = _needed_part(cell, live)
        if needed is not None:
            kept.append(needed)
            live |= _reads(needed)
    return kept[::-1]


def _needed_part(cell: Cell, live: set[int]) -> Cell | None:
    """Cut a cell down to its live outputs; None if it has none."""
    if isinstance(cell, Table):
        return cell if cell.output in live else None
    if isinstance(cell, Chain):
        length = max((at for at, net in enumerate(cell.sums, start=1) if net in live), default=0)
        parts = cell.propagate[:length], cell.generate[:length], cell.sums[:length]
        propagate, generate, sums = parts
        chain = Chain(carry_in=cell.carry_in, propagate=propagate, generate=generate, sums=sums)
        return chain if length else None
    low, high = cell.outputs
    if {low, high} <= live:
        return cell
    if low in live:
        return _narrowed(cell.inputs[:5], cell.table & ((1 << 32) - 1), low)
    if high not in live:
        return None
    if cell.inputs[5] == ONE:
        return _narrowed(cell.inputs[:5], cell.table >> 32, high)
    return _narrowed(cell.inputs, cell.table, high)


def _narrowed(inputs: tuple[int, ...], table: int, output: int) -> Table:
    """Make a table without its trailing constant zeros."""
    used = len(inputs)
    while used > 1 and inputs[used - 1] == ZERO:
        used -= 1
    return Table(inputs=inputs[:used], table=table & ((1 << (1 << used)) - 1), output=output)


def _reads(cell: Cell) -> set[int]:
    if isinstance(cell, Chain):
        return {cell.carry_in, *cell.propagate, *cell.generate}
    return set(cell.inputs)


SCHEDULES = tuple(
    Schedule(chain_stages=stages, groups=groups, rows=rows)
    for stages, groups, rows in product(range(7), (0, 1, 2), (1, 2, 3))
    if stages or not groups
)

_ONE_ROW_ADDENDS = 16
"""Most addends for which counters alone, without a final adder, are worth a try."""


@cache
def compress(addends: tuple[Addend, ...], n_inputs: int, max_depth: int) -> Plan:
    """Plan the sum of ``2**place`` times each addend.

    Parameters
    ----------
    addends
        At least one.
    n_inputs
        Input nets, numbered from 0.
    max_depth
        Logic levels that are allowed; where no schedule keeps to them, the shallowest is taken.

    Returns
    -------
    Plan
        The smallest one.
    """
    plans = [
        compress_by(addends, n_inputs, schedule)
        for schedule in SCHEDULES
        if schedule.rows > 1 or len(addends) <= _ONE_ROW_ADDENDS
    ]
    return min(plans, key=lambda plan: (max(plan.depth, max_depth), plan.luts, plan.depth))
