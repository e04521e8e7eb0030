"""Processing element: XNOR, mask, popcount and accumulation of one row at a time."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.popcount import PopcountStyle, popcount
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


def weighted_sum(counts: Sequence[Value], scales: Sequence[int]) -> Value:
    """Add counts with positive integer factors."""
    terms = [count * scale if scale > 1 else count for count, scale in zip(counts, scales, strict=True)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


class XnorPopcountPe(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """``simd`` lanes of one weight plane against all input planes, accumulated over steps.

    Every step adds ``c * sum_q a_q popcount(~(w ^ x_q) & m)`` to the agreement sum, where c is the
    coefficient of the step's weight plane. Source: HBNN section 4, in the exact integer form that counts
    agreements; its constant part is in the thresholds.

    Latency 3 clocks with ``advance`` high (counts, contribution, accumulator), one step per clock. Area:
    about 2.2 LUT6 per lane and input plane, two adders, and flip-flops for counts, contribution and
    accumulator.

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
        Structure of the popcounts.

    Attributes
    ----------
    advance
        Clock enable of the whole element.
    weights, mask, lanes
        Operands of a step.
    plane
        Weight plane of the step whose operands came one clock earlier.
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
        style: PopcountStyle = PopcountStyle.TREE,
    ) -> None:
        self.scales = tuple(scales)
        self.coefficients = tuple(coefficients)
        self.masked = masked
        self.style = style
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
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        """Build the three stages."""
        m = Module()
        mask = self.mask if self.masked else None
        counts = agreement_counts(m, self.weights, mask, self.lanes, len(self.scales), self.style)
        staged = [register(m, count, self.advance, f"stage_{count.name}") for count in counts]
        product = self._contribution(m, weighted_sum(staged, self.scales))
        contribution = Signal(len(self.agreement))
        with m.If(self.advance):
            m.d.sync += contribution.eq(product)
        with m.If(self.advance & self.accumulate):
            m.d.sync += self.agreement.eq(Mux(self.restart, 0, self.agreement) + contribution)
        return m

    def _contribution(self, m: Module, total: Value) -> Value:
        """Multiply by the coefficient of the step's plane: a choice between constant multiples."""
        named = Signal(len(total), name="total")
        m.d.comb += named.eq(total)
        first, *others = self.coefficients
        product = named * first
        for plane, coefficient in enumerate(others, start=1):
            product = Mux(self.plane == plane, named * coefficient, product)
        return product
