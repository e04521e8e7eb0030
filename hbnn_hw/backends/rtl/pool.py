"""Pooling over windows that do not overlap, a beat of the image per clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.lane_values import check_numbers
from hbnn_hw.backends.rtl.lanes import check_lanes
from hbnn_hw.backends.rtl.loops import Loop, loop
from hbnn_hw.backends.rtl.output_register import OutputRegister
from hbnn_hw.backends.rtl.reduction import Reduction
from hbnn_hw.backends.rtl.rom import register
from hbnn_hw.backends.rtl.turned_lanes import TurnedLanes
from hbnn_hw.ops import Pool, PoolKind
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import TensorType


@dataclass(frozen=True, slots=True)
class AxisPosition:
    """Where a pixel lies along one axis.

    Attributes
    ----------
    place
        Index of its window.
    first, last
        Whether it is the first or last pixel of a window.
    seen
        Whether a window sees it.
    leaves
        Whether the next pixel belongs to the next window.
    ends
        Whether it is the last pixel of the image.
    """

    place: Value
    first: Value
    last: Value
    seen: Value
    leaves: Value
    ends: Value


def walk_axis(
    m: Module, name: str, size: int, kernel: int, stride: int, places: int, step: Value
) -> AxisPosition:
    """Count the pixels of an axis by windows; move on, and start over, at clocks with ``step``.

    Parameters
    ----------
    m
        Where to count.
    name
        Of the axis.
    size
        Pixels of the image.
    kernel, stride
        Pixels of a window, and from one to the next.
    places
        Windows.
    step
        Move on.
    """
    last_place, last_pixel = divmod(size - 1, stride)
    pixel, place = (
        Signal(range(stride), name=f"{name}_pixel"),
        Signal(range(last_place + 1), name=f"{name}_place"),
    )
    leaves, ends = Signal(name=f"{name}_leaves"), Signal(name=f"{name}_ends")
    m.d.comb += [leaves.eq(pixel == stride - 1), ends.eq((place == last_place) & (pixel == last_pixel))]
    with m.If(step & (ends | leaves)):
        m.d.sync += [pixel.eq(0), place.eq(Mux(ends, 0, place + 1))]
    with m.Elif(step):
        m.d.sync += pixel.eq(pixel + 1)
    seen: Value = Const(1, 1)
    if kernel < stride:
        seen = seen & (pixel < kernel)
    if last_place == places:
        seen = seen & (place != places)
    return AxisPosition(place, pixel == 0, pixel == kernel - 1, seen, leaves, ends)


class StreamPool(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """Maximum, minimum or sum over windows, in the order of the image.

    Unfinished results wait in a memory of one row of windows; where a beat holds a whole pixel, that of the
    current window waits in a register. Clock by clock, a beat passes through

        input register and read → unfinished result, or output register

    Latency 2 clocks from the last beat of a window to its result; throughput one input beat per clock without
    a gap. Area of 2 × 2 over 32 × 32 pixels: 118 LUT, of which 44 are LUT RAM, and 272 flip-flops for 64
    one-bit channels in 64 lanes; 103 LUT, 119 flip-flops and one block RAM of 18 kbit for 64 channels of
    8-bit integers in 4 lanes.

    Parameters
    ----------
    op
        The scheduled operator.
    source
        Type of its input.

    Attributes
    ----------
    i, o
        Streams of the image and of the results.
    """

    def __init__(self, op: Pool, source: TensorType) -> None:
        self.op, self.shape, self.result = op, source.shape, op.infer(source)
        self.pixel_beats = source.shape[2] // op.lanes
        self.turned = TurnedLanes.of(None if op.kind is PoolKind.SUM else op.smallest, op.lanes)
        self.reduction = Reduction(
            op.kind, source.element, self.result.element, op.lanes, turned=self.turned.constant
        )
        (reads,) = op.reads(source)
        # From the last result to the first of the next image as well.
        beats = source.n_elements // op.lanes
        self.spaced = int(np.diff(reads, append=reads[0] + beats).min()) > 1
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(beat_bits(source, op.lanes)))),
                "o": Out(stream.Signature(unsigned(beat_bits(self.result, op.lanes)))),
            }
        )

    @property
    def words(self) -> int:
        """Unfinished results that wait at a time."""
        return self.pixel_beats * (self.result.shape[1] if self.op.kernel[0] > 1 else 1)

    def elaborate(self, platform: object) -> Module:
        """Build the pipeline from front to back."""
        m = Module()
        m.submodules.output = output = OutputRegister(len(self.o.payload), spaced=self.spaced)
        m.submodules.reduction = reduction = self.reduction
        advance, step = output.i.ready, Signal()
        m.d.comb += [self.i.ready.eq(advance), step.eq(advance & self.i.valid)]
        beat, column, row = self._walk(m, step)
        if self.turned.constant is None:
            m.d.comb += reduction.smallest.eq(self.turned.build(m, beat.at, advance))
        valid = register(m, self.i.valid & row.seen & column.seen, advance, "seen_valid")
        begins = register(m, row.first & column.first, step, "begins")
        ends = register(m, row.last & column.last, step, "ends")
        taken = Signal()
        m.d.comb += [
            taken.eq(advance & valid),
            reduction.seen.eq(register(m, self.i.payload, step, "seen")),
            reduction.begins.eq(begins),
            reduction.kept.eq(self._kept(m, (beat, column), advance, step, taken)),
            output.i.payload.eq(reduction.result),
            output.i.valid.eq(valid & ends),
        ]
        wiring.connect(m, output.o, wiring.flipped(self.o))
        return m

    def _walk(self, m: Module, step: Value) -> tuple[Loop, AxisPosition, AxisPosition]:
        """Count beats, columns and rows of the image."""
        (rows, columns, _), (place_rows, places, _) = self.shape, self.result.shape
        kernel, stride = self.op.kernel, self.op.stride
        beat = loop(m, "beat", self.pixel_beats, step)
        pixel = step & beat.last
        column = walk_axis(m, "column", columns, kernel[1], stride[1], places, pixel)
        row = walk_axis(m, "row", rows, kernel[0], stride[0], place_rows, pixel & column.ends)
        return beat, column, row

    def _kept(
        self, m: Module, at: tuple[Loop, AxisPosition], advance: Value, step: Value, taken: Value
    ) -> Value:
        """Add the memory of unfinished results; return that of the beat in the input register."""
        result = self.reduction.result
        if max(self.op.kernel) == 1:
            return Const(0, len(result))
        if self.words == 1:
            return register(m, result, taken, "unfinished")
        beat, column = at
        m.submodules.unfinished = memory = Memory(shape=unsigned(len(result)), depth=self.words, init=[])
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            read.addr.eq(self._address(m, beat, column, step)),
            read.en.eq(advance),
            write.addr.eq(register(m, read.addr, step, "write_address")),
            write.en.eq(taken),
            write.data.eq(result),
        ]
        if self.pixel_beats > 1 or self.op.kernel[1] == 1:
            return read.data
        # The next beat already needs this result: it would come out of the memory a clock late.
        fresh = register(m, result, taken, "unfinished_pixel")
        return Mux(register(m, column.first, step, "begins_row"), read.data, fresh)

    def _address(self, m: Module, beat: Loop, column: AxisPosition, step: Value) -> Value:
        """Return where the result of a beat waits: ``place * pixel_beats + beat``, without the product."""
        if self.op.kernel[0] == 1:
            return beat.at
        if self.pixel_beats == 1:
            return column.place
        if self.pixel_beats & (self.pixel_beats - 1) == 0:
            return Cat(beat.at, column.place)
        first = Signal(range(self.words + self.pixel_beats), name="place_address")
        with m.If(step & beat.last & (column.ends | column.leaves)):
            m.d.sync += first.eq(Mux(column.ends, 0, first + self.pixel_beats))
        return first + beat.at


def build(op: Pool, source: TensorType) -> StreamPool:
    """Return the unit of an IR operator.

    Raises
    ------
    FoldingError
        If the lanes do not divide the channels.
    GraphError
        If the elements are planes with a map.
    """
    check_lanes(op.lanes, source.shape[2])
    check_numbers(source.element)
    return StreamPool(op, source)
