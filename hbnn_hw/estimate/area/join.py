"""Area of what joins, copies and respells streams: sums, concatenations, forks, decoders."""

from __future__ import annotations

from hbnn_hw.estimate.area.features import Features
from hbnn_hw.estimate.area.structure import counter_bits, structure
from hbnn_hw.ops import Add, Concat, Decode
from hbnn_hw.planes import uniform_scales
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import Planes, TensorType

TABLE_INPUTS = 6
"""Inputs of a LUT."""


def add_features(op: Add, *sources: TensorType) -> Features:
    """Quantities of a sum: an adder per lane and further input."""
    result = op.infer(*sources)
    width = beat_bits(result, op.lanes)
    return structure({"add": float(width * (len(sources) - 1))}, word_bits=width)


def concat_features(op: Concat, *sources: TensorType) -> Features:
    """Quantities of a concatenation: a multiplexer of up to four inputs a LUT, and whose turn it is."""
    width = beat_bits(op.infer(*sources), op.lanes)
    counters = counter_bits(len(sources), max(value.shape[-1] // op.lanes for value in sources))
    return structure({"choice": float(width * -(-len(sources) // 4))}, word_bits=width, counters=counters)


def fork_features(lanes: int, readers: int, source: TensorType) -> Features:
    """Quantities of a fork: a handshake per reader; the beats are wires."""
    return structure({"readers": 2.0 * readers}, word_bits=beat_bits(source, lanes))


def decode_features(op: Decode, source: TensorType) -> Features:
    """Quantities of a decoder: wiring for uniform codes, else a function of all planes per result bit."""
    assert isinstance(source.element, Planes)
    scales, width = source.element.scales, beat_bits(op.infer(source), op.lanes)
    tables = 0 if scales == uniform_scales(len(scales)) else 1 << max(0, len(scales) - TABLE_INPUTS)
    return structure({"decode": float(width * tables)}, word_bits=width)
