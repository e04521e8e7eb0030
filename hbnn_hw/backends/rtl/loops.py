"""Nested counters: where in a row-major order the next clock works, without divisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Const, Module, Mux, Signal, Value


@dataclass(frozen=True, slots=True)
class Loop:
    """One counter of a nest.

    Attributes
    ----------
    at
        Its value, from 0.
    last
        Whether that is its largest value.
    """

    at: Value
    last: Value


def loop(m: Module, name: str, size: int, step: Value) -> Loop:
    """Add a counter of ``size`` values that moves on, and starts over, at clocks with ``step``."""
    if size == 1:
        return Loop(Const(0, 1), Const(1, 1))
    at = Signal(range(size), name=name)
    last = Signal(name=f"{name}_last")
    m.d.comb += last.eq(at == size - 1)
    with m.If(step):
        m.d.sync += at.eq(Mux(last, 0, at + 1))
    return Loop(at, last)


def nest(m: Module, sizes: Sequence[tuple[str, int]], step: Value) -> tuple[Loop, ...]:
    """Add counters (name, size), the fastest first; each moves on when all before it start over."""
    loops = []
    for name, size in sizes:
        loops.append(loop(m, name, size, step))
        step = step & loops[-1].last
    return tuple(loops)


def all_last(loops: Sequence[Loop]) -> Value:
    """Whether all counters start over at their next step."""
    last: Value = Const(1, 1)
    for one in loops:
        last = last & one.last
    return last
