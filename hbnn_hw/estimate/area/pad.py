"""Area of the frames around images: counters that tell the frame, and the choice between it and the image."""

from __future__ import annotations

from hbnn_hw.estimate.area.features import Features
from hbnn_hw.estimate.area.structure import counter_bits, structure
from hbnn_hw.ops import Pad, PadPlanes
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import TensorType


def features(op: Pad | PadPlanes, source: TensorType) -> Features:
    """Quantities of a frame: a gate per output bit, four comparisons of the counters with constants."""
    framed = op.infer(source)
    rows, columns, channels = framed.shape
    width = beat_bits(framed, op.lanes)
    counters = counter_bits(rows, columns, channels // op.lanes)
    return structure({"choice": float(width), "inside": 4.0}, word_bits=width, counters=counters)
