"""Area of the frames around images: counters that tell the frame, and the choice between it and the image."""

from __future__ import annotations

from hbnn_hw.estimate.area.features import Block, Features
from hbnn_hw.estimate.area.parts import Parts, block_features, counter_bits, output_register
from hbnn_hw.ops import Pad, PadPlanes
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import TensorType


def features(op: Pad | PadPlanes, source: TensorType) -> Features:
    """Quantities of a frame: a gate per output bit, a flag per framed axis, and ``counters`` (bits)."""
    framed = op.infer(source)
    rows, columns, channels = framed.shape
    width = beat_bits(framed, op.lanes)
    counters = counter_bits(rows, columns, channels // op.lanes)
    flags = sum(after != before for after, before in zip(framed.shape, source.shape, strict=True))
    parts = [output_register(width), Parts(width, counters + flags)]
    return block_features(Block.PAD, parts, {"counters": counters, "flags": flags})
