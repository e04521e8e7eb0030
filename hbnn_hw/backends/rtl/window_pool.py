"""Pooling of what a sliding window shows, a beat per clock."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.lane_values import check_numbers
from hbnn_hw.backends.rtl.loops import loop, nest
from hbnn_hw.backends.rtl.output_register import OutputRegister
from hbnn_hw.backends.rtl.reduction import Reduction
from hbnn_hw.backends.rtl.rom import register
from hbnn_hw.backends.rtl.turned_lanes import TurnedLanes
from hbnn_hw.errors import FoldingError
from hbnn_hw.ops import PoolKind, WindowPool
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import Bordered, TensorType


class StreamWindowPool(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """Maximum, minimum or sum of every ``window`` beats that follow each other.

    The beats of a frame of nothing are left out; a maximum needs no mark for that, since the bits of such
    beats are 0, which no code is below. Clock by clock, a beat passes through

        input register → unfinished result, or output register

    Latency 2 clocks from the last beat of a window to its result; throughput one input beat per clock without
    a gap. Area of the maximum of 9 elements in 16 lanes of two planes: 40 LUT and 105 flip-flops.

    Parameters
    ----------
    op
        The scheduled operator.
    source
        Type of its input.

    Attributes
    ----------
    i, o
        Streams of what the window sees and of the results.
    """

    def __init__(self, op: WindowPool, source: TensorType) -> None:
        self.window = op.window
        self.turned = TurnedLanes.of(None if op.kind is PoolKind.SUM else op.smallest, op.lanes)
        self.sums = op.kind is PoolKind.SUM
        self.skips = isinstance(source.element, Bordered) and (self.sums or self.turned.any)
        result = op.infer(source)
        self.reduction = Reduction(
            op.kind,
            source.element,
            result.element,
            op.lanes,
            turned=self.turned.constant,
            skips=self.skips,
        )
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(beat_bits(source, op.lanes)))),
                "o": Out(stream.Signature(unsigned(beat_bits(result, op.lanes)))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the pipeline from front to back."""
        m = Module()
        m.submodules.output = output = OutputRegister(len(self.o.payload), spaced=self.window > 1)
        m.submodules.reduction = reduction = self.reduction
        advance, step = output.i.ready, Signal()
        m.d.comb += [self.i.ready.eq(advance), step.eq(advance & self.i.valid)]
        element = loop(m, "element", self.window, step)
        if self.turned.constant is None:
            (beat,) = nest(m, [("beat", len(self.turned.words))], step & element.last)
            m.d.comb += reduction.smallest.eq(self.turned.build(m, beat.at, advance))
        seen = register(m, self.i.payload, step, "seen")
        valid = register(m, self.i.valid, advance, "seen_valid")
        ends = register(m, element.last, step, "ends")
        taken = Signal()
        m.d.comb += [taken.eq(advance & valid), reduction.seen.eq(seen[: len(reduction.seen)])]
        self._keep(m, reduction, seen[-1], ends, taken)
        m.d.comb += [
            output.i.payload.eq(reduction.result),
            output.i.valid.eq(valid & ends),
        ]
        wiring.connect(m, output.o, wiring.flipped(self.o))
        return m

    def _keep(self, m: Module, reduction: Reduction, mark: Value, ends: Value, taken: Value) -> None:
        """Keep the unfinished result, and whether the window has shown anything yet."""
        if self.window == 1:
            m.d.comb += [reduction.begins.eq(1), reduction.kept.eq(0)]
            if self.skips:
                m.d.comb += reduction.skip.eq(mark)
            return
        begins = Signal(init=1)
        m.d.comb += [
            reduction.begins.eq(begins),
            reduction.kept.eq(register(m, reduction.result, taken, "unfinished")),
        ]
        following: Value = ends
        if self.skips:
            m.d.comb += reduction.skip.eq(mark)
            # What a maximum begins with has to be a number; a sum begins at 0.
            following = ends if self.sums else ends | (begins & mark)
        with m.If(taken):
            m.d.sync += begins.eq(following)


def build(op: WindowPool, source: TensorType) -> StreamWindowPool:
    """Return the unit of an IR operator.

    Raises
    ------
    FoldingError
        If the lanes are not the channels of a block.
    GraphError
        If the elements are planes with a map.
    """
    if op.lanes != op.block:
        raise FoldingError(
            f"the lanes of a pooling of windows must be its block of {op.block}, not {op.lanes}"
        )
    check_numbers(source.element)
    return StreamWindowPool(op, source)
