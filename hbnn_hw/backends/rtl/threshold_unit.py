"""Threshold unit: from an agreement sum to the bits of the next layer."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.compare import at_least
from hbnn_hw.backends.rtl.lut import Fabric
from hbnn_hw.backends.rtl.popcount import PopcountStyle, popcount
from hbnn_hw.backends.rtl.rom import split


def passed_levels(
    m: Module,
    agreement: Value,
    levels: Sequence[Value | int],
    inverted: Value | int,
    name: str,
    fabric: Fabric = Fabric.GENERIC,
) -> Value:
    """Count the levels l with ``(agreement >= levels[l]) != inverted``, combinationally.

    Parameters
    ----------
    m
        Module that takes the logic.
    agreement
        Unsigned sum.
    levels, inverted
        Signals, or constants, from which only the comparison with 0 is left out: it always passes.
    name
        Name of the count's signal.
    fabric
        What comparisons with signals and the count may be made of.
    """
    passed = []
    for at, level in enumerate(levels):
        if isinstance(level, int) or isinstance(inverted, int):
            reached = Const(1) if isinstance(level, int) and level == 0 else agreement >= level
            passed.append(reached ^ inverted)
        else:
            passed.append(at_least(m, fabric, agreement, level, inverted, f"{name}_level{at}"))
    return popcount(m, Cat(*passed), name, PopcountStyle.of(fabric), fabric)


class ThresholdUnit(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """``code = number of levels l with (agreement >= thresholds[l]) != inverted``, combinational.

    A threshold lies in 0 (always) ... K + 1 (never), so it has one bit more than the sum. Area: one carry
    chain of ``agreement_bits + 1`` per level, two bits to a LUT (7-series), and a count of the levels.

    Parameters
    ----------
    agreement_bits
        Width of the unsigned agreement sum.
    levels
        ``2**n - 1`` thresholds, for an n-bit code.

    Attributes
    ----------
    agreement
        The sum.
    constants
        The levels, level 0 in the least significant ``agreement_bits + 1`` bits, then the inversion bit:
        whether the channel fires below its thresholds.
    code
        n bits.
    """

    def __init__(self, agreement_bits: int, levels: int) -> None:
        self.levels = levels
        super().__init__(
            {
                "agreement": In(unsigned(agreement_bits)),
                "constants": In(unsigned(levels * (agreement_bits + 1) + 1)),
                "code": Out(unsigned(levels.bit_length())),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Compare with every level and count."""
        m = Module()
        *levels, inverted = split(self.constants, len(self.agreement) + 1)
        fabric = Fabric.of(platform)
        m.d.comb += self.code.eq(passed_levels(m, self.agreement, levels, inverted, "passed", fabric))
        return m
