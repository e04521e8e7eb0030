"""Area of thresholds that stand alone: comparisons, their count, and the table."""

from __future__ import annotations

from hbnn_hw.estimate.area.features import Features
from hbnn_hw.estimate.area.structure import comparison_luts, counter_bits, structure
from hbnn_hw.estimate.area.tables import Table
from hbnn_hw.ops import Threshold
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import TensorType


def features(op: Threshold, source: TensorType) -> Features:
    """Quantities of a unit that compares ``lanes`` channels a clock with all their thresholds."""
    levels, bits = op.thresholds.levels, source.element.bits
    folds = op.thresholds.channels // op.lanes
    in_luts, registers, blocks = Table(folds, op.lanes * (levels * bits + 1)).cost()
    luts = {
        "compare": op.lanes * levels * comparison_luts(bits),
        "count": float(op.lanes * levels),
    }
    return structure(
        luts,
        word_bits=beat_bits(op.infer(source), op.lanes),
        counters=counter_bits(folds),
        flip_flops=float(registers),
        memories=[(in_luts, blocks)],
    )
