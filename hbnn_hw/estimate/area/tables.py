"""The tables that a folded unit keeps: weights, masks, decision constants, step control."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.folding import FoldSchedule, weight_words
from hbnn_hw.ops import Mvtu
from hbnn_hw.planes import Bits
from hbnn_hw.types import TensorType


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


def is_regular(op: Mvtu, schedule: FoldSchedule) -> bool:
    """Tell whether no step is left out, so that counters do for the control."""
    fold, weights = op.scheduled_folding, op.weights
    planes = int(schedule.plane.max()) + 1
    return schedule.n_steps == weights.rows // fold.pe * planes * (weights.columns // fold.simd)


def control_table(schedule: FoldSchedule) -> Bits:
    """Column, plane and flags of each step of an irregular schedule, (steps, bits)."""
    numbers = [_bits(part, int(part.max()).bit_length()) for part in (schedule.column_fold, schedule.plane)]
    flags = np.stack([schedule.reads_stream, schedule.first_of_row_fold, schedule.last_of_row_fold], axis=1)
    return np.concatenate([*numbers, flags.astype(np.uint8)], axis=1)


def tables(op: Mvtu, source: TensorType, schedule: FoldSchedule) -> list[Bits]:
    """List the content of every table as bits (words, width)."""
    weights, masks = weight_words(op.weights, op.scheduled_folding, schedule)
    found = [weights.reshape(schedule.n_steps, -1), decision_table(op, source)]
    if not op.weights.is_homogeneous:
        found.append(masks.reshape(schedule.n_steps, -1))
    if not is_regular(op, schedule):
        found.append(control_table(schedule))
    return found
