"""Compression of bit heaps by carry chains whose LUTs count several bits each.

A slot of a carry chain adds a digit d in {0, 1, 2} to the carry: ``select`` is d's parity, ``generate`` tells
2 from 0. The LUT in front of a slot makes d from more bits than an adder's two:

* six bits of a column: ``d = parity(five of them) + the sixth``; the next slot adds ``floor(five / 2)``,
* four bits: ``d = parity(three) + the fourth``; their majority, the LUT's second output, waits for the next
  slot, which adds it to up to five more bits of its column.

With the carry in, seven bits become three in two LUTs, and four LUTs turn thirteen into five: two bits less
per LUT, where a full adder or a 6:3 counter takes away one.

Sites count too, and a site lets out only one of a slot's sum, its carry and the LUT's second output (UG474;
the rules stand in :mod:`hbnn_hw.synthesis.packing`): a majority takes a site of its own, a chain whose last
sum and carry are both read has a slot more at its end, and one that a net enters may have one more at its
start. Chains are chosen by costs that have part of that in them, so that long chains and floors go before
short ones and majorities.

Source: Preusser, "Generic and Universal Parallel Matrix Summation with a Flexible Compression Goal for Xilinx
FPGAs" (2017), for the counter of six; Kumm and Zipf, "Efficient High Speed Compression Trees on Xilinx FPGAs"
(2014); the majority's way through O5 is that of ternary adders.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from hbnn_hw.backends.rtl.unrolled.heap import Heap
from hbnn_hw.backends.rtl.unrolled.netlist import LUT_INPUTS, ZERO, Bit, Function, NetlistBuilder, Output

PARITY = Function(Output.BIT, 0)
TWOS = Function(Output.BIT, 1)
FOURS = Function(Output.BIT, 2)

MAJORITY_SITES = 0.75
"""What the site of a majority costs, in LUTs; this and the next two were found on the benchmark's layers."""

END_SITES = 0.75
"""What the end of a chain costs, in LUTs."""

ENTRY_SITES = 0.35
"""What a net that enters a first slot of six bits more costs, in LUTs."""


class Pending(IntEnum):
    """What a slot leaves to the next one besides the carry."""

    NOTHING = 0
    MAJORITY = 1
    FLOOR = 2


MOVES: tuple[tuple[tuple[int, Pending], ...], ...] = (
    (
        (2, Pending.NOTHING),
        (3, Pending.MAJORITY),
        (4, Pending.MAJORITY),
        (5, Pending.FLOOR),
        (6, Pending.FLOOR),
    ),
    (
        (0, Pending.NOTHING),
        (1, Pending.NOTHING),
        (2, Pending.MAJORITY),
        (3, Pending.MAJORITY),
        (4, Pending.FLOOR),
        (5, Pending.FLOOR),
    ),
    ((0, Pending.NOTHING),),
)
"""By what is pending: how many bits a slot takes from its column, and what it then leaves."""


SLOT_COSTS = (1.0, 1.0 + MAJORITY_SITES, 1.0)
"""What a slot costs by what it leaves pending, in LUTs."""

Move = tuple[int, Pending]


class _Option(NamedTuple):
    value: float
    move: Move | None


_DEAD = _Option(-1e9, None)


@dataclass(frozen=True, slots=True)
class Chain:
    """A carry chain over a heap.

    Attributes
    ----------
    start
        Column of the first slot.
    carries_in
        Whether a bit of the first column enters as the carry.
    moves
        Bits taken and what is left pending, slot by slot.
    value
        Bits that vanish, less the price of the LUTs.
    """

    start: int
    carries_in: bool
    moves: tuple[tuple[int, Pending], ...]
    value: float


HIGHEST = 7
"""Bits that a slot can take from a column, with the carry in; more of them do not matter to a chain."""

UPRIGHT = 2
"""Upright bits of a column that matter: the carry in, and one that goes around the LUT."""


def best_chain(heap: Heap, price: float) -> Chain | None:
    """Find the chain that makes the most bits vanish, where each LUT is worth ``price`` bits.

    Returns None if none is worth its LUTs.
    """
    if not heap.columns:
        return None
    first = min(heap.columns)
    columns = [heap.columns.get(column, ()) for column in range(first, heap.top + 3)]
    chain = _best_chain(
        tuple(min(len(column), HIGHEST) for column in columns),
        tuple(min(sum(not bit.inverted for bit in column), UPRIGHT) for column in columns),
        price,
    )
    return chain and replace(chain, start=first + chain.start)


