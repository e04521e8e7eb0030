"""What ends a row: a comparison of its bit heap with a constant, or its sum as a number.

A comparison needs carries only. A slot of the carry chain may then look at several columns at once, a
window of w columns: of the sum d of up to five bits, ``select`` tells d = 2**w - 1 and ``generate`` d >=
2**w, as long as d and the carry reach less than 2**(w + 1). The last window is a LUT with the carry as its
sixth input, which also gives the complement for nothing.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache

from hbnn_hw.backends.rtl.unrolled.chains import (
    HIGHEST,
    SITE_COSTS,
    Compression,
    Pending,
    SiteCosts,
    SlotMaker,
    arrange,
    pick,
    pick_upright,
    unit_terms,
)
from hbnn_hw.backends.rtl.unrolled.heap import Heap
from hbnn_hw.backends.rtl.unrolled.netlist import (
    DUAL_INPUTS,
    LUT_INPUTS,
    ONE,
    ZERO,
    Bit,
    Function,
    Lut,
    Mark,
    NetlistBuilder,
    Output,
)
from hbnn_hw.backends.rtl.unrolled.sites import cell_sites

INFEASIBLE = 1 << 30

COMPARISON_COSTS = (SITE_COSTS, SiteCosts(1, 1, 0.5), SiteCosts(0, 0, 0))
"""What sites may cost when a sum is compared; the cheapest comparison is built."""


@dataclass(frozen=True, slots=True)
class _Heights:
    """A heap as counts per column, from its first column on: bits without constants, upright bits, ones.

    ``over`` bits stand above the top column; they decide by themselves.
    """

    bits: tuple[int, ...]
    upright: tuple[int, ...]
    ones: tuple[int, ...]
    over: int

    @classmethod
    def of(cls, heap: Heap, first: int, top: int) -> _Heights:
        columns = [heap.columns.get(column, []) for column in range(first, top)]
        ones = tuple(sum(bit.is_constant for bit in column) for column in columns)
        upright = tuple(sum(not bit.inverted for bit in column) for column in columns)
        return cls(
            tuple(len(column) - one for column, one in zip(columns, ones, strict=True)),
            upright,
            ones,
            len(heap.columns.get(top, ())),
        )


@dataclass(frozen=True, slots=True)
class _Step:
    """A slot: ``window`` columns at once, or (window 0) all bits of one column, leaving something pending."""

    window: int
    leaves: Pending = Pending.NOTHING


@dataclass(frozen=True, slots=True)
class _Course:
    """Slots from the lowest column to the top, and their LUTs."""

    luts: int
    steps: tuple[_Step, ...]


_NO_COURSE = _Course(INFEASIBLE, ())


def _windows(heights: _Heights, at: int, pending: bool, carries: bool) -> list[_Step]:
    """List the windows that may start at a column; the widest reaches the top."""
    steps = []
    inputs, largest = int(pending), int(pending)
    room = DUAL_INPUTS if carries else LUT_INPUTS
    for width in range(1, len(heights.bits) - at + 1):
        inputs += heights.bits[at + width - 1]
        largest += (heights.bits[at + width - 1] + heights.ones[at + width - 1]) << (width - 1)
        if inputs > room:
            break
        if at + width == len(heights.bits):
            if inputs + heights.over <= room:
                steps.append(_Step(width))
        elif largest + carries <= (2 << width) - 1:
            steps.append(_Step(width))
    return steps


def _columns(heights: _Heights, at: int, pending: bool) -> list[_Step]:
    """List the ways in which a slot may take the whole of one column without windows."""
    count = heights.bits[at] + heights.ones[at]
    around = pending or heights.upright[at] > 0
    if not around or at + 1 >= len(heights.bits):
        return []
    steps = []
    if 3 - pending <= count <= 4 - pending:
        steps.append(_Step(0, Pending.MAJORITY))
    is_free = heights.bits[at + 1] + heights.ones[at + 1] == 0 and at + 2 < len(heights.bits)
    if is_free and 5 - pending <= count <= 6 - pending:
        steps.append(_Step(0, Pending.FLOOR))
    return steps


def _course(heights: _Heights, carries: bool) -> _Course:
    """Find the fewest LUTs that consume a heap, by dynamic programming from the top column."""

    @cache
    def best(at: int, pending: bool, carries: bool) -> _Course:
        if at == len(heights.bits):
            return _NO_COURSE if pending else _Course(0, ())
        found = _NO_COURSE
        for step in (*_windows(heights, at, pending, carries), *_columns(heights, at, pending)):
            if step.window:
                rest, luts = best(at + step.window, False, True), 1
            elif step.leaves is Pending.MAJORITY:
                rest, luts = best(at + 1, True, True), 1
            else:
                rest, luts = best(at + 2, False, True), 2
            # The last slot has to be a window: only that gives the result as a LUT's output.
            ends_well = rest.steps or step.window
            if ends_well and rest.luts + luts < found.luts:
                found = _Course(rest.luts + luts, (step, *rest.steps))
        return found

    return best(0, False, carries)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a heap is compared: the columns, whether a bit enters as the first carry, and the slots."""

    first: int
    carries_in: bool
    course: _Course


