"""A frame of one number around an image, in rows, columns and channels."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from hbnn_hw.backends.rtl.frame import Frame, frame_axes
from hbnn_hw.backends.rtl.lane_values import check_numbers, number
from hbnn_hw.backends.rtl.rom import concatenate, split
from hbnn_hw.ops import Pad
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import Bordered, Element, Integers, TensorType


def build(op: Pad, source: TensorType) -> Frame:
    """Return the unit of an IR operator.

    Raises
    ------
    FoldingError
        If the lanes do not divide all counts of channels.
    GraphError
        If the elements are planes with a map.
    """
    check_numbers(source.element)
    result = op.infer(source).element
    assert isinstance(result, Integers)
    axes = frame_axes(source.shape, op.padding, op.channels, op.lanes)
    outside = concatenate([(op.value, result.bits)] * op.lanes)

    def inside(m: Module, beat: Value) -> Value:
        return numbers(m, beat, source.element, result.bits, op.lanes)

    return Frame(beat_bits(source, op.lanes), op.lanes * result.bits, axes, outside, inside)


def numbers(m: Module, beat: Value, element: Element, bits: int, lanes: int) -> Value:
    """Return the numbers of a beat at ``bits`` bits each; those in a frame of nothing are 0."""
    fields = []
    for lane, field in enumerate(split(beat[: lanes * element.bits], element.bits)):
        wide = Signal(bits, name=f"number{lane}")
        value = number(m, f"code{lane}", field, element)
        m.d.comb += wide.eq(Mux(beat[-1], 0, value) if isinstance(element, Bordered) else value)
        fields.append(wide)
    return Cat(*fields)