@lru_cache(maxsize=1 << 16)
def _best_chain(heights: tuple[int, ...], upright: tuple[int, ...], price: float) -> Chain | None:
    """Search all chains by dynamic programming from the top column; columns count from the lowest."""
    # best[pending] at the column above: value, and the move there; only what leaves nothing may stop.
    best: list[list[_Option]] = [[_Option(0.0, None), _DEAD, _DEAD]]
    found: tuple[float, int, bool, Move] | None = None
    for at in range(len(heights) - 1, -1, -1):
        above = best[-1]
        for carries in (False, True):
            for move in MOVES[Pending.NOTHING]:
                cost = SLOT_COSTS[move[1]] + END_SITES + ENTRY_SITES * (carries and move[0] == LUT_INPUTS)
                value = above[move[1]].value + move[0] + carries - 2 - price * cost
                worth = value > (found[0] if found else 0.0) + 1e-9
                if worth and _starts(move, heights[at], upright[at], carries):
                    found = (value, at, carries, move)
        if heights[at] > 2 and 1 - price > (found[0] if found else 0.0) + 1e-9:
            found = (1 - price, at, True, FULL_ADDER)
        best.append([_continuation(pending, heights[at], upright[at], above, price) for pending in Pending])
    return None if found is None else _trace(found, best, len(heights))


FULL_ADDER: Move = (3, Pending.NOTHING)
"""Three bits of a column in one LUT with two outputs, with no carry chain."""


def _continuation(pending: Pending, height: int, upright: int, above: list[_Option], price: float) -> _Option:
    """Choose the best slot at a column for a chain that comes from below."""
    found = _Option(0.0, None) if pending is Pending.NOTHING else _DEAD
    for move in MOVES[pending]:
        value = above[move[1]].value + move[0] - 1 - price * SLOT_COSTS[move[1]]
        if value > found.value and _fits(pending, move, height, upright):
            found = _Option(value, move)
    return found


def _trace(found: tuple[float, int, bool, Move], best: list[list[_Option]], n: int) -> Chain:
    """Follow the best moves from a start upwards."""
    value, at, carries, move = found
    if carries and move[0] == 2 and best[n - at - 1][0].move is None:
        move = FULL_ADDER
    moves = [move]
    if move != FULL_ADDER:
        place = at + 1
        while (following := best[n - place][moves[-1][1]].move) is not None:
            moves.append(following)
            place += 1
    return Chain(at, carries and move != FULL_ADDER, tuple(moves), value)


def _fits(pending: Pending, move: tuple[int, Pending], height: int, upright: int) -> bool:
    """Whether a column has the bits of a move, one of them upright where it goes around the LUT."""
    needs = pending is Pending.NOTHING and move[0] > 2
    return move[0] <= height and upright >= needs


def _starts(move: tuple[int, Pending], height: int, upright: int, carries: bool) -> bool:
    """Whether a chain may start with a move; the carry in goes around the LUT."""
    return upright >= carries and _fits(Pending.NOTHING, move, height - carries, upright - carries)


def pick(builder: NetlistBuilder, heap: Heap, column: int, count: int) -> list[Bit]:
    """Take bits out of a column, the earliest first; the last of them is upright if any of the column is."""
    bits = sorted(heap.columns.get(column, ()), key=lambda bit: (builder.level(bit), bit))
    chosen = bits[:count]
    if chosen and all(bit.inverted for bit in chosen):
        chosen[-1] = next((bit for bit in bits if not bit.inverted), chosen[-1])
    for bit in chosen:
        heap.take(column, bit)
    upright = [at for at, bit in enumerate(chosen) if not bit.inverted]
    if upright:
        chosen.append(chosen.pop(upright[-1]))
    return chosen


def pick_upright(builder: NetlistBuilder, heap: Heap, column: int) -> Bit:
    """Take one upright bit out of a column, the latest, or a constant."""
    bits = [bit for bit in heap.columns[column] if not bit.inverted]
    bit = max(bits, key=lambda bit: (bit.is_constant, builder.level(bit), bit))
    heap.take(column, bit)
    return bit


