"""Processing element: XNOR, mask, popcount and accumulation of one row at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add, or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.agreements import agreement_addends
from hbnn_hw.backends.rtl.lut import Fabric
from hbnn_hw.backends.rtl.popcount import PopcountStyle, popcount, sum_of_products
from hbnn_hw.backends.rtl.rom import register


def agreement_counts(
    m: Module, weights: Value, mask: Value | None, lanes: Value, n_planes: int, style: PopcountStyle
) -> list[Value]:
    """Count, for every input plane, the lanes whose bit equals the weight bit, combinationally.

    Parameters
    ----------
    m
        Module that takes the logic.
    weights, mask
        One bit per lane; no mask counts all lanes.
    lanes
        Input elements: plane q of lane i is bit ``i * n_planes + q``.
    n_planes
        Input planes.
    style
        Structure of the popcounts.

    Returns
    -------
    list of Signal
        One count per input plane.
    """
    counts = []
    for plane in range(n_planes):
        agree = ~(weights ^ lanes[plane::n_planes])
        kept = agree if mask is None else agree & mask
        counts.append(popcount(m, kept, f"count{plane}", style))
    return counts


def agreement_sum(
    m: Module, weights: Value, mask: Value | None, lanes: Value, scales: Sequence[int], fabric: Fabric
) -> Value:
    """Add ``sum_q a_q popcount(~(w ^ x_q) & m)`` in one heap of compressors, combinationally.

    Parameters
    ----------
    m
        Module that takes the logic.
    weights, mask
        One bit per lane; no mask counts all lanes.
    lanes
        Input elements: plane q of lane i is bit ``i * len(scales) + q``.
    scales
        a_q, one per input plane; every bit of a_q puts the plane's lanes into the heap once.
    fabric
        What the compressors may be made of.

    Returns
    -------
    Signal
        The sum.
    """
    inputs = Cat(weights, lanes) if mask is None else Cat(weights, lanes, mask)
    addends = agreement_addends(len(weights), scales, mask is not None)
    return sum_of_products(m, inputs, addends, "agreement_sum", PopcountStyle.COMPRESSED, fabric)


def times(value: Value, factor: int) -> Value:
    """Multiply by a positive constant with shifts and adders; synthesis makes no DSP slice of these."""
    return reduce(add, [value << bit for bit in range(factor.bit_length()) if factor >> bit & 1])


def weighted_sum(counts: Sequence[Value], scales: Sequence[int]) -> Value:
    """Add counts with positive integer factors."""
    return reduce(add, [times(count, scale) for count, scale in zip(counts, scales, strict=True)])


class XnorPopcountPe(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """``simd`` lanes of one weight plane against all input planes, accumulated over steps.

    Every step adds ``c * sum_q a_q popcount(~(w ^ x_q) & m)`` to the agreement sum, where c is the
    coefficient of the step's weight plane. Source: HBNN section 4, in the exact integer form that counts
    agreements; its constant part is in the thresholds. Next to a frame of nothing the sum is in halves: a
    word adds twice its agreements, or, outside, as many as it has entries.

    Latency 3 clocks with ``advance`` high (counts, contribution, accumulator), one step per clock. Area
    (Yosys, 7-series): 1.16 LUTs per lane and input plane, as an adder tree 2.2; one per place of the sum;
    flip-flops for counts, contribution and accumulator.

    Parameters
    ----------
    simd
        Lanes.
    scales
        a_q, one per input plane.
    coefficients
        c_p, one per weight plane.
    masked
        Whether lanes may be masked; otherwise there is no ``mask`` port.
    accumulator_bits
        Width of the agreement sum.
    style
        Structure of the popcounts; None takes the fabric's.
    halves
        Whether words may lie in a frame of nothing.

    Attributes
    ----------
    advance
        Clock enable of the whole element.
    weights, mask, lanes
        Operands of a step.
    plane
        Weight plane of the step whose operands came one clock earlier.
    outside, population
        Whether the word of that step lies in the frame, and how many entries its mask has.
    accumulate, restart
        Whether the step whose operands came two clocks earlier is real, and whether it starts a new sum.
    agreement
        The sum.
    """

    def __init__(
        self,
        simd: int,
        scales: Sequence[int],
        coefficients: Sequence[int],
        masked: bool,
        accumulator_bits: int,
        style: PopcountStyle | None = None,
        halves: bool = False,
    ) -> None:
        self.scales = tuple(scales)
        self.coefficients = tuple(coefficients)
        self.masked = masked
        self.style = style
        self.halves = halves
        ports = {
            "advance": In(1),
            "weights": In(unsigned(simd)),
            "lanes": In(unsigned(simd * len(self.scales))),
            "accumulate": In(1),
            "restart": In(1),
            "agreement": Out(unsigned(accumulator_bits)),
        }
        if masked:
            ports["mask"] = In(unsigned(simd))
        if len(self.coefficients) > 1:
            ports["plane"] = In(range(len(self.coefficients)))
        if halves:
            ports["outside"] = In(1)
        if halves and masked:
            ports["population"] = In(range(simd + 1))
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        """Build the three stages."""
        m = Module()
        mask = self.mask if self.masked else None
        counts, factors = self._counts(m, mask, Fabric.of(platform))
        staged = [register(m, count, self.advance, f"stage_{count.name}") for count in counts]
        product = self._contribution(m, self._halves(weighted_sum(staged, factors)))
        contribution = Signal(len(self.agreement))
        with m.If(self.advance):
            m.d.sync += contribution.eq(product)
        with m.If(self.advance & self.accumulate):
            # In this order a place of the adder is one LUT: the contribution enters its carry chain directly.
            m.d.sync += self.agreement.eq(contribution + Mux(self.restart, 0, self.agreement))
        return m

    def _halves(self, total: Value) -> Value:
        """Count in halves next to a frame of nothing, where every entry is half an agreement."""
        if not self.halves:
            return total
        population = self.population if self.masked else Const(len(self.weights))
        return Mux(self.outside, times(population, sum(self.scales)), total << 1)

    def _counts(self, m: Module, mask: Value | None, fabric: Fabric) -> tuple[list[Value], tuple[int, ...]]:
        """Count agreements; return counts and the factors that they still lack."""
        style = self.style or PopcountStyle.of(fabric)
        if style is PopcountStyle.COMPRESSED:
            return [agreement_sum(m, self.weights, mask, self.lanes, self.scales, fabric)], (1,)
        n_planes = len(self.scales)
        return agreement_counts(m, self.weights, mask, self.lanes, n_planes, style), self.scales

    def _contribution(self, m: Module, total: Value) -> Value:
        """Multiply by the coefficient of the step's plane: shifted totals, let through where its bit is 1.

        Written out, because synthesis merges a choice between constant multiples into one multiplier and
        spends a DSP slice on it.
        """
        named = Signal(len(total), name="total")
        m.d.comb += named.eq(total)
        terms = [
            Mux(self._has_bit(bit), named << bit, 0) for bit in range(max(self.coefficients).bit_length())
        ]
        return reduce(add, terms)

    def _has_bit(self, bit: int) -> Value:
        """Tell whether the coefficient of the step's plane has a bit."""
        planes = [p for p, coefficient in enumerate(self.coefficients) if coefficient >> bit & 1]
        if len(planes) in (0, len(self.coefficients)):
            return Const(len(planes) > 0, 1)
        return reduce(or_, [self.plane == plane for plane in planes])