def _compare_plan(heap: Heap, top: int) -> _Plan:
    # Bits that cancel may leave nothing but constants; then the column above all of them decides.
    variable = (column for column, bits in heap.columns.items() if not all(bit.is_constant for bit in bits))
    first = min(variable, default=top)
    for column in [column for column in heap.columns if column < first]:
        del heap.columns[column]
    heights = _Heights.of(heap, first, top)
    if first == top:
        return _Plan(first, False, _Course(int(len(heap.columns.get(top, ())) > 1), ()))
    plain = _Plan(first, False, _course(heights, False))
    if not heights.upright[0]:
        return plain
    candidate = heap.copy()
    bit = _first_carry(candidate, first)
    candidate.take(first, bit)
    carried = _Plan(first, True, _course(_Heights.of(candidate, first, top), True))
    return min(plain, carried, key=lambda plan: plan.course.luts)


def _first_carry(heap: Heap, column: int) -> Bit:
    return max(bit for bit in heap.columns[column] if not bit.inverted)


def at_least(builder: NetlistBuilder, heap: Heap, threshold: int, *, inverted: bool = False) -> int:
    """Make ``(heap >= threshold) != inverted``; return its net or constant.

    Chains compress the heap first, as far as it pays.
    """
    bound = threshold - heap.constant
    if bound <= heap.low or bound > heap.high:
        return ONE if (bound <= heap.low) != inverted else ZERO
    top = max(heap.top, (heap.high - bound).bit_length(), (bound - 1).bit_length())
    shifted = heap.copy()
    shifted.materialize((1 << top) - bound)
    ways = [_best_way(builder, shifted, top, costs) for costs in COMPARISON_COSTS]
    way = min(ways, key=lambda way: way.cost)
    compression = Compression(builder, shifted, costs=way.costs)
    for _ in range(way.n_chains):
        compression.step()
    return _build_comparison(builder, compression.heap(), top, inverted)


@dataclass(frozen=True, slots=True)
class _Way:
    """How a heap is compressed before it is compared, and its LUTs and sites together."""

    cost: int
    costs: SiteCosts
    n_chains: int


def _best_way(builder: NetlistBuilder, heap: Heap, top: int, costs: SiteCosts) -> _Way:
    """Find how many chains should compress a heap before it is compared."""
    start = builder.mark()
    compression = Compression(builder, heap, costs=costs)
    best = _Way(INFEASIBLE, costs, 0)
    for count in itertools.count():
        if compression.tallest <= HIGHEST:
            rest = compression.heap()
            luts = _compare_plan(rest, top).course.luts
            if luts < INFEASIBLE:
                way = _Way(2 * luts + _cost(builder, start, rest), costs, count)
                best = min(best, way, key=lambda way: way.cost)
        if not compression.step():
            break
    builder.take_back(start)
    return best


def _cost(builder: NetlistBuilder, start: Mark, heap: Heap) -> int:
    """Count LUTs and sites of what was made since a mark for a heap's bits."""
    made = builder.since(start)
    luts = sum(isinstance(cell, Lut) for cell in made)
    return luts + cell_sites(made, [bit.net for bits in heap.columns.values() for bit in bits])


