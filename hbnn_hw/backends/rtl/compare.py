"""Comparison of two numbers, two bits to a LUT."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value

from hbnn_hw.backends.rtl.lut import Fabric, carry_chain, lut_pair
from hbnn_hw.backends.rtl.truth_tables import truth_table

_SAME = truth_table(4, lambda a0, a1, b0, b1: (a0, a1) == (b0, b1))
_ABOVE = truth_table(4, lambda a0, a1, b0, b1: a0 + 2 * a1 > b0 + 2 * b1)


def at_least(m: Module, fabric: Fabric, value: Value, level: Value, inverted: Value, name: str) -> Value:
    """``(value >= level) != inverted`` of unsigned numbers, combinationally.

    Area on a fabric of LUTs: one for two bits, half of what synthesis takes for the comparison; the inversion
    is the last place of its carry chain.

    Parameters
    ----------
    m, fabric
        Module that takes the logic, and what that may be made of.
    value, level
        The numbers; the shorter one is extended.
    inverted
        One bit.
    name
        Name of the result's signal.
    """
    result = Signal(name=name)
    if fabric is Fabric.GENERIC:
        m.d.comb += result.eq((value >= level) ^ inverted)
        return result
    width = max(len(value), len(level))
    width += width % 2
    a, b = (Cat(number, Const(0, width - len(number))) for number in (value, level))
    propagate, generate = [], []
    for at in range(0, width, 2):
        pins = [a[at], a[at + 1], b[at], b[at + 1]]
        above, same = lut_pair(m, fabric, (_ABOVE, _SAME), pins, (f"{name}_above{at}", f"{name}_same{at}"))
        propagate.append(same)
        generate.append(above)
    one = Const(1, 1)  # equal numbers hand on that the value is at least the level
    chain = carry_chain(m, fabric, one, Cat(*propagate, inverted), Cat(*generate, Const(0, 1)), name)
    m.d.comb += result.eq(chain[-1])
    return result
