"""Area of the stream width converter."""

from __future__ import annotations

from hbnn_hw.estimate.area.features import Block, Features
from hbnn_hw.ops import WidthConverter
from hbnn_hw.types import TensorType


def features(op: WidthConverter, source: TensorType) -> Features:
    """Quantities of a converter: it registers the wider word, and cutting shifts it through multiplexers.

    ``shift`` counts bits that load and shift (cutting only); ``unit`` is the beat counter and handshake.
    """
    bits = source.element.bits
    if op.lanes_from == op.lanes_to:
        return Features(Block.WIDTH_CONVERTER, {"shift": 0.0, "unit": 0.0}, 0.0)
    wide, narrow = max(op.lanes_from, op.lanes_to), min(op.lanes_from, op.lanes_to)
    shifted = (wide - narrow) * bits if op.lanes_from > op.lanes_to else 0
    counter = (wide // narrow - 1).bit_length()
    return Features(
        Block.WIDTH_CONVERTER, {"shift": float(shifted), "unit": 1.0}, float(wide * bits + counter + 1)
    )
