"""Step control of a folded unit: which rows, plane and columns the next clock works on."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.rom import Rom, concatenate
from hbnn_hw.folding import FoldSchedule


class StepControl(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """Walk through a fold schedule, one step per ``issue``, without a gap between places or samples.

    Three counters where all words are present; otherwise a small ROM with one entry per step, read ahead so
    that its output always belongs to the current step. ``ready`` is low only in the clock after a reset, in
    which that ROM is read for the first time. Area: counters of ``log2(steps)`` bits, or the ROM.

    Parameters
    ----------
    schedule
        The steps at one place.

    Attributes
    ----------
    issue
        Take the step: move on at the next clock.
    ready
        Whether the outputs below are valid.
    step
        Index of the step, the address of its weight word.
    column, plane
        Column fold and weight plane.
    reads_stream, first, last
        The schedule's flags: takes a word from the stream, starts a row fold, ends a row fold.
    """

    def __init__(self, schedule: FoldSchedule) -> None:
        self.schedule = schedule
        self.columns = int(schedule.column_fold.max()) + 1
        self.planes = int(schedule.plane.max()) + 1
        self.row_folds = int(schedule.row_fold.max()) + 1
        self.vector_row_folds = schedule.vector_row_folds
        super().__init__(
            {
                "issue": In(1),
                "ready": Out(1),
                "step": Out(range(schedule.n_steps)),
                "column": Out(range(self.columns)),
                "plane": Out(range(self.planes)),
                "reads_stream": Out(1),
                "first": Out(1),
                "last": Out(1),
            }
        )

    @property
    def is_regular(self) -> bool:
        """Whether no word is skipped, so that counters suffice."""
        return self.schedule.n_steps == self.columns * self.planes * self.row_folds

    def elaborate(self, platform: object) -> Module:
        """Build the counters or the table."""
        m = Module()
        following = _increment(m, self.step, self.schedule.n_steps, self.issue)
        if self.is_regular:
            self._count(m)
        else:
            self._look_up(m, Mux(self.issue, following, self.step))
        return m

    def _count(self, m: Module) -> None:
        # Counted within a vector: nothing here depends on which of the groups' vectors it is.
        row_fold = Signal(range(self.vector_row_folds))
        end_column = self.column == self.columns - 1
        end_plane = self.plane == self.planes - 1
        _increment(m, self.column, self.columns, self.issue)
        _increment(m, self.plane, self.planes, self.issue & end_column)
        _increment(m, row_fold, self.vector_row_folds, self.issue & end_column & end_plane)
        m.d.comb += [
            self.ready.eq(1),
            self.reads_stream.eq((row_fold == 0) & (self.plane == 0)),
            self.first.eq((self.column == 0) & (self.plane == 0)),
            self.last.eq(end_column & end_plane),
        ]

    def _look_up(self, m: Module, address: Value) -> None:
        outputs = (self.column, self.plane, self.reads_stream, self.first, self.last)
        m.submodules.table = table = Rom(
            sum(map(len, outputs)), self._words([len(output) for output in outputs])
        )
        m.d.sync += self.ready.eq(1)
        m.d.comb += [table.address.eq(address), table.en.eq(1)]
        at = 0
        for output in outputs:
            m.d.comb += output.eq(table.data[at : at + len(output)])
            at += len(output)

    def _words(self, widths: list[int]) -> list[int]:
        s = self.schedule
        fields = (s.column_fold, s.plane, s.reads_stream, s.first_of_row_fold, s.last_of_row_fold)
        rows = np.stack([np.asarray(column, dtype=np.int64) for column in fields], axis=1)
        return [concatenate(list(zip(row, widths, strict=True))) for row in rows.tolist()]


def _increment(m: Module, counter: Value, modulus: int, enable: Value) -> Value:
    """Count up to ``modulus`` at clocks with ``enable``; return the next value."""
    following = Mux(counter == modulus - 1, 0, counter + 1)
    with m.If(enable):
        m.d.sync += counter.eq(following)
    return following
