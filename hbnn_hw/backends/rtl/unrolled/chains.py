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
from itertools import islice
from typing import NamedTuple

from hbnn_hw.backends.rtl.unrolled.heap import Heap
from hbnn_hw.backends.rtl.unrolled.netlist import LUT_INPUTS, ONE, ZERO, Bit, Function, NetlistBuilder, Output

PARITY = Function(Output.BIT, 0)
TWOS = Function(Output.BIT, 1)
FOURS = Function(Output.BIT, 2)


class SiteCosts(NamedTuple):
    """What the sites that a chain takes besides its LUTs cost, in LUTs.

    Attributes
    ----------
    majority
        That of a majority.
    end
        That of a chain's end.
    entry
        That of a net which enters a first slot of six bits.
    """

    majority: float
    end: float
    entry: float


SITE_COSTS = SiteCosts(0.75, 0.75, 0.35)
"""Found on the layers of ``benchmarks/unrolled_area.py``."""


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


def best_chain(heap: Heap, price: float, costs: SiteCosts = SITE_COSTS) -> Chain | None:
    """Find the chain that makes the most bits vanish, where each LUT is worth ``price`` bits.

    Returns None if none is worth its LUTs.
    """
    if not heap.columns:
        return None
    first = min(heap.columns)
    columns = [heap.columns.get(column, ()) for column in range(first, heap.top + 3)]
    chain = _best_chain(
        tuple(min(len(column), HIGHEST) for column in columns),
        tuple(
            sum(1 for _ in islice((bit for bit in column if not bit.inverted), UPRIGHT)) for column in columns
        ),
        price,
        costs,
    )
    return chain and replace(chain, start=first + chain.start)


def _upright(bits: Iterable[Bit]) -> int:
    """Count upright bits, as far as they matter."""
    return sum(1 for _ in islice((bit for bit in bits if not bit.inverted), UPRIGHT))


class _Slot(NamedTuple):
    """A move with its value."""

    value: float
    taken: int
    leaves: Pending
    needs_upright: bool


_Slots = tuple[tuple[_Slot, ...], ...]


@lru_cache(maxsize=64)
def _slots(price: float, costs: SiteCosts) -> _Slots:
    """List by what is pending the moves of a chain that comes from below, and what each is worth."""
    return tuple(
        tuple(
            _Slot(
                count - 1 - price * (1 + costs.majority * (leaves is Pending.MAJORITY)),
                count,
                leaves,
                pending is Pending.NOTHING and count > 2,
            )
            for count, leaves in MOVES[pending]
        )
        for pending in Pending
    )


@lru_cache(maxsize=1 << 16)
def _best_chain(
    heights: tuple[int, ...], upright: tuple[int, ...], price: float, costs: SiteCosts
) -> Chain | None:
    """Search all chains by dynamic programming from the top column; columns count from the lowest."""
    slots = _slots(price, costs)
    # best[pending] at the column above: value, and the move there; only what leaves nothing may stop.
    best: list[list[_Option]] = [[_Option(0.0, None), _DEAD, _DEAD]]
    found: tuple[float, int, bool, Move] | None = None
    for at in range(len(heights) - 1, -1, -1):
        above, height = best[-1], heights[at]
        for carries in (False, True):
            for slot in slots[Pending.NOTHING]:
                if slot.taken + carries > height or upright[at] < slot.needs_upright + carries:
                    continue
                ends = costs.end + costs.entry * (carries and slot.taken == LUT_INPUTS)
                value = above[slot.leaves].value + slot.value - 1 + carries - price * ends
                if value > (found[0] if found else 0.0) + 1e-9:
                    found = (value, at, carries, (slot.taken, slot.leaves))
        if height > 2 and 1 - price > (found[0] if found else 0.0) + 1e-9:
            found = (1 - price, at, True, FULL_ADDER)
        best.append(
            [_continuation(slots[pending], pending, height, upright[at], above) for pending in Pending]
        )
    return None if found is None else _trace(found, best, len(heights))


