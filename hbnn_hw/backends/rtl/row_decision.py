"""From agreement sums to output elements: thresholds, or raw dot products."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed

from hbnn_hw.backends.rtl.rom import concatenate
from hbnn_hw.backends.rtl.threshold_unit import ThresholdUnit, passed_levels
from hbnn_hw.ops import Mvtu
from hbnn_hw.types import TensorType


@dataclass(frozen=True, slots=True)
class RowDecision:
    """Constants that turn a row's agreement sum into its output, one word per row.

    With thresholds a word holds the levels, then the inversion bit; without, the offset K of
    ``dot = (agreement << shift) - K``; see :class:`hbnn_hw.ops.mvtu.Accumulation`. Bits that a map of the
    thresholds' planes lacks are whatever the thresholds give: who reads such planes knows the map.

    Attributes
    ----------
    agreement_bits
        Width of the sum.
    shift
        Places by which the sum of a raw output is shifted.
    levels
        Thresholds per row; 0 for raw output.
    output_bits
        Width of an output element.
    words
        One constant word per row.
    """

    agreement_bits: int
    shift: int
    levels: int
    output_bits: int
    words: tuple[int, ...]

    @classmethod
    def of(cls, op: Mvtu, source: TensorType) -> RowDecision:
        """Collect the constants of an operator."""
        accumulation, output_bits = op.accumulation(source), op.infer(source).element.bits
        bits, shift = accumulation.bits, accumulation.shift
        if op.thresholds is None:
            return cls(bits, shift, 0, output_bits, tuple(accumulation.offsets.tolist()))
        table, inverted = op.agreement_thresholds(source).tolist(), op.thresholds.inverted.tolist()
        words = [
            concatenate([*((level, bits + 1) for level in levels), (int(flag), 1)])
            for levels, flag in zip(table, inverted, strict=True)
        ]
        return cls(bits, shift, op.thresholds.levels, output_bits, tuple(words))

    @property
    def word_bits(self) -> int:
        """Bits of a row's constants; no more of an offset than reach the output."""
        if self.levels:
            return self.levels * (self.agreement_bits + 1) + 1
        return min(self.agreement_bits, self.output_bits)

    def build(self, m: Module, name: str, agreement: Value, word: Value | int) -> Value:
        """Add one row's decision to a module, combinationally; return the output element's signal.

        A word from a ROM gets a threshold unit of its own; a constant word becomes part of the logic.
        """
        result = Signal(self.output_bits, name=f"{name}_result")
        if not self.levels:
            width = max(self.agreement_bits + self.shift + 1, self.output_bits)
            dot = Signal(signed(width), name=f"{name}_dot")
            m.d.comb += [dot.eq(Cat(Const(0, self.shift), agreement) - word), result.eq(dot)]
        elif isinstance(word, int):
            width = self.agreement_bits + 1
            levels = [word >> at * width & ((1 << width) - 1) for at in range(self.levels)]
            inverted = word >> self.levels * width
            m.d.comb += result.eq(passed_levels(m, agreement, levels, inverted, f"{name}_passed"))
        else:
            unit = m.submodules[name] = ThresholdUnit(self.agreement_bits, self.levels)
            m.d.comb += [unit.agreement.eq(agreement), unit.constants.eq(word), result.eq(unit.code)]
        return result
