"""Area of pooling: on the stream with a row of unfinished results, or over what a window shows."""

from __future__ import annotations

import numpy as np

from hbnn_hw.estimate.area.features import Block, Features
from hbnn_hw.estimate.area.parts import Parts, block_features, counter_bits, output_register, ram, still_bits
from hbnn_hw.ops import Pool, PoolKind, WindowPool
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import Bordered, TensorType


def _reduction(op: Pool | WindowPool, source: TensorType, result: TensorType) -> dict[str, float]:
    """Bits of all lanes by what becomes of them: ORs of single bits, comparisons, sums."""
    lanes, bits = op.lanes, result.element.bits
    is_sum = op.kind is PoolKind.SUM
    return {
        "sum": lanes * bits if is_sum else 0,
        "or": lanes if not is_sum and source.element.bits == 1 else 0,
        "best": lanes * bits if not is_sum and source.element.bits > 1 else 0,
    }


def features(op: Pool | WindowPool, source: TensorType) -> Features:
    """Quantities of a pooling; without a window in front, results of one row of places wait in a RAM."""
    return _of_windows(op, source) if isinstance(op, WindowPool) else _of_stream(op, source)


def _of_windows(op: WindowPool, source: TensorType) -> Features:
    result = op.infer(source)
    width, element = beat_bits(result, op.lanes), source.element
    turned = op.smallest is not None and bool(op.smallest.any())
    skips = isinstance(element, Bordered) and (op.kind is PoolKind.SUM or turned)
    counter = counter_bits(op.window)
    kept = width + 1 if op.window > 1 else 0
    parts = [
        output_register(width, spaced=op.window > 1),
        Parts(0, op.lanes * element.bits + skips + 2 + counter + kept),
    ]
    return block_features(Block.WINDOW_POOL, parts, {**_reduction(op, source, result), "counters": counter})


def _of_stream(op: Pool, source: TensorType) -> Features:
    result = op.infer(source)
    width, beats = beat_bits(result, op.lanes), source.shape[2] // op.lanes
    (reads,) = op.reads(source)
    spaced = int(np.diff(reads, append=reads[0] + source.n_elements // op.lanes).min()) > 1
    places = [(size - 1) // stride + 1 for size, stride in zip(source.shape[:2], op.stride, strict=True)]
    if source.shape[0] == result.shape[0] * op.stride[0] and op.kernel[0] == op.stride[0]:
        places.pop(0)  # the row of places matters to nothing
    counters = counter_bits(beats, *op.stride, *places)
    words = beats * (result.shape[1] if op.kernel[0] > 1 else 1)
    parts = [
        output_register(width, spaced=spaced),
        Parts(0, beat_bits(source, op.lanes) + 3 + counters),
    ]
    if max(op.kernel) > 1:
        parts.append(_unfinished(op, beats, words, width))
    return block_features(Block.POOL, parts, {**_reduction(op, source, result), "counters": counters})


def _unfinished(op: Pool, beats: int, words: int, width: int) -> Parts:
    """What keeps unfinished results, and its addresses."""
    if words == 1:
        return Parts(0, width)
    kept = ram(words, width) + Parts(0, counter_bits(words))
    if beats == 1 and op.kernel[1] > 1:
        kept += Parts(width, width + 1)
    if op.kernel[0] > 1 and beats & (beats - 1):
        kept += Parts(counter_bits(words), counter_bits(words + beats) - still_bits(beats))
    return kept
