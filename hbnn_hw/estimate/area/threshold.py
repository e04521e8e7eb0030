"""Area of thresholds that stand alone: comparisons, their count, and the table."""

from __future__ import annotations

from hbnn_hw.estimate.area import planned
from hbnn_hw.estimate.area.features import Block, Features
from hbnn_hw.estimate.area.join import decoders
from hbnn_hw.estimate.area.parts import Parts, block_features, counter_bits, pipeline, rom
from hbnn_hw.ops import Threshold
from hbnn_hw.ops.base import range_of
from hbnn_hw.streams import beat_bits
from hbnn_hw.timing import THRESHOLD_DEPTH
from hbnn_hw.types import TensorType


def features(op: Threshold, source: TensorType) -> Features:
    """Quantities of a unit that compares ``lanes`` channels a clock with all their thresholds.

    Comparisons with the words of a table are instantiated, two bits to a LUT; those with constants, where all
    channels come at once, are ``compare`` bits. ``place`` is the bits of the table's address.
    """
    thresholds, bits = op.thresholds, range_of(source).bits
    levels, folds = thresholds.levels, thresholds.channels // op.lanes
    width_in, width_out = op.lanes * bits, beat_bits(op.infer(source), op.lanes)
    compared = levels * -(-(bits + 1) // 2) if folds > 1 else 0
    masked = 1 if thresholds.mask is None else source.n_elements // op.lanes
    place = counter_bits(folds, masked)
    parts = [
        decoders(op.lanes, source),
        pipeline(width_in, width_out, THRESHOLD_DEPTH),
        rom(folds, op.lanes * (levels * (bits + 1) + 1)),
        rom(masked, width_out),
        Parts(op.lanes * (compared + planned.count_luts(levels)), width_in + width_out + place),
    ]
    compare = op.lanes * levels * bits if folds == 1 else 0
    return block_features(Block.THRESHOLD, parts, {"compare": compare, "place": place})
