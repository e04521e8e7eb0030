"""Area of the stream width converter."""

from __future__ import annotations

from hbnn_hw.estimate.area.features import Block, Features
from hbnn_hw.estimate.area.parts import Parts, block_features, skid_buffer
from hbnn_hw.ops import WidthConverter
from hbnn_hw.types import Bordered, TensorType


def features(op: WidthConverter, source: TensorType) -> Features:
    """Quantities of a converter.

    To collect parts takes registers for all but the last and for the word, a part counter and a flag. To cut
    a word takes its register, a two-way choice for each bit that shifts, a part counter, two flags and a skid
    buffer. ``counter`` is the counter's bits.
    """
    if op.lanes_from == op.lanes_to:
        return Features(Block.WIDTH_CONVERTER, {}, 0.0)
    mark = int(isinstance(source.element, Bordered))
    width_in, width_out = op.lanes_from * source.element.bits, op.lanes_to * source.element.bits
    if width_in < width_out:
        counter = (width_out // width_in - 1).bit_length()
        parts = [Parts(0, 2 * width_out - width_in + mark + counter + 1)]
    else:
        counter = (width_in // width_out - 2).bit_length()
        parts = [
            skid_buffer(width_out + mark),
            Parts(width_in - width_out, width_in + mark + counter + 2),
        ]
    return block_features(Block.WIDTH_CONVERTER, parts, {"counter": counter, "cut": width_in > width_out})
