"""A frame around an image of bit-planes: of one code, or of beats that are marked as nothing."""

from __future__ import annotations

from hbnn_hw.backends.rtl.frame import Frame, frame_axes
from hbnn_hw.backends.rtl.rom import concatenate
from hbnn_hw.ops import PadPlanes
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import TensorType


def build(op: PadPlanes, source: TensorType) -> Frame:
    """Return the unit of an IR operator.

    Raises
    ------
    FoldingError
        If the lanes do not divide the channels.
    """
    width_in, width_out = beat_bits(source, op.lanes), beat_bits(op.infer(source), op.lanes)
    axes = frame_axes(source.shape, op.padding, (0, 0), op.lanes)
    # The mark lies above all lanes; inside it is the zero that widens the beat.
    outside = 1 << width_in if op.frame is None else concatenate([(bit, 1) for bit in op.frame] * op.lanes)
    return Frame(width_in, width_out, axes, outside, lambda _, beat: beat)