FULL_ADDER: Move = (3, Pending.NOTHING)
"""Three bits of a column in one LUT with two outputs, with no carry chain."""


def _continuation(
    slots: Iterable[_Slot], pending: Pending, height: int, upright: int, above: list[_Option]
) -> _Option:
    """Choose the best slot at a column for a chain that comes from below."""
    value, found = (_DEAD.value if pending else 0.0), None
    for slot in slots:
        worth = above[slot.leaves].value + slot.value
        if worth > value and slot.taken <= height and upright >= slot.needs_upright:
            value, found = worth, slot
    return _Option(value, found and (found.taken, found.leaves))


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


def arrange(builder: NetlistBuilder, heap: Heap) -> None:
    """Order the bits of every column, the earliest first."""
    levels = builder.levels
    for bits in heap.columns.values():
        bits.sort(key=lambda bit: (levels[bit[0]] if bit[0] >= 0 else 0.0, bit))


def pick(heap: Heap, column: int, count: int) -> list[Bit]:
    """Take the first bits out of a column; the last of them is upright if any of the column is."""
    bits = heap.columns.get(column, [])
    chosen = bits[:count]
    del bits[:count]
    if chosen and all(bit.inverted for bit in chosen):
        upright = next((at for at, bit in enumerate(bits) if not bit.inverted), None)
        if upright is not None:
            first = chosen.pop()
            chosen.append(bits.pop(upright))
            bits.insert(0, first)
    if not bits:
        heap.columns.pop(column, None)
    upright_at = [at for at, bit in enumerate(chosen) if not bit.inverted]
    if upright_at:
        chosen.append(chosen.pop(upright_at[-1]))
    return chosen


def pick_upright(heap: Heap, column: int) -> Bit:
    """Take one upright bit out of a column, a constant or the last."""
    bits = heap.columns[column]
    constant = Bit(ONE)
    bit = constant if constant in bits else next(bit for bit in reversed(bits) if not bit.inverted)
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
    carry_in = pick_upright(heap, chain.start).net if chain.carries_in else ZERO
    maker = SlotMaker(builder)
    largest = 1 << chain.start if chain.carries_in else 0
    for at, (count, leaves) in enumerate(chain.moves):
        maker.add(pick(heap, chain.start + at, count), leaves)
        largest += count << (chain.start + at)
    sums, carry = builder.chain(carry_in, maker.slots)
    for at, net in enumerate((*sums, carry)):
        if min(largest, heap.high) >> (chain.start + at):
            results.put(chain.start + at, Bit(net))


def _full_adder(builder: NetlistBuilder, heap: Heap, column: int, results: Heap) -> None:
    terms = unit_terms(pick(heap, column, 3))
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
    costs
        What sites cost besides LUTs.

    Attributes
    ----------
    ready
        Bits for this wave.
    late
        Bits for the next one.
    """

    def __init__(
        self,
        builder: NetlistBuilder,
        heap: Heap,
        price: float = PRICES[-1],
        costs: SiteCosts = SITE_COSTS,
    ) -> None:
        self.builder = builder
        self.ready = heap.copy()
        arrange(builder, self.ready)
        self.late = Heap()
        self._costs = costs
        self._prices = [step for step in PRICES if step > price] + [price]

    def step(self) -> bool:
        """Apply one more chain; tell whether there was one worth its LUTs."""
        while True:
            chain = best_chain(self.ready, self._prices[0], self._costs)
            if chain is not None:
                apply_chain(self.builder, self.ready, chain, self.late)
                return True
            if not self.late.columns:
                if len(self._prices) == 1:
                    return False
                del self._prices[0]
            self.ready, self.late = self.heap(), Heap()
            arrange(self.builder, self.ready)

    @property
    def tallest(self) -> int:
        """Most bits in a column."""
        late = self.late.columns
        # Columns of late bits alone are lower than those that they came from.
        return max(
            (len(bits) + len(late.get(column, ())) for column, bits in self.ready.columns.items()), default=0
        )

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
