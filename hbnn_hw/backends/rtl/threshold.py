"""Thresholds on streams of integers."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Module, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.decode import mask_words
from hbnn_hw.backends.rtl.decoded_inputs import as_integers, with_decoders
from hbnn_hw.backends.rtl.pipeline import Pipeline, fields
from hbnn_hw.backends.rtl.rom import concatenate
from hbnn_hw.backends.rtl.threshold_unit import ThresholdUnit, passed_levels
from hbnn_hw.ops import Threshold, Thresholds
from hbnn_hw.streams import beat_bits
from hbnn_hw.timing import THRESHOLD_DEPTH
from hbnn_hw.types import Integers, TensorType


def threshold_words(thresholds: Thresholds, source: Integers, lanes: int) -> list[int]:
    """Return for every beat of a pixel the constants of all its lanes, as :class:`ThresholdUnit` has them.

    Thresholds are clipped to where they pass always or never, and raised by what turns the two's complement
    of the input into a plain number.
    """
    raised = 1 << (source.bits - 1) if source.signed else 0
    table = np.clip(thresholds.table, source.low, source.high + 1) + raised
    channels = [
        [*((level, source.bits + 1) for level in levels), (int(flag), 1)]
        for levels, flag in zip(table.tolist(), thresholds.inverted.tolist(), strict=True)
    ]
    return [
        concatenate([field for channel in channels[at : at + lanes] for field in channel])
        for at in range(0, len(channels), lanes)
    ]


class ChannelThresholds(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """Count, for the lanes of a beat, the thresholds of their channels that they pass.

    The thresholds are a ROM of one word per beat of a pixel, or constants in logic where a pixel is one beat.
    Bits that a mask lacks are 0.

    Latency ``timing.THRESHOLD_DEPTH`` clocks, a beat per clock. Area: AREA

    Parameters
    ----------
    op
        The operator.
    source
        Type of its input, integers.
    """

    def __init__(self, op: Threshold, source: TensorType) -> None:
        assert isinstance(source.element, Integers)
        self.op, self.element = op, source.element
        self.constant_bits = op.thresholds.levels * (source.element.bits + 1) + 1
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(beat_bits(source, op.lanes)))),
                "o": Out(stream.Signature(unsigned(op.lanes * op.thresholds.n_bits))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Compare the beat that the first stage holds."""
        m = Module()
        thresholds, lanes = self.op.thresholds, self.op.lanes
        flow = Pipeline.between(m, self.i, self.o, THRESHOLD_DEPTH)
        beat = flow.register(flow.beat, "beat")
        words = threshold_words(thresholds, self.element, lanes)
        constants = flow.constants("thresholds", lanes * self.constant_bits, words)
        masks = mask_words(thresholds.output.mask, lanes, thresholds.n_bits)
        present = flow.constants("masks", len(self.o.payload), masks)
        codes = [
            self._code(m, lane, self._plain(m, lane, beat), constant)
            for lane, constant in enumerate(fields(constants, [self.constant_bits] * lanes))
        ]
        m.d.comb += flow.result.eq(flow.register(Cat(*codes) & present, "codes"))
        return m

    def _plain(self, m: Module, lane: int, beat: Value) -> Value:
        """Turn the top bit of two's complement, which keeps the order and leaves a plain number."""
        bits = self.element.bits
        plain = Signal(bits, name=f"plain{lane}")
        top = int(self.element.signed) << (bits - 1)
        m.d.comb += plain.eq(beat[lane * bits : (lane + 1) * bits] ^ top)
        return plain

    def _code(self, m: Module, lane: int, plain: Value, constants: Value | int) -> Value:
        levels = self.op.thresholds.levels
        if isinstance(constants, int):
            *table, inverted = fields(constants, [len(plain) + 1] * levels + [1])
            return passed_levels(m, plain, table, inverted, f"passed{lane}")
        unit = m.submodules[f"levels{lane}"] = ThresholdUnit(len(plain), levels)
        m.d.comb += [unit.agreement.eq(plain), unit.constants.eq(constants)]
        return unit.code


def build(op: Threshold, source: TensorType) -> wiring.Component:
    """Return the unit of an IR operator; planes are decoded first."""
    return with_decoders(ChannelThresholds(op, as_integers(source)), op.lanes, {"i": source})
