"""Frames around images, of a constant beat: what :mod:`pad` and :mod:`pad_planes` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from amaranth.hdl import Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.lanes import check_lanes
from hbnn_hw.backends.rtl.loops import loop
from hbnn_hw.backends.rtl.output_register import OutputRegister


@dataclass(frozen=True, slots=True)
class FrameAxis:
    """One axis of a framed image.

    Attributes
    ----------
    name
        What is counted.
    before, inside, after
        Steps in front of, in and behind the image; there is at least one inside.
    """

    name: str
    before: int
    inside: int
    after: int

    def build(self, m: Module, step: Value) -> tuple[Value, Value]:
        """Count at clocks with ``step``; return whether this is inside and whether the axis ends."""
        size = self.before + self.inside + self.after
        counter = loop(m, self.name, size, step)
        if size == self.inside:
            return Const(1, 1), counter.last
        # A register instead of two comparisons: the input's ready depends on it.
        inside = Signal(name=f"inside_{self.name}", init=int(not self.before))
        begins, ends = (self.before - 1) % size, self.before + self.inside - 1
        with m.If(step & (counter.at == begins)):
            m.d.sync += inside.eq(1)
        with m.If(step & (counter.at == ends)):
            m.d.sync += inside.eq(0)
        return inside, counter.last


class Frame(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """A beat of the framed image per clock, taken from the source inside and constant around it.

    Latency 1 clock; throughput one beat of the framed image per clock, without a gap between images. The
    frame above an image needs no input and is written ahead of it. Area of one pixel around 32 × 32 pixels
    of 64 one-bit channels in 16 lanes: 55 LUT and 50 flip-flops; of 16 channels of 8-bit integers in
    4 lanes: 87 LUT and 82 flip-flops.

    Parameters
    ----------
    width_in, width_out
        Bits of the beats.
    axes
        Beats of a pixel, columns and rows, in this order.
    outside
        The output beat around the image.
    inside
        Makes an output beat of an input beat, combinationally.

    Attributes
    ----------
    i, o
        Streams of the image and of the framed image.
    """

    def __init__(
        self,
        width_in: int,
        width_out: int,
        axes: Sequence[FrameAxis],
        outside: int,
        inside: Callable[[Module, Value], Value],
    ) -> None:
        self.axes, self.outside, self.inside = tuple(axes), outside, inside
        super().__init__(
            {"i": In(stream.Signature(unsigned(width_in))), "o": Out(stream.Signature(unsigned(width_out)))}
        )

    def elaborate(self, platform: object) -> Module:
        """Build the counters in front of the output register."""
        m = Module()
        width = len(self.o.payload)
        m.submodules.output = output = OutputRegister(width)
        inside, step = Signal(), Signal()
        nested: Value = step
        inside_all: Value = Const(1, 1)
        for axis in self.axes:
            inside_axis, ends = axis.build(m, nested)
            nested, inside_all = nested & ends, inside_all & inside_axis
        m.d.comb += [
            inside.eq(inside_all),
            self.i.ready.eq(output.i.ready & inside),
            output.i.valid.eq(~inside | self.i.valid),
            step.eq(output.i.valid & output.i.ready),
            output.i.payload.eq(
                Mux(inside, self.inside(m, self.i.payload), Const(self.outside, unsigned(width)))
            ),
        ]
        wiring.connect(m, output.o, wiring.flipped(self.o))
        return m


def frame_axes(
    shape: tuple[int, ...], padding: tuple[int, ...], channels: tuple[int, ...], lanes: int
) -> tuple[FrameAxis, ...]:
    """Return the axes of an image (rows, columns, channels) in a frame.

    Parameters
    ----------
    shape
        The image.
    padding
        Pixels (top, bottom, left, right).
    channels
        Channels (before, after).
    lanes
        Elements per beat.

    Raises
    ------
    FoldingError
        If the lanes do not divide all counts of channels.
    """
    check_lanes(lanes, shape[2], *channels)
    top, bottom, left, right = padding
    before, after = (count // lanes for count in channels)
    return (
        FrameAxis("beat", before, shape[2] // lanes, after),
        FrameAxis("column", left, shape[1], right),
        FrameAxis("row", top, shape[0], bottom),
    )
