"""What the bits of a lane mean: numbers to add, and codes that are compared."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import reduce

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from hbnn_hw.errors import GraphError
from hbnn_hw.types import Bordered, Element, Integers, Planes

TABLE_PLANES = 6
"""Planes up to which a function of a code is a table: one LUT6 per bit."""


def lookup(code: Sequence[Value], words: Sequence[int], width: int) -> Value:
    """Return entry ``code`` (bit 0 first) of ``2 ** len(code)`` words as a tree of multiplexers."""
    if len(set(words)) == 1:
        return Const(words[0] & ((1 << width) - 1), width)
    half = len(words) // 2
    low, high = lookup(code[:-1], words[:half], width), lookup(code[:-1], words[half:], width)
    return Mux(code[-1], high, low)


def check_numbers(element: Element) -> None:
    """Raise GraphError unless elements are integers or planes without a map."""
    if not isinstance(element, Integers):
        planes_of(element)


def planes_of(element: Element) -> Planes:
    """Return the planes of elements; raise GraphError if they are not planes that every element has."""
    planes = element.planes if isinstance(element, Bordered) else element
    if not isinstance(planes, Planes) or planes.mask is not None:
        raise GraphError(f"the elements must be integers or planes without a map, not {element}; decode them")
    return planes


def plane_values(planes: Planes) -> list[int]:
    """Return the number that each code of planes stands for, code 0 first."""
    signs = (
        [2 * (code >> p & 1) - 1 for p in range(planes.n_planes)] for code in range(1 << planes.n_planes)
    )
    return [sum(s * scale for s, scale in zip(row, planes.scales, strict=True)) for row in signs]


def number(m: Module, name: str, lane: Value, element: Element) -> Value:
    """Return the number that a lane stands for, signed if it can be negative.

    Planes turn into numbers by a table; a lane in a frame of nothing does not become 0 here.
    """
    if isinstance(element, Integers):
        return lane.as_signed() if element.signed else lane
    planes = planes_of(element)
    width = Integers(-planes.largest, planes.largest).bits
    result = Signal(width, name=name)
    if planes.n_planes <= TABLE_PLANES:
        m.d.comb += result.eq(lookup(list(lane), plane_values(planes), width))
    else:
        m.d.comb += result.eq(Cat(0, _scaled_bits(lane, planes)) - planes.largest)
    return result.as_signed()


def _scaled_bits(lane: Value, planes: Planes) -> Value:
    """Return ``sum_p scales[p] * bit p``, which rises with the value."""
    return reduce(operator.add, (Mux(bit, scale, 0) for bit, scale in zip(lane, planes.scales, strict=True)))


def order_key(m: Module, name: str, lane: Value, element: Element) -> Value:
    """Return a plain number that is greater where the lane's value is, equal where the values are."""
    if isinstance(element, Integers):
        return Cat(lane[:-1], ~lane[-1]) if element.signed else lane
    planes = planes_of(element)
    if rises_with_code(planes.scales):
        return lane
    if planes.n_planes > TABLE_PLANES:
        key = Signal(planes.largest.bit_length(), name=name)
        m.d.comb += key.eq(_scaled_bits(lane, planes))
        return key
    # Ranks need fewer bits than the values themselves.
    values = plane_values(planes)
    ranks = {value: rank for rank, value in enumerate(sorted(set(values)))}
    key = Signal(range(len(ranks)), name=name)
    m.d.comb += key.eq(lookup(list(lane), [ranks[value] for value in values], len(key)))
    return key


def rises_with_code(scales: Sequence[int]) -> bool:
    """Whether a larger code is always a larger value: each scale is more than all lower ones together."""
    return all(scale > sum(scales[:plane]) for plane, scale in enumerate(scales))
