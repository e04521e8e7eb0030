"""Integers on another scale: a fixed-point product and a sum for every element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Value, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.decoded_inputs import as_integers, with_decoders
from hbnn_hw.backends.rtl.pipeline import Pipeline, fields, numbers, signed_field
from hbnn_hw.backends.rtl.rom import concatenate
from hbnn_hw.ops import Rescale
from hbnn_hw.streams import beat_bits
from hbnn_hw.timing import RESCALE_DEPTH
from hbnn_hw.types import Integers, TensorType


@dataclass(frozen=True, slots=True)
class PieceConstants:
    """Knees, multipliers and offsets of every channel, in words.

    Attributes
    ----------
    channels
        Numbers of every channel: the knees, then the multipliers, then the offsets of its pieces.
    widths
        Bits of each of them, two's complement.
    """

    channels: tuple[tuple[int, ...], ...]
    widths: tuple[int, ...]

    @classmethod
    def of(cls, op: Rescale, source: Integers) -> PieceConstants:
        """Collect the constants of an operator; knees are clipped to where they hold always or never."""
        knees = np.clip(op.knees, source.low, source.high + 1)
        tables = [table for table in (knees, op.multipliers, op.offsets) if len(table)]
        widths = [_signed_bits(table) for table in tables for _ in table]
        rows = np.concatenate(tables).T.tolist()
        return cls(tuple(map(tuple, rows)), tuple(widths))

    @property
    def pieces(self) -> int:
        """Number of pieces."""
        return (len(self.widths) + 1) // 3

    @property
    def word_bits(self) -> int:
        """Bits of one channel's constants."""
        return sum(self.widths)

    def words(self, lanes: int) -> list[int]:
        """Return for every beat of a pixel the constants of all its lanes."""
        words = [concatenate(list(zip(row, self.widths, strict=True))) for row in self.channels]
        beats = (words[at : at + lanes] for at in range(0, len(words), lanes))
        return [concatenate([(word, self.word_bits) for word in beat]) for beat in beats]

    def split(self, word: Value | int) -> tuple[list[Value], list[Value], list[Value]]:
        """Read one channel's knees, multipliers and offsets."""
        parts = zip(fields(word, self.widths), self.widths, strict=True)
        read = [signed_field(part, width) for part, width in parts]
        return (
            read[: self.pieces - 1],
            read[self.pieces - 1 : 2 * self.pieces - 1],
            read[2 * self.pieces - 1 :],
        )


def _signed_bits(table: np.ndarray) -> int:
    return Integers(min(-1, int(table.min())), int(table.max())).bits


def choose(x: Value, knees: Sequence[Value], constants: Sequence[Value]) -> Value:
    """Return the constant of the piece that x lies in, combinationally.

    Knees ascend, so the last one that is not above x decides.
    """
    chosen = constants[0]
    for knee, constant in zip(knees, constants[1:], strict=True):
        chosen = Mux(x >= knee, constant, chosen)
    return chosen


class StreamRescaler(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """``y = (multiplier * x + offset) >> shift`` for the lanes of a beat, with the constants of x's piece.

    The constants are a ROM of one word per beat of a pixel, or constants in logic where a pixel is one beat.
    Clock by clock: operands, constants of the piece, product, sum. The last three are the input, product
    and output registers of a DSP block.

    Latency ``timing.RESCALE_DEPTH`` clocks, a beat per clock. Area for 64 channels of 12 bits,
    multipliers of 16 bits and 4 lanes: 4 DSP, 195 LUT and 285 flip-flops for one piece; 4 DSP, 569 LUT and
    527 flip-flops for two, of which the ROM has about 140 and 330 (Yosys, xc7).

    Parameters
    ----------
    op
        The operator.
    source
        Type of its input, integers.
    """

    def __init__(self, op: Rescale, source: TensorType) -> None:
        assert isinstance(source.element, Integers)
        self.op, self.element = op, source.element
        self.constants = PieceConstants.of(op, source.element)
        self.result_bits = op.infer(source).element.bits
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(beat_bits(source, op.lanes)))),
                "o": Out(stream.Signature(unsigned(op.lanes * self.result_bits))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Rescale the beat that the first stage holds."""
        m = Module()
        flow = Pipeline.between(m, self.i, self.o, RESCALE_DEPTH)
        lanes, width = self.op.lanes, self.constants.word_bits
        beat = flow.register(flow.beat, "beat")
        word = flow.constants("constants", lanes * width, self.constants.words(lanes))
        elements = numbers(beat, self.element.bits, self.element.signed)
        results = [
            self._rescaled(flow, lane, x, part)
            for lane, (x, part) in enumerate(zip(elements, fields(word, [width] * lanes), strict=True))
        ]
        m.d.comb += flow.result.eq(Cat(*results))
        return m

    def _rescaled(self, flow: Pipeline, lane: int, x: Value, word: Value | int) -> Value:
        knees, multipliers, offsets = self.constants.split(word)
        x_of_piece = flow.register(x, f"x{lane}")
        multiplier = self._chosen(flow, f"multiplier{lane}", x, knees, multipliers, word)
        offset = self._chosen(flow, f"offset{lane}", x, knees, offsets, word)
        product = flow.register(multiplier * x_of_piece, f"product{lane}")
        behind = offset if self._is_constant(word) else flow.register(offset, f"late_offset{lane}")
        low, high = self.op.shift, self.op.shift + self.result_bits
        return flow.register(product + behind, f"sum{lane}", signed(high))[low:]

    def _is_constant(self, word: Value | int) -> bool:
        return isinstance(word, int) and self.constants.pieces == 1

    def _chosen(
        self,
        flow: Pipeline,
        name: str,
        x: Value,
        knees: Sequence[Value],
        constants: Sequence[Value],
        word: Value | int,
    ) -> Value:
        """Register the constant of the piece, unless there is but one."""
        if self._is_constant(word):
            return constants[0]
        return flow.register(choose(x, knees, constants), name)


def build(op: Rescale, source: TensorType) -> wiring.Component:
    """Return the unit of an IR operator; planes are decoded first."""
    return with_decoders(StreamRescaler(op, as_integers(source)), op.lanes, {"i": source})
