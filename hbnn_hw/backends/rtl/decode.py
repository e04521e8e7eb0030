"""Bit-planes as integers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import product
from operator import add

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Value, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.pipeline import Pipeline, fields
from hbnn_hw.backends.rtl.rom import concatenate
from hbnn_hw.ops import Decode
from hbnn_hw.ops.base import range_of
from hbnn_hw.planes import uniform_scales
from hbnn_hw.streams import beat_bits
from hbnn_hw.timing import DECODE_DEPTH
from hbnn_hw.types import Bordered, PlaneMask, Planes, TensorType

TABLE_INPUTS = 6
"""Inputs of a LUT: the bits, and the masks where they differ, of planes that one table adds up."""


def mask_words(mask: PlaneMask | None, lanes: int, planes: int) -> list[int]:
    """Return for every beat of a sample which of its bits have a meaning, laid out as the beat."""
    if mask is None:
        return [(1 << lanes * planes) - 1]
    beats = np.moveaxis(mask.present(), 0, -1).reshape(-1, lanes * planes)
    return [concatenate([(bit, 1) for bit in beat]) for beat in beats.tolist()]


def decoded(bits: Value, present: Sequence[Value | int], scales: Sequence[int]) -> Value:
    """Return ``sum_p scales[p] * s_p`` as a signed value, combinationally.

    Planes of scales 1, 2, 4, ... that are all present are the number's own bits, the highest turned over.
    Otherwise a LUT per result bit adds up as many planes as its inputs admit.

    Parameters
    ----------
    bits
        One bit per plane.
    present
        Whether there is such a plane, for every plane; plain numbers where it is known.
    scales
        Integer factor of every plane.
    """
    there = [plane for plane, here in enumerate(present) if not isinstance(here, int) or here]
    known = all(isinstance(present[plane], int) for plane in there)
    if known and len(there) == len(scales) and tuple(scales) == uniform_scales(len(scales)):
        return Cat(1, bits[:-1], ~bits[-1]).as_signed()
    size = TABLE_INPUTS if known else TABLE_INPUTS // 2
    groups = (there[at : at + size] for at in range(0, len(there), size))
    sums = [_sum_of_few([(bits[p], present[p], scales[p]) for p in group]) for group in groups]
    return reduce(add, sums) if sums else Const(0, signed(1))


def _sum_of_few(planes: Sequence[tuple[Value, Value | int, int]]) -> Value:
    """Look up the sum of planes (bit, present, scale)."""
    largest = sum(scale for *_, scale in planes)
    bits = largest.bit_length() + 1
    masked = [(scale, present) for _, present, scale in planes if not isinstance(present, int)]
    inputs = [*(bit for bit, *_ in planes), *(present for _, present in masked)]
    scales = [scale for *_, scale in planes]
    totals = []
    for flags in product((0, 1), repeat=len(inputs)):
        ones, there = flags[::-1][: len(planes)], flags[::-1][len(planes) :] or (1,) * len(planes)
        total = sum(s * here * (2 * one - 1) for s, one, here in zip(scales, ones, there, strict=True))
        totals.append(total & ((1 << bits) - 1))
    # Every bit of the sum is a table of its own, of one LUT.
    return Cat(*(_look_up([total >> b & 1 for total in totals], inputs) for b in range(bits))).as_signed()


def _look_up(table: Sequence[int], inputs: Sequence[Value]) -> Value:
    """Return the bit of a table that the inputs choose, the first the least significant of its address."""
    half = len(table) // 2
    if len(set(table)) == 1:
        return Const(table[0], 1)
    low, high = table[:half], table[half:]
    if low == high:
        return _look_up(low, inputs[:-1])
    if half == 1:
        return inputs[-1] if high[0] else ~inputs[-1]
    return Mux(inputs[-1], _look_up(high, inputs[:-1]), _look_up(low, inputs[:-1]))


class BeatDecoder(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """``y = sum_p scales[p] * s_p`` for the lanes of a beat; a plane that is not there adds nothing.

    Masks that differ from beat to beat come from a ROM. Beats outside the image are 0.

    Latency ``timing.DECODE_DEPTH`` clocks, a beat per clock. Area: 35 LUT and 60 flip-flops for
    planes of scales 4 and 1 in 8 lanes; 52 and 78 with a mask for 64 channels, its ROM included (Yosys, xc7).

    Parameters
    ----------
    source
        Type of the value, planes or planes with a border.
    lanes
        Elements per beat.
    """

    def __init__(self, source: TensorType, lanes: int) -> None:
        assert isinstance(source.element, Planes | Bordered)
        self.lanes, self.bordered = lanes, isinstance(source.element, Bordered)
        self.planes = source.element.planes if isinstance(source.element, Bordered) else source.element
        self.number_bits = range_of(source).bits
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(beat_bits(source, lanes)))),
                "o": Out(stream.Signature(unsigned(lanes * self.number_bits))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Look up the number of every lane in the beat that the first stage holds."""
        m = Module()
        flow = Pipeline.between(m, self.i, self.o, DECODE_DEPTH)
        n_planes = self.planes.n_planes
        beat = flow.register(flow.beat, "beat")
        words = mask_words(self.planes.mask, self.lanes, n_planes)
        present = fields(flow.constants("masks", self.lanes * n_planes, words), [1] * self.lanes * n_planes)
        numbers = []
        for lane in range(self.lanes):
            part = slice(lane * n_planes, (lane + 1) * n_planes)
            number = decoded(beat[part], present[part], self.planes.scales)
            inside = Mux(beat[-1], 0, number) if self.bordered else number
            numbers.append(flow.register(inside, f"number{lane}", signed(self.number_bits)))
        m.d.comb += flow.result.eq(Cat(*numbers))
        return m


def build(op: Decode, source: TensorType) -> BeatDecoder:
    """Return the unit of an IR operator."""
    return BeatDecoder(source, op.lanes)
