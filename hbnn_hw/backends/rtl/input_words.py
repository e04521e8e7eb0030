"""What a matrix unit's input words hold: elements as planes, and a mark of words that lie in a frame."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Value

from hbnn_hw.ops import Mvtu
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import TensorType


@dataclass(frozen=True, slots=True, kw_only=True)
class InputWords:
    """Layout of the words of an input stream.

    Attributes
    ----------
    scales
        a_q, one per bit of an element.
    lanes
        Elements per word.
    bits
        Width of a word.
    bordered
        Whether the top bit of a word tells that it lies in a frame of nothing.
    top_inverted
        Whether the top bit of an element is a sign, which counts as a plane when it is inverted.
    """

    scales: tuple[int, ...]
    lanes: int
    bits: int
    bordered: bool
    top_inverted: bool

    @classmethod
    def of(cls, op: Mvtu, source: TensorType) -> InputWords:
        """Lay out the words that a scheduled operator reads from a value."""
        accumulation = op.accumulation(source)
        return cls(
            scales=accumulation.scales,
            lanes=op.lanes_in,
            bits=beat_bits(source, op.lanes_in),
            bordered=accumulation.halves,
            top_inverted=accumulation.top_inverted,
        )

    def planes(self, word: Value) -> Value:
        """Turn the sign bits of a word over, so that all bits of its elements are planes."""
        if not self.top_inverted:
            return word
        planes = len(self.scales)
        return Cat(~bit if at % planes == planes - 1 else bit for at, bit in enumerate(word))

    def elements(self, word: Value) -> Value:
        """Leave the mark of a word of planes out; plane q of lane k is bit ``k * planes + q``."""
        return word[: self.lanes * len(self.scales)]

    def outside(self, word: Value) -> Value:
        """Tell whether a word of planes lies in the frame; constant where there is none."""
        return word[-1] if self.bordered else Const(0, 1)
