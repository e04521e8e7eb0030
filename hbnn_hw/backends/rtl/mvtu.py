"""Folded matrix-vector-threshold unit: PE × SIMD lanes, weights in ROM, one step per clock."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.mvtu_unrolled import UnrolledMvtu
from hbnn_hw.backends.rtl.popcount import PopcountStyle
from hbnn_hw.backends.rtl.rom import Rom, concatenate, register, split
from hbnn_hw.backends.rtl.row_decision import RowDecision
from hbnn_hw.backends.rtl.step_control import StepControl
from hbnn_hw.backends.rtl.stream_buffers import SkidBuffer
from hbnn_hw.backends.rtl.xnor_popcount_pe import XnorPopcountPe
from hbnn_hw.folding import FoldSchedule, weight_words
from hbnn_hw.ops import Mvtu
from hbnn_hw.planes import Bits
from hbnn_hw.timing import FOLDED_DEPTH
from hbnn_hw.types import TensorType


def _rom_words(bits: Bits) -> list[int]:
    """Join bits (words, n) into integers, bit 0 in the least significant place."""
    packed = np.packbits(bits, axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


class FoldedMvtu(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """``thresholds(W x)`` or ``W x``, in exactly the steps of :mod:`hbnn_hw.folding`.

    A word of SIMD input elements comes in with each reading step and is kept in a buffer, from which the
    later weight planes and row folds read it again. Weights, masks, thresholds and, for irregular schedules,
    the step control are ROMs with synchronous read. Clock by clock, a step passes through

        issue → operands → counts → contribution → accumulator → output

    which are ``timing.FOLDED_DEPTH`` clocks; the results of PE rows leave together after the last step of
    a row fold. The pipeline freezes as a whole while its skid buffer is full.

    Throughput: a sample every ``schedule.n_steps`` clocks without a gap between row folds or samples. Area:
    PE processing elements, PE threshold units, and the ROMs: ``n_steps * PE * SIMD`` bits, twice that with
    masks.

    Parameters
    ----------
    op
        The scheduled operator, not unrolled.
    source
        Type of its input.
    style
        Structure of the popcounts; None takes the fabric's.

    Attributes
    ----------
    i
        Stream of SIMD elements; plane q of lane k is bit ``k * planes + q``.
    o
        Stream of PE elements.
    """

    def __init__(self, op: Mvtu, source: TensorType, style: PopcountStyle | None = None) -> None:
        self.op = op
        self.style = style
        self.scales = op.input_planes(source).scales
        self.decision = RowDecision.of(op, source)
        self.schedule: FoldSchedule = op.schedule()
        self.masked = not op.weights.is_homogeneous
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(op.lanes_in * len(self.scales)))),
                "o": Out(stream.Signature(unsigned(op.lanes_out * self.decision.output_bits))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the pipeline from front to back."""
        m = Module()
        m.submodules.skid = output = SkidBuffer(len(self.o.payload))
        m.submodules.control = control = StepControl(self.schedule)
        advance = output.i.ready
        issue = Signal()
        m.d.comb += [
            self.i.ready.eq(advance & control.ready & control.reads_stream),
            issue.eq(advance & control.ready & (~control.reads_stream | self.i.valid)),
            control.issue.eq(issue),
        ]
        lanes = self._operands(m, control, issue, advance)
        agreements = self._elements(m, control, issue, advance, lanes)
        # Entry d of a delayed flag belongs to the step that was issued d clocks ago.
        last = self._delayed(m, control.last & issue, FOLDED_DEPTH, advance, "last")
        self._decide(m, output, agreements, last, advance)
        wiring.connect(m, output.o, wiring.flipped(self.o))
        return m

    @staticmethod
    def _delayed(m: Module, source: Value, depth: int, advance: Value, name: str) -> list[Value]:
        named = Signal(len(source), name=f"{name}0")
        m.d.comb += named.eq(source)
        stages = [named]
        for stage in range(1, depth + 1):
            stages.append(register(m, stages[-1], advance, f"{name}{stage}"))
        return stages

    def _operands(self, m: Module, control: StepControl, issue: Value, advance: Value) -> Value:
        """Input word of the step issued one clock ago, from the stream or from the buffer."""
        takes = Signal()
        m.d.comb += takes.eq(issue & control.reads_stream)
        fresh = register(m, self.i.payload, takes, "fresh_word")
        words = self.op.weights.columns // self.op.lanes_in
        if words == 1 or self.schedule.n_steps == words:
            return fresh  # the register itself is all the buffer that is needed
        m.submodules.input_buffer = memory = Memory(shape=unsigned(len(fresh)), depth=words, init=[])
        write, read = memory.write_port(), memory.read_port()
        is_fresh = register(m, control.reads_stream, advance, "is_fresh")
        lanes = Signal(len(fresh))
        m.d.comb += [
            Cat(write.addr, read.addr).eq(Cat(control.column, control.column)),
            Cat(write.en, read.en).eq(Cat(takes, advance)),
            write.data.eq(self.i.payload),
            lanes.eq(Mux(is_fresh, fresh, read.data)),
        ]
        return lanes

    def _rom(self, m: Module, name: str, bits: Bits, control: StepControl, advance: Value) -> list[Value]:
        """Add a ROM of one word per step (steps, pe, simd); return each row's part."""
        n_steps, pe, simd = bits.shape
        rom = Rom(pe * simd, _rom_words(bits.reshape(n_steps, pe * simd)))
        m.submodules[name] = rom
        m.d.comb += [rom.address.eq(control.step), rom.en.eq(advance)]
        return split(rom.data, simd)

    def _elements(
        self, m: Module, control: StepControl, issue: Value, advance: Value, lanes: Value
    ) -> list[Value]:
        """Add the processing elements with their weights; return their agreement sums."""
        weights, masks = weight_words(self.op.weights, self.op.scheduled_folding, self.schedule)
        weight_parts = self._rom(m, "weight_rom", weights, control, advance)
        mask_parts = self._rom(m, "mask_rom", masks, control, advance) if self.masked else []
        valid = self._delayed(m, issue, 3, advance, "valid")
        first = self._delayed(m, control.first, 3, advance, "first")
        plane = self._delayed(m, control.plane, 2, advance, "plane")
        agreements = []
        for row, part in enumerate(weight_parts):
            pe = m.submodules[f"pe{row}"] = self._element()
            m.d.comb += [pe.advance.eq(advance), pe.lanes.eq(lanes), pe.weights.eq(part)]
            m.d.comb += [pe.accumulate.eq(valid[3]), pe.restart.eq(first[3])]
            if self.masked:
                m.d.comb += pe.mask.eq(mask_parts[row])
            if self.op.weights.n_planes > 1:
                m.d.comb += pe.plane.eq(plane[2])
            agreements.append(pe.agreement)
        return agreements

    def _element(self) -> XnorPopcountPe:
        return XnorPopcountPe(
            simd=self.op.lanes_in,
            scales=self.scales,
            coefficients=self.op.weights.coefficients,
            masked=self.masked,
            accumulator_bits=self.decision.agreement_bits,
            style=self.style,
        )

    def _decide(
        self, m: Module, output: SkidBuffer, agreements: list[Value], last: list[Value], advance: Value
    ) -> None:
        """Turn finished sums into an output word; the constants' ROM is read while the sum is completed."""
        pe, width = self.op.lanes_out, self.decision.word_bits
        rows = self.decision.words
        joined = [concatenate([(row, width) for row in rows[at : at + pe]]) for at in range(0, len(rows), pe)]
        m.submodules.row_rom = rom = Rom(pe * width, joined)
        row_fold = Signal(range(len(joined)))
        with m.If(last[3] & advance):
            m.d.sync += row_fold.eq(Mux(row_fold == len(joined) - 1, 0, row_fold + 1))
        m.d.comb += [rom.address.eq(row_fold), rom.en.eq(advance)]
        results = [
            self.decision.build(m, f"row{row}", agreement, word)
            for row, (agreement, word) in enumerate(zip(agreements, split(rom.data, width), strict=True))
        ]
        result = register(m, Cat(*results), advance & last[4], "result")
        m.d.comb += [output.i.payload.eq(result), output.i.valid.eq(last[FOLDED_DEPTH])]


def build(op: Mvtu, source: TensorType) -> FoldedMvtu | UnrolledMvtu:
    """Return the unit of an IR operator."""
    if op.scheduled_folding.unrolled:
        return UnrolledMvtu(op, source)
    return FoldedMvtu(op, source)
