"""Thresholds on streams of integers."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Module, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.decode import mask_words
from hbnn_hw.backends.rtl.decoded_inputs import as_integers, with_decoders
from hbnn_hw.backends.rtl.pipeline import Pipeline, fields, numbers
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


def channel_code(
    m: Module, x: Value, source: Integers, constants: Value | int, levels: int, name: str
) -> Value:
    """Count the thresholds that an element passes, combinationally.

    Turning the top bit of two's complement keeps the order and leaves the plain number that the thresholds
    are given for.

    Parameters
    ----------
    m
        Module that takes the logic.
    x
        Bits of the element.
    source
        Its range.
    constants
        Its channel's thresholds and inversion, as :func:`threshold_words` has them.
    levels
        Number of thresholds.
    name
        Name of the count's signal.
    """
    plain = Signal(source.bits, name=f"{name}_plain")
    m.d.comb += plain.eq(x ^ (int(source.signed) << (source.bits - 1)))
    if isinstance(constants, int):
        *table, inverted = fields(constants, [source.bits + 1] * levels + [1])
        return passed_levels(m, plain, table, inverted, name)
    unit = m.submodules[f"{name}_levels"] = ThresholdUnit(source.bits, levels)
    m.d.comb += [unit.agreement.eq(plain), unit.constants.eq(constants)]
    return unit.code


class ChannelThresholds(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """Count, for the lanes of a beat, the thresholds of their channels that they pass.

    The thresholds are a ROM of one word per beat of a pixel, or constants in logic where a pixel is one beat.
    Bits that a mask lacks are 0.

    Latency ``timing.THRESHOLD_DEPTH`` clocks, a beat per clock. Area for 3 levels on integers of 12
    bits in 8 lanes: 85 LUT and 125 flip-flops for 8 channels; 378 and 290 for 64 channels, of which the ROM
    has about 130 (Yosys, xc7).

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
        elements = numbers(beat, self.element.bits, is_signed=False)
        of_lanes = fields(constants, [self.constant_bits] * lanes)
        codes = [
            channel_code(m, x, self.element, of_lane, thresholds.levels, f"passed{lane}")
            for lane, (x, of_lane) in enumerate(zip(elements, of_lanes, strict=True))
        ]
        m.d.comb += flow.result.eq(flow.register(Cat(*codes) & present, "codes"))
        return m


def build(op: Threshold, source: TensorType) -> wiring.Component:
    """Return the unit of an IR operator; planes are decoded first."""
    return with_decoders(ChannelThresholds(op, as_integers(source)), op.lanes, {"i": source})
