"""The tables that a folded unit keeps: weights, masks, decision constants, step control."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.estimate.area.memory import (
    column_luts,
    distinct_columns,
    rom_bram36,
    rom_is_block,
    rom_luts,
)
from hbnn_hw.folding import FoldSchedule, weight_words
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
    content
        Makes the bits (words, width); None where all columns are taken to be different, which is an upper
        bound that needs no table.
    """

    depth: int
    width: int
    content: Callable[[], Bits] | None = None

    def cost(self) -> tuple[float, int, float]:
        """Return LUTs, flip-flops behind the LUTs, and BRAM36."""
        if rom_is_block(self.depth, self.width):
            return 0.0, 0, rom_bram36(self.depth, self.width)
        if self.content is None:
            return self.width * column_luts(self.depth), self.width if self.depth > 1 else 0, 0.0
        bits = self.content()
        return rom_luts(bits), distinct_columns(bits) if self.depth > 1 else 0, 0.0


def _bits(values: NDArray[np.int64], width: int) -> Bits:
    """Spell integers (n,) as bits (n, width)."""
    return ((values[:, np.newaxis] >> np.arange(width)) & 1).astype(np.uint8)


def decision_table(op: Mvtu, source: TensorType) -> Bits:
    """Constants of each row's decision, (row folds, PE·bits): thresholds and polarity, or the raw offset."""
    width = op.agreement_bits(source)
    if op.thresholds is None:
        rows = _bits(op.row_offsets(source), width)
    else:
        levels = op.agreement_thresholds(source).T
        fields = [_bits(level, width + 1) for level in levels]
        rows = np.concatenate([*fields, op.thresholds.inverted[:, np.newaxis].astype(np.uint8)], axis=1)
    return rows.reshape(op.weights.rows // op.scheduled_folding.pe, -1)


def decision_width(op: Mvtu, accumulator_bits: int) -> int:
    """Bits of one row in :func:`decision_table`."""
    return accumulator_bits if op.thresholds is None else op.thresholds.levels * (accumulator_bits + 1) + 1


def control_table(schedule: FoldSchedule) -> Bits:
    """Column, plane and flags of each step of an irregular schedule, (steps, bits)."""
    numbers = [_bits(part, int(part.max()).bit_length()) for part in (schedule.column_fold, schedule.plane)]
    flags = np.stack([schedule.reads_stream, schedule.first_of_row_fold, schedule.last_of_row_fold], axis=1)
    return np.concatenate([*numbers, flags.astype(np.uint8)], axis=1)


def contents(op: Mvtu, source: TensorType, schedule: FoldSchedule) -> dict[str, Callable[[], Bits]]:
    """Return what makes the bits of each table: "weights", "decisions", "masks", "control"."""

    def words(which: int) -> Bits:
        return weight_words(op.weights, op.scheduled_folding, schedule)[which].reshape(schedule.n_steps, -1)

    return {
        "weights": lambda: words(0),
        "decisions": lambda: decision_table(op, source),
        "masks": lambda: words(1),
        "control": lambda: control_table(schedule),
    }