class SlotMaker:
    """Makes the LUTs of a chain's slots one after the other.

    Attributes
    ----------
    slots
        (select, generate) of the slots so far.
    """

    def __init__(self, builder: NetlistBuilder) -> None:
        self.builder = builder
        self.slots: list[tuple[int, int]] = []
        self._majority = ZERO
        self._floor: list[Bit] = []
        self._pending = Pending.NOTHING

    def add(self, bits: list[Bit], leaves: Pending) -> None:
        """Add a slot that takes ``bits`` of its column; the last of them may go around the LUT."""
        match self._pending:
            case Pending.FLOOR:
                self._pair(self._floor)
            case Pending.MAJORITY:
                waiting = [] if self._majority == ZERO else [Bit(self._majority)]
                self._sum([*bits, *waiting], leaves)
            case Pending.NOTHING:
                self._sum(bits, leaves)
        self._pending = leaves

    def leftover(self) -> list[Bit]:
        """Hand over the bit that waits for the next column, if any."""
        waits = self._pending is Pending.MAJORITY
        self._pending = Pending.NOTHING
        return [Bit(self._majority)] if waits and self._majority != ZERO else []

    def _sum(self, bits: list[Bit], leaves: Pending) -> None:
        if not bits:
            self.slots.append((ZERO, ZERO))
            return
        *others, around = bits
        terms, rest = unit_terms(bits), unit_terms(others)
        generate = around.net if others else ZERO
        if leaves is Pending.MAJORITY:
            select, self._majority = self.builder.dual((terms, PARITY), (rest, TWOS))
        elif around.inverted:
            select, generate = self.builder.dual((terms, PARITY), (unit_terms([around]), PARITY))
        else:
            select = self.builder.lut(terms, PARITY)
        self._floor = others
        self.slots.append((select, generate))

    def _pair(self, bits: list[Bit]) -> None:
        terms = unit_terms(bits)
        self.slots.append(self.builder.dual((terms, TWOS), (terms, FOURS)))


def unit_terms(bits: Iterable[Bit]) -> list[tuple[Bit, int]]:
    """Give every bit weight 1."""
    return [(bit, 1) for bit in bits]


def apply_chain(builder: NetlistBuilder, heap: Heap, chain: Chain, results: Heap) -> None:
    """Take a chain's bits out of a heap and put its sums into ``results``."""
    if chain.moves == (FULL_ADDER,):
        _full_adder(builder, heap, chain.start, results)
        return
    carry_in = pick_upright(builder, heap, chain.start).net if chain.carries_in else ZERO
    maker = SlotMaker(builder)
    largest = 1 << chain.start if chain.carries_in else 0
    for at, (count, leaves) in enumerate(chain.moves):
        maker.add(pick(builder, heap, chain.start + at, count), leaves)
        largest += count << (chain.start + at)
    sums, carry = builder.chain(carry_in, maker.slots)
    for at, net in enumerate((*sums, carry)):
        if min(largest, heap.high) >> (chain.start + at):
            results.put(chain.start + at, Bit(net))


def _full_adder(builder: NetlistBuilder, heap: Heap, column: int, results: Heap) -> None:
    terms = unit_terms(pick(builder, heap, column, 3))
    total, carry = builder.dual((terms, PARITY), (terms, TWOS))
    for at, net in enumerate((total, carry)):
        if net != ZERO:
            results.put(column + at, Bit(net))


PRICES = (1.5, 1.2, 1.0, 0.8, 0.5, 0.01)
"""Bits per LUT, extra sites weighed, that chains have to take away, the most efficient chains first."""


class Compression:
    """Compresses a heap chain by chain, in waves: a chain reads nothing that its own wave has made.

    So the depth grows with the logarithm of the bits, not with their number.

    Parameters
    ----------
    builder
        Takes the cells.
    heap
        The bits; left alone.
    price
        Bits per LUT at which to stop.

    Attributes
    ----------
    ready
        Bits for this wave.
    late
        Bits for the next one.
    """

    def __init__(self, builder: NetlistBuilder, heap: Heap, price: float = PRICES[-1]) -> None:
        self.builder = builder
        self.ready = heap.copy()
        self.late = Heap()
        self._prices = [step for step in PRICES if step > price] + [price]

    def step(self) -> bool:
        """Apply one more chain; tell whether there was one worth its LUTs."""
        while True:
            chain = best_chain(self.ready, self._prices[0])
            if chain is not None:
                apply_chain(self.builder, self.ready, chain, self.late)
                return True
            if not self.late.columns:
                if len(self._prices) == 1:
                    return False
                del self._prices[0]
            self.ready, self.late = self.heap(), Heap()

    def heap(self) -> Heap:
        """Return all bits as they stand."""
        whole = self.ready.copy()
        for column, bits in self.late.columns.items():
            for bit in bits:
                whole.put(column, bit)
        return whole


def compress(builder: NetlistBuilder, heap: Heap, price: float) -> Heap:
    """Return a heap compressed by chains that take away more than ``price`` bits per LUT."""
    compression = Compression(builder, heap, price)
    while compression.step():
        pass
    return compression.heap()
