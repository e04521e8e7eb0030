"""Sliding window: what a window sees at every place, from a ring of image rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

from amaranth.hdl import Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.loops import Loop, all_last, loop, nest
from hbnn_hw.backends.rtl.rom import register
from hbnn_hw.backends.rtl.stream_buffers import SkidBuffer
from hbnn_hw.backends.rtl.window_plan import WindowPlan
from hbnn_hw.ops import SlidingWindow
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import TensorType


class StreamSlidingWindow(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """The beats of every window, in the steps of :class:`~hbnn_hw.ops.SlidingWindow`.

    A step takes one clock. ``fill`` steps only take; then each row of places has its steps, in which the
    beats of the next rows are taken at an even pace (``SlidingWindow.reads``). A step that needs an input
    waits for it, and all wait while the output is refused, so that the unit never overwrites what it has
    still to show, and never waits for more than the operator says that it reads.

    Beats are moved as they are, whatever their elements mean. They wait in a ring with synchronous read; its
    words follow from the steps (:class:`WindowPlan`), and the address of the next beat from the last one by
    one addition.

    Latency: ``fill`` steps, then 1 clock to the first output beat; throughput ``SlidingWindow.cycles``
    clocks per image, without a gap between images. Area of 3 × 3 over 34 × 34 pixels of 64 one-bit lanes:
    100 LUT, of which 64 are the output's spare word, 111 flip-flops and one block RAM of 36 kbit.

    Parameters
    ----------
    plan
        Its counts.
    width
        Bits per beat.

    Attributes
    ----------
    i, o
        Streams of the image and of what the windows see.
    """

    def __init__(self, plan: WindowPlan, width: int) -> None:
        self.plan = plan
        self.words = plan.ring_words()
        word = stream.Signature(unsigned(width))
        super().__init__({"i": In(word), "o": Out(word)})

    def elaborate(self, platform: object) -> Module:
        """Build the control, the two addresses and the ring between them."""
        m = Module()
        m.submodules.skid = output = SkidBuffer(len(self.o.payload))
        m.submodules.ring = ring = Memory(shape=self.i.payload.shape(), depth=self.words, init=[])
        write, read = ring.write_port(), ring.read_port()
        advance, step = output.i.ready, Signal()
        takes, keeps, emits = Signal(), Signal(), Signal()
        m.d.comb += [
            step.eq(advance & (~takes | self.i.valid)),
            self.i.ready.eq(advance & takes),
            write.en.eq(step & takes & keeps),
            write.data.eq(self.i.payload),
            read.en.eq(advance),
        ]
        self._control(m, step, (takes, keeps, emits), read.addr)
        self._move(m, write.addr, 1, write.en)
        m.d.comb += [
            output.i.valid.eq(register(m, step & emits, advance, "read_valid")),
            output.i.payload.eq(read.data),
        ]
        wiring.connect(m, output.o, wiring.flipped(self.o))
        return m

    def _control(self, m: Module, step: Value, does: tuple[Value, Value, Value], address: Value) -> None:
        """Walk through the steps of an image: what each of them ``does``, and the address it reads."""
        plan = self.plan
        takes, keeps, emits = does
        filling, due, row_step, row_ends = Signal(init=1), Signal(), Signal(), Signal()
        taken = self._taken(m, step & (due if self._counts_rows else filling), filling, row_ends)
        place_row = loop(m, "place_row", plan.place_rows, row_ends)
        shows, row_shown = Signal(init=1), Signal()
        loops = nest(m, [(walk.name, walk.size) for walk in plan.walks], row_step & shows)
        m.d.comb += [
            row_step.eq(step & ~filling),
            due.eq(filling | self._due(m, row_step)),
            row_shown.eq(row_step & shows & all_last(loops)),
            row_ends.eq(row_shown if plan.written == plan.steps else row_step & (taken == plan.new - 1)),
            takes.eq(due & (filling | ~place_row.last | (taken < plan.left if plan.left else 0))),
            keeps.eq(filling | (~place_row.last & (taken >= plan.skipped if plan.skipped else 1))),
            emits.eq(~filling & shows),
        ]
        m.d.sync += shows.eq(row_ends | (shows & ~row_shown))
        with m.If(row_ends & place_row.last):
            m.d.sync += filling.eq(1)
        with m.Elif(step & (taken == plan.fill - 1)):
            m.d.sync += filling.eq(0)
        self._move(m, address, self._read_move(loops, place_row), row_step & shows)

    @property
    def _counts_rows(self) -> bool:
        """Whether it matters during a row of places which of the new beats is next."""
        plan = self.plan
        return plan.written < plan.steps or plan.skipped + plan.left > 0

    def _taken(self, m: Module, counts: Value, filling: Value, row_ends: Value) -> Value:
        """Count the beats that are due since the image or the row of places began."""
        taken = Signal(range(max(self.plan.fill, self.plan.new if self._counts_rows else 0)), name="taken")
        with m.If(row_ends | (counts & filling & (taken == self.plan.fill - 1))):
            m.d.sync += taken.eq(0)
        with m.Elif(counts):
            m.d.sync += taken.eq(taken + 1)
        return taken

    def _due(self, m: Module, row_step: Value) -> Value:
        """Tell in which steps of a row of places a beat is due: ``new`` of ``steps``, as even as can be.

        The sum of the line-drawing algorithm of Bresenham; after a row of places it is where it began.
        """
        shared = gcd(self.plan.new, self.plan.steps)
        new, steps = self.plan.new // shared, self.plan.steps // shared
        if new == steps:
            return Const(1, 1)
        excess = Signal(range(new - steps, new), name="excess", init=new - steps)
        due = ~excess[-1]
        with m.If(row_step):
            m.d.sync += excess.eq(excess + Mux(due, new - steps, new))
        return due

    def _read_move(self, loops: Sequence[Loop], place_row: Loop) -> Value:
        """Return how far it is to the next beat that is read, from 0 to the ring's words."""
        *moves, to_row, to_image = (beats % self.words for beats in self.plan.moves())
        move: Value = Mux(place_row.last, to_image, to_row)
        for one, beats in zip(reversed(loops), reversed(moves), strict=True):
            move = Mux(one.last, move, beats)
        return move

    def _move(self, m: Module, address: Value, beats: Value | int, enable: Value) -> None:
        """Move an address of the ring on."""
        total = Signal(range(2 * self.words), name=f"{address.name}_total")
        m.d.comb += total.eq(address + beats)
        following: Value = total
        if self.words & (self.words - 1):
            following = Mux(total >= self.words, total - self.words, total)
        with m.If(enable):
            m.d.sync += address.eq(following)


def build(op: SlidingWindow, source: TensorType) -> StreamSlidingWindow:
    """Return the unit of an IR operator.

    Raises
    ------
    FoldingError
        If the lanes do not divide the block.
    """
    return StreamSlidingWindow(WindowPlan.of(op, source), beat_bits(source, op.lanes))
