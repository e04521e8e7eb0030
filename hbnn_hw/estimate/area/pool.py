"""Area of pooling: on the stream with a row of unfinished results, or over what a window shows."""

from __future__ import annotations

from hbnn_hw.estimate.area.features import Features
from hbnn_hw.estimate.area.memory import ram
from hbnn_hw.estimate.area.structure import comparison_luts, counter_bits, structure
from hbnn_hw.ops import Pool, PoolKind, WindowPool
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import TensorType


def _lane_luts(op: Pool | WindowPool, result: TensorType) -> float:
    """LUTs of one lane: an adder, an OR of single bits, or a comparison and a choice."""
    bits = result.element.bits
    if op.kind is PoolKind.SUM:
        return float(bits)
    inverted = 1.0 if op.smallest is not None else 0.0
    return (1.0 if bits == 1 else comparison_luts(bits) + bits) + inverted


def features(op: Pool | WindowPool, source: TensorType) -> Features:
    """Quantities of a pooling; without a window in front, results of one row of places wait in a RAM."""
    result = op.infer(source)
    width = beat_bits(result, op.lanes)
    beats = result.shape[-1] // op.lanes
    luts = {"reduce": op.lanes * _lane_luts(op, result), "first": float(width)}
    if isinstance(op, WindowPool):
        counters = counter_bits(op.window, result.n_elements // op.lanes)
        return structure(luts, word_bits=width, counters=counters, flip_flops=float(width))
    rows, columns, _ = source.shape
    counters = counter_bits(rows, columns, beats, *op.kernel)
    return structure(luts, word_bits=width, counters=counters, memories=[ram(result.shape[1] * beats, width)])
