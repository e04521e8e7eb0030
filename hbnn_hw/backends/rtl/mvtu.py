"""Folded matrix-vector-threshold unit: PE × SIMD lanes, weights in ROM, one step per clock."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.input_words import InputWords
from hbnn_hw.backends.rtl.mvtu_unrolled import UnrolledMvtu
from hbnn_hw.backends.rtl.popcount import PopcountStyle
from hbnn_hw.backends.rtl.rom import Rom, RomStyle, concatenate, register, split
from hbnn_hw.backends.rtl.row_decision import RowDecision
from hbnn_hw.backends.rtl.step_control import StepControl
from hbnn_hw.backends.rtl.step_words import StepWords
from hbnn_hw.backends.rtl.stream_buffers import SkidBuffer
from hbnn_hw.backends.rtl.xnor_popcount_pe import XnorPopcountPe
from hbnn_hw.folding import FoldSchedule
from hbnn_hw.ops import Mvtu
from hbnn_hw.timing import FOLDED_DEPTH
from hbnn_hw.types import TensorType


class FoldedMvtu(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """``thresholds(W x)`` or ``W x`` at every place, in exactly the steps of :mod:`hbnn_hw.folding`.

    A word of SIMD input elements, for each group of rows that a step works on, comes in with each reading
    step and is kept in a buffer, from which the later weight planes and row folds read it again. Weights,
    masks, thresholds and, for irregular schedules, the step control are ROMs with synchronous read. Clock by
    clock, a step passes through

        issue → operands → counts → contribution → accumulator → output

    which are ``timing.FOLDED_DEPTH`` clocks, and ``timing.BLOCK_ROM_STAGES`` more in front of the operands
    where weights come from block RAM; the results of PE rows leave together after the last step of a row
    fold. The pipeline freezes as a whole while its skid buffer is full.

    Throughput: a place every ``schedule.n_steps`` clocks without a gap between row folds, places or samples.
    Area: PE processing elements, PE threshold units, and the ROMs: ``n_steps * PE * SIMD`` bits, twice that
    with masks that differ from row to row, n_in / n_out of it where FleXOR's weights stay encoded. 64 × 576
    weights of ±1 with PE 16 and SIMD 64 take 2,660 LUTs, or 1,636 beside 29 RAMB18 (Yosys, xc7).

    Parameters
    ----------
    op
        The scheduled operator, not unrolled.
    source
        Type of its input: planes, planes in a frame of nothing, or integers.
    style
        Structure of the popcounts; None takes the fabric's.
    rom_style
        Where synthesis puts weights and masks; None chooses by their depth.

    Attributes
    ----------
    i
        Stream of :class:`~hbnn_hw.backends.rtl.input_words.InputWords`.
    o
        Stream of PE elements.
    """

    def __init__(
        self,
        op: Mvtu,
        source: TensorType,
        style: PopcountStyle | None = None,
        rom_style: RomStyle | None = None,
    ) -> None:
        self.op = op
        self.style = style
        self.inputs = InputWords.of(op, source)
        self.decision = RowDecision.of(op, source)
        self.memories = StepWords.of(op, rom_style)
        self.schedule: FoldSchedule = self.memories.schedule
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(self.inputs.bits))),
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
        word = self._operands(m, control, issue, advance)
        for stage in range(self.memories.extra_stages):
            word = register(m, word, advance, f"operands{stage}")
        agreements = self._elements(m, control, issue, advance, word)
        last = self._delayed(m, control.last & issue, FOLDED_DEPTH, advance, "last")
        self._decide(m, output, agreements, last, advance)
        wiring.connect(m, output.o, wiring.flipped(self.o))
        return m

    def _delayed(self, m: Module, source: Value, depth: int, advance: Value, name: str) -> list[Value]:
        """Delay what belongs to the issued step; entry d comes d - 1 clocks behind the step's operands."""
        for stage in range(self.memories.extra_stages):
            source = register(m, source, advance, f"{name}_early{stage}")
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
        taken = self.inputs.planes(self.i.payload)
        fresh = register(m, taken, takes, "fresh_word")
        words = self.op.weights.columns // self.op.scheduled_folding.simd
        if words == 1 or self.schedule.reads_stream.all():
            return fresh  # the register itself is all the buffer that is needed
        m.submodules.input_buffer = memory = Memory(shape=unsigned(len(fresh)), depth=words, init=[])
        write, read = memory.write_port(), memory.read_port()
        is_fresh = register(m, control.reads_stream, advance, "is_fresh")
        word = Signal(len(fresh))
        m.d.comb += [
            Cat(write.addr, read.addr).eq(Cat(control.column, control.column)),
            Cat(write.en, read.en).eq(Cat(takes, advance)),
            write.data.eq(taken),
            word.eq(Mux(is_fresh, fresh, read.data)),
        ]
        return word

    def _elements(
        self, m: Module, control: StepControl, issue: Value, advance: Value, word: Value
    ) -> list[Value]:
        """Add the processing elements with their weights; return their agreement sums."""
        memories, spread = self.memories, self.op.spread
        elements = self.inputs.elements(word)
        lanes = split(elements, len(elements) // spread)
        units = [self._element(m, row) for row in range(self.op.lanes_out)]
        valid = self._delayed(m, issue, 3, advance, "valid")
        first = self._delayed(m, control.first, 3, advance, "first")
        for row, (unit, weights) in enumerate(
            zip(units, memories.add_weights(m, control, advance), strict=True)
        ):
            m.d.comb += [unit.advance.eq(advance), unit.lanes.eq(lanes[row * spread // len(units)])]
            m.d.comb += [unit.weights.eq(weights), unit.accumulate.eq(valid[3]), unit.restart.eq(first[3])]
        if memories.masked:
            for unit, mask in zip(units, memories.add_masks(m, control, advance), strict=True):
                m.d.comb += unit.mask.eq(mask)
        if self.op.weights.n_planes > 1:
            plane = self._delayed(m, control.plane, 2, advance, "plane")
            m.d.comb += [unit.plane.eq(plane[2]) for unit in units]
        if self.inputs.bordered:
            self._leave_out_the_frame(m, control, advance, word, units)
        return [unit.agreement for unit in units]

    def _leave_out_the_frame(
        self, m: Module, control: StepControl, advance: Value, word: Value, units: list[XnorPopcountPe]
    ) -> None:
        """Tell the processing elements which words lie outside, and how many entries these have."""
        outside = register(m, self.inputs.outside(word), advance, "outside2")
        m.d.comb += [unit.outside.eq(outside) for unit in units]
        if self.memories.masked:
            populations = self.memories.add_populations(m, control, advance)
            for unit, population in zip(units, populations, strict=True):
                m.d.comb += unit.population.eq(population)

    def _element(self, m: Module, row: int) -> XnorPopcountPe:
        unit = XnorPopcountPe(
            simd=self.op.scheduled_folding.simd,
            scales=self.inputs.scales,
            coefficients=self.op.weights.coefficients,
            masked=self.memories.masked,
            accumulator_bits=self.decision.agreement_bits,
            style=self.style,
            halves=self.inputs.bordered,
        )
        m.submodules[f"pe{row}"] = unit
        return unit

    def _decide(
        self, m: Module, output: SkidBuffer, agreements: list[Value], last: list[Value], advance: Value
    ) -> None:
        """Turn finished sums into an output word."""
        one_fold = len(self.decision.words) == self.op.lanes_out
        words = self.decision.words if one_fold else self._row_words(m, last[3], advance)
        results = [
            self.decision.build(m, f"row{row}", agreement, word)
            for row, (agreement, word) in enumerate(zip(agreements, words, strict=True))
        ]
        result = register(m, Cat(*results), advance & last[4], "result")
        m.d.comb += [output.i.payload.eq(result), output.i.valid.eq(last[FOLDED_DEPTH])]

    def _row_words(self, m: Module, completing: Value, advance: Value) -> list[Value]:
        """Add the ROM of the row folds' constants, which is read while their sums are completed."""
        pe, width = self.op.lanes_out, self.decision.word_bits
        rows = self.decision.words
        joined = [concatenate([(row, width) for row in rows[at : at + pe]]) for at in range(0, len(rows), pe)]
        m.submodules.row_rom = rom = Rom(pe * width, joined)
        row_fold = Signal(range(len(joined)))
        with m.If(completing & advance):
            m.d.sync += row_fold.eq(Mux(row_fold == len(joined) - 1, 0, row_fold + 1))
        m.d.comb += [rom.address.eq(row_fold), rom.en.eq(advance)]
        return split(rom.data, width)


def build(op: Mvtu, source: TensorType) -> FoldedMvtu | UnrolledMvtu:
    """Return the unit of an IR operator."""
    if op.scheduled_folding.unrolled:
        return UnrolledMvtu(op, source)
    return FoldedMvtu(op, source)