def _build_comparison(builder: NetlistBuilder, heap: Heap, top: int, inverted: bool) -> int:
    plan = _compare_plan(heap, top)
    arrange(builder, heap)
    if plan.first == top:
        return builder.lut(unit_terms(heap.columns.get(top, ())), Function(Output.AT_LEAST, 1, inverted))
    carry = ZERO
    if plan.carries_in:
        bit = _first_carry(heap, plan.first)
        heap.take(plan.first, bit)
        carry = bit.net
    maker = SlotMaker(builder)
    column = plan.first
    carries = plan.carries_in
    for step in plan.course.steps:
        if not step.window:
            bits = pick(heap, column, len(heap.columns.get(column, ())))
            maker.add(bits, step.leaves)
            column += 1
            if step.leaves is Pending.FLOOR:
                maker.add([], Pending.NOTHING)
                column += 1
            carries = True
            continue
        terms = [(bit, 1) for bit in maker.leftover()]
        for at in range(step.window):
            terms += [(bit, 1 << at) for bit in heap.columns.get(column + at, ())]
        column += step.window
        full = 1 << step.window
        if column == top:
            terms += [(bit, full) for bit in heap.columns.get(top, ())]
            if maker.slots:
                _, carry = builder.chain(carry, maker.slots)
            last = [] if carry == ZERO else [(Bit(carry), 1)]
            return builder.lut([*terms, *last], Function(Output.AT_LEAST, full, inverted))
        if not carries:
            carry = builder.lut(terms, Function(Output.AT_LEAST, full))
        else:
            maker.slots.append(
                builder.dual(
                    (terms, Function(Output.EQUALS, full - 1)), (terms, Function(Output.AT_LEAST, full))
                )
            )
        carries = True
    raise AssertionError("a comparison ends with a window")


def resolve(builder: NetlistBuilder, heap: Heap) -> Heap:
    """Add a heap up: the same value with at most one bit in a column."""
    compression = Compression(builder, heap)
    while True:
        working = compression.heap()
        is_added = max(map(len, working.columns.values()), default=0) < 2
        if is_added or _final_adder(builder, working):
            return working
        if not compression.step():
            raise AssertionError("a heap that no chain compresses can be added up")


def _final_adder(builder: NetlistBuilder, heap: Heap) -> bool:
    """Add all columns up in one chain, if none is too high for it; tell whether it was done."""
    first = min(column for column, bits in heap.columns.items() if len(bits) > 1)
    top = heap.top
    for carries_in in (True, False):
        counts = {column: len(heap.columns.get(column, ())) for column in range(first, top)}
        counts[first] -= carries_in
        if carries_in and not any(not bit.inverted for bit in heap.columns[first]):
            continue
        moves = _adder_moves(heap, counts, carries_in)
        if moves is None:
            continue
        _apply_adder(builder, heap, first, carries_in, moves)
        return True
    return False


def _adder_moves(heap: Heap, counts: dict[int, int], carries_in: bool) -> list[Pending] | None:
    """Choose what every column leaves pending, or None if the chain cannot take all of some column."""
    columns = sorted(counts)
    moves: list[Pending] = []
    pending = Pending.NOTHING
    for column in columns:
        count = counts[column] + (pending is Pending.MAJORITY)
        upright = sum(not bit.inverted for bit in heap.columns.get(column, ()))
        around = pending is Pending.MAJORITY or upright > (carries_in and column == columns[0])
        if pending is Pending.FLOOR:
            if count:
                return None
            pending = Pending.NOTHING
        elif count <= 2:
            pending = Pending.NOTHING
        elif count <= 4 and around:
            pending = Pending.MAJORITY
        elif count <= 6 and around:
            pending = Pending.FLOOR
        else:
            return None
        moves.append(pending)
    if pending is not Pending.NOTHING:
        moves.append(Pending.NOTHING)
    return moves


def _apply_adder(
    builder: NetlistBuilder, heap: Heap, first: int, carries_in: bool, moves: list[Pending]
) -> None:
    arrange(builder, heap)
    carry_in = pick_upright(heap, first).net if carries_in else ZERO
    maker = SlotMaker(builder)
    for at, leaves in enumerate(moves):
        maker.add(pick(heap, first + at, len(heap.columns.get(first + at, ()))), leaves)
    sums, carry = builder.chain(carry_in, maker.slots)
    for at, net in enumerate((*sums, carry)):
        if heap.high >> (first + at):
            heap.put(first + at, Bit(net))
