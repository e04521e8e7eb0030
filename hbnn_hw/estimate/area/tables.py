"""The tables that a folded unit keeps: weights, masks, decision constants, step control."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.estimate.area.features import count_bits
from hbnn_hw.estimate.area.memory import TABLE_WORDS, distinct_columns, rom_is_block
from hbnn_hw.estimate.area.parts import Parts, rom
from hbnn_hw.folding import Folding, FoldSchedule, weight_words
from hbnn_hw.ops import Mvtu
from hbnn_hw.planes import Bits
from hbnn_hw.types import TensorType


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One read-only memory.

    Attributes
    ----------
    depth, width
        Words, and bits of a word.
    is_forced
        Whether it asks for block RAM.
    content
        Makes the bits (words, width); None where all columns are taken to be different, which is an upper
        bound that needs no table.
    """

    depth: int
    width: int
    is_forced: bool = False
    content: Callable[[], Bits] | None = None

    def with_content(self, content: Callable[[], Bits] | None) -> Table:
        """Return the table with what makes its bits."""
        return replace(self, content=content)

    def cost(self) -> Parts:
        """Count; the content matters where synthesis maps a table that is deeper than a LUT to logic."""
        is_mapped = (
            self.depth > TABLE_WORDS and not self.is_forced and not rom_is_block(self.depth, self.width)
        )
        columns = distinct_columns(self.content()) if is_mapped and self.content is not None else None
        return rom(self.depth, self.width, forced=self.is_forced, columns=columns)


def _bits(values: NDArray[np.int64], width: int) -> Bits:
    """Spell integers (n,) as bits (n, width)."""
    return ((values[:, np.newaxis] >> np.arange(width)) & 1).astype(np.uint8)


def decision_table(op: Mvtu, source: TensorType) -> Bits:
    """Constants of each row's decision, (row folds, PE·bits): thresholds and polarity, or the raw offset."""
    width = op.agreement_bits(source)
    if op.thresholds is None:
        rows = _bits(op.row_offsets(source), min(width, op.infer(source).element.bits))
    else:
        levels = op.agreement_thresholds(source).T
        fields = [_bits(level, width + 1) for level in levels]
        rows = np.concatenate([*fields, op.thresholds.inverted[:, np.newaxis].astype(np.uint8)], axis=1)
    return rows.reshape(op.weights.rows // op.scheduled_folding.pe, -1)


def decision_width(op: Mvtu, accumulator_bits: int, output_bits: int) -> int:
    """Bits of one row in :func:`decision_table`."""
    if op.thresholds is None:
        return min(accumulator_bits, output_bits)
    return op.thresholds.levels * (accumulator_bits + 1) + 1


def control_table(schedule: FoldSchedule) -> Bits:
    """Column, plane and flags of each step of an irregular schedule, (steps, bits)."""
    numbers = [_bits(part, int(part.max()).bit_length()) for part in (schedule.column_fold, schedule.plane)]
    flags = np.stack([schedule.reads_stream, schedule.first_of_row_fold, schedule.last_of_row_fold], axis=1)
    return np.concatenate([*numbers, flags.astype(np.uint8)], axis=1)


def _populations(masks: Bits, folding: Folding) -> Bits:
    """Spell the entries that every row has in every step, (steps, rows·bits)."""
    counts: NDArray[np.int64] = masks.reshape(-1, folding.simd).sum(axis=1, dtype=np.int64)
    return _bits(counts, count_bits(folding.simd)).reshape(len(masks), -1)


def contents(op: Mvtu, source: TensorType, schedule: FoldSchedule) -> dict[str, Callable[[], Bits]]:
    """Return what makes the bits of each table: "weights", "decisions", "masks", "control"."""

    def words(which: int) -> Bits:
        return weight_words(op.weights, op.scheduled_folding, schedule)[which].reshape(schedule.n_steps, -1)

    return {
        "weights": lambda: words(0),
        "decisions": lambda: decision_table(op, source),
        "masks": lambda: words(1),
        "populations": lambda: _populations(words(1), op.scheduled_folding),
        "control": lambda: control_table(schedule),
    }
