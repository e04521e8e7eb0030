"""One step of a pooling: what becomes of a beat of unfinished results when a window sees another beat."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.lane_values import number, order_key
from hbnn_hw.backends.rtl.rom import split
from hbnn_hw.ops import PoolKind
from hbnn_hw.types import Element


class Reduction(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """Maximum, minimum or sum of a kept and a seen element, lane by lane; of equals the kept one stays.

    Combinational. Area of one lane: the maximum of one plane is one LUT, of two planes 2, of 8-bit integers
    14 LUTs and a carry cell; a sum is one LUT and a carry bit per bit of the result.

    Parameters
    ----------
    kind
        Maximum or sum.
    source, result
        Types of the elements that are seen and kept.
    lanes
        Elements per beat.
    turned
        Lanes that take the minimum instead of the maximum; None if a port tells.
    skips
        Whether some beats are left out.

    Attributes
    ----------
    kept, seen
        The two beats.
    begins
        Nothing is kept yet.
    skip
        Leave out what is seen, unless nothing is kept yet; a port with ``skips``. A sum then begins at 0.
    smallest
        Bit i tells that lane i takes the minimum; a port without ``turned``.
    result
        What is kept from now on.
    """

    def __init__(
        self,
        kind: PoolKind,
        source: Element,
        result: Element,
        lanes: int,
        *,
        turned: Sequence[bool] | None,
        skips: bool = False,
    ) -> None:
        self.kind, self.source, self.lanes = kind, source, lanes
        self.turned, self.skips = turned, skips
        ports = {
            "kept": In(unsigned(lanes * result.bits)),
            "seen": In(unsigned(lanes * source.bits)),
            "begins": In(1),
            "result": Out(unsigned(lanes * result.bits)),
        }
        ports |= {"skip": In(1)} if skips else {}
        ports |= {} if turned is not None else {"smallest": In(unsigned(lanes))}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        """Build every lane by itself."""
        m = Module()
        combine = self._sum if self.kind is PoolKind.SUM else self._best
        kept = split(self.kept, len(self.kept) // self.lanes)
        seen = split(self.seen, self.source.bits)
        pairs = zip(kept, seen, strict=True)
        m.d.comb += self.result.eq(Cat(combine(m, lane, *pair) for lane, pair in enumerate(pairs)))
        return m

    @property
    def _skipped(self) -> Value:
        return self.skip if self.skips else Const(0, 1)

    def _sum(self, m: Module, lane: int, kept: Value, seen: Value) -> Value:
        addend = number(m, f"number{lane}", seen, self.source)
        extended = Signal(len(kept), name=f"addend{lane}")
        m.d.comb += extended.eq(Mux(self._skipped, 0, addend))
        total = Signal(len(kept), name=f"sum{lane}")
        m.d.comb += total.eq((kept & ~self.begins.replicate(len(kept))) + extended)
        return total

    def _best(self, m: Module, lane: int, kept: Value, seen: Value) -> Value:
        ours = order_key(m, f"kept_key{lane}", kept, self.source)
        theirs = order_key(m, f"seen_key{lane}", seen, self.source)
        turned = self.smallest[lane] if self.turned is None else Const(self.turned[lane], 1)
        # The order turns round with all bits of both numbers.
        turn = turned.replicate(len(ours))
        better = Signal(name=f"better{lane}")
        m.d.comb += better.eq(self.begins | (~self._skipped & ((theirs ^ turn) > (ours ^ turn))))
        return Mux(better, seen, kept)
