"""Values of the templates of windows, frames and poolings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.hls.limits import check_partition
from hbnn_hw.backends.hls.roms import constants, vector_rom
from hbnn_hw.errors import FoldingError, GraphError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Pad, PadPlanes, Pool, PoolKind, SlidingWindow, WindowPool
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import Bordered, Element, Integers, Planes, TensorType

Values = dict[str, Any]

REGISTER_DEPTH = 32
"""Deepest buffer that is kept in registers: a RAM32M holds 32 words (UG474), and beyond that depth the
multiplexer behind registers costs more."""

LUTRAM_DEPTH = 128
"""Deepest buffer that goes to LUT RAM whatever its width; as FINN-R has it for embedded weights."""

LUTRAM_BITS = 4608
"""Largest buffer that goes to LUT RAM whatever its depth [bit]: a quarter of a RAMB18, about 100 LUTs."""

LEAST_DISTANCE = 8
"""Fewest steps between writing and reading a word so that a RAM keeps up with one step a clock: the write and
read stages of a pipelined RAM access lie less than this apart."""

ELEMENT_BITS = 64
"""Widest element that is compared or added [bit]: a plain word in C simulation."""


# --- buffers


@dataclass(frozen=True, slots=True)
class Buffer:
    """Where a buffer of beats is kept.

    Attributes
    ----------
    core
        The memory's core in the dialect of Vivado HLS; None for registers.
    distance
        Fewest steps between writing a word and reading it again.
    """

    core: str | None
    distance: int


def place_buffer(layer: str, what: str, *, depth: int, bits: int, distance: int) -> Buffer:
    """Choose a memory for ``depth`` words of ``bits`` bits; raise FoldingError if there is none for it."""
    if depth <= REGISTER_DEPTH or distance < LEAST_DISTANCE:
        check_partition(layer, what, depth, "choose other lanes")
        return Buffer(None, distance)
    small = depth <= LUTRAM_DEPTH or depth * bits <= LUTRAM_BITS
    return Buffer("RAM_S2P_LUTRAM" if small else "RAM_S2P_BRAM", distance)


def _check_lanes(node: Node, *counts: int) -> None:
    """Raise FoldingError unless the lanes divide all counts of channels."""
    lanes = node.hardware.lanes_in
    if any(count % lanes for count in counts):
        raise FoldingError(
            f"layer '{node.name}': the lanes must divide its {', '.join(map(str, counts))} channels, "
            f"not be {lanes}"
        )


# --- sliding window


def ring_distance(op: SlidingWindow, source: TensorType) -> int:
    """Return the fewest steps between putting a beat into the ring of rows and reading it.

    The first row of places reads what the fill brought, the second also what came during the first; all
    others repeat the second.
    """
    row, written = op.row_beats(source), op.place_row_beats(source)
    pixel, block = source.shape[2] // op.lanes, op.block // op.lanes
    rows, columns = op.sides(source)
    axes = (columns, pixel // block, *op.kernel, block)
    place, at_block, i, j, beat = np.indices(axes, dtype=np.int64).reshape(5, -1)
    window_row = i * op.dilation[0]
    at = (place * op.stride[1] + j * op.dilation[1]) * pixel + at_block * block + beat
    step = np.arange(written, dtype=np.int64)
    distances = op.spans[0] * row + step - (window_row * row + at)
    if rows > 1:
        per_row = max(written, op.stride[0] * row)
        put_in = (window_row - op.spans[0] + op.stride[0]) * row + at
        new = put_in >= 0
        distances = np.concatenate([distances, (per_row + step - put_in)[new]])
    return int(distances.min())


def sliding_window_values(graph: Graph, node: Node) -> Values:
    """Return the values of a sliding window: counts and steps in beats."""
    op, source = node.op, graph.source_type(node)
    assert isinstance(op, SlidingWindow)
    _check_lanes(node, op.block)
    row, pixel = op.row_beats(source), source.shape[2] // op.lanes
    kept_rows = min(op.stride[0], op.spans[0])
    ring_rows = op.spans[0] + kept_rows
    distance = ring_distance(op, source)
    return {
        "kernel_rows": op.kernel[0],
        "kernel_columns": op.kernel[1],
        "row_stride": op.stride[0],
        "column_stride": op.stride[1],
        "row_dilation": op.dilation[0],
        "column_dilation": op.dilation[1],
        "blocks": source.shape[2] // op.block,
        "block_beats": op.block // op.lanes,
        "places": op.sides(source)[1],
        "image_beats": source.shape[0] * row,
        "row_beats": row,
        "ring_rows": ring_rows,
        "ring_beats": ring_rows * row,
        "ring": place_buffer(
            node.name,
            "ring of rows",
            depth=ring_rows * row,
            bits=beat_bits(source, op.lanes),
            distance=distance,
        ),
        "column_step": op.dilation[1] * pixel,
        "row_step": op.dilation[0] * row,
        "place_step": op.stride[1] * pixel,
        "window_step": kept_rows * row,
        "fill_beats": op.spans[0] * row,
        "new_beats": op.stride[0] * row,
        "skipped_beats": (op.stride[0] - kept_rows) * row,
        "place_row_beats": op.place_row_beats(source),
        "place_row_steps": max(op.place_row_beats(source), op.stride[0] * row),
    }


# --- frames


def _frame_values(node: Node, source: TensorType, result: TensorType, padding: tuple[int, ...]) -> Values:
    lanes = node.hardware.lanes_in
    top, bottom, left, right = padding
    return {
        "rows": source.shape[0],
        "columns": source.shape[1],
        "pixel_beats": source.shape[2] // lanes,
        "top": top,
        "bottom": bottom,
        "left": left,
        "right": right,
        "framed_rows": result.shape[0],
        "framed_columns": result.shape[1],
        "framed_beats": result.shape[2] // lanes,
        "from_bits": source.element.bits,
        "to_bits": result.element.bits,
    }


def pad_planes_values(graph: Graph, node: Node) -> Values:
    """Return the values of a frame around planes."""
    op, source = node.op, graph.source_type(node)
    assert isinstance(op, PadPlanes)
    _check_lanes(node, source.shape[2])
    return {
        "signed": False,
        "marked": op.frame is None,
        "frame": sum(bit << plane for plane, bit in enumerate(op.frame or ())),
        "before": 0,
        **_frame_values(node, source, graph.types[node.name], op.padding),
    }


def pad_values(graph: Graph, node: Node) -> Values:
    """Return the values of a frame around integers.

    Raises
    ------
    GraphError
        If the input is planes: their codes are no numbers yet.
    """
    op, source, result = node.op, graph.source_type(node), graph.types[node.name]
    assert isinstance(op, Pad)
    _check_lanes(node, source.shape[2], *op.channels)
    integers = _integers(node, source.element)
    _check_width(node, result.element.bits)
    return {
        "signed": integers.signed,
        "marked": False,
        "value": op.value,
        "frame": op.value % (1 << result.element.bits),
        "before": op.channels[0] // op.lanes,
        "channels_before": op.channels[0],
        "channels_after": op.channels[1],
        **_frame_values(node, source, result, op.padding),
    }


# --- poolings


def _integers(node: Node, element: Element) -> Integers:
    if not isinstance(element, Integers):
        raise GraphError(f"'{node.name}' needs integers in hardware, not planes; decode them before it")
    return element


def _check_width(node: Node, bits: int) -> None:
    if bits > ELEMENT_BITS:
        raise GraphError(f"'{node.name}' needs elements of at most {ELEMENT_BITS} bits, not {bits}")


def _rises_with_code(scales: tuple[int, ...]) -> bool:
    """Whether a larger code is always a larger value: each scale is more than all lower ones together."""
    return all(scale > sum(scales[:plane]) for plane, scale in enumerate(scales))


def _reduction(node: Node, kind: PoolKind, element: Element) -> Values:
    """Return what becomes of the elements of a window, as a C++ class and the order that it compares by."""
    if kind is PoolKind.SUM:
        integers = _integers(node, element)
        return _reduction_values("Sum", "Sums of integers.", signed=integers.signed)
    match element:
        case Integers() as integers:
            name = "SignedOrder" if integers.signed else "CodeOrder"
            order = f"hbnn::{name}<{integers.bits}>"
            return _reduction_values("Largest", "Integers.", order=order, signed=integers.signed)
        case Bordered(planes) | (Planes() as planes) if planes.mask is None:
            if planes.n_planes == 1:
                return _reduction_values("BitwiseLargest", "One plane: OR is the maximum, AND the minimum.")
            if _rises_with_code(planes.scales):
                order = f"hbnn::CodeOrder<{planes.n_planes}>"
                return _reduction_values("Largest", "Planes whose value rises with their code.", order=order)
            order = f"hbnn::ValueOrder<{planes.n_planes}, {planes.largest.bit_length()}>"
            note = "Planes of these scales."
            return _reduction_values("Largest", note, order=order, scales=planes.scales)
        case _:
            raise GraphError(
                f"'{node.name}' needs planes without a map or integers in hardware; decode before it"
            )


def _reduction_values(
    reduction: str,
    note: str,
    *,
    order: str | None = None,
    signed: bool = False,
    scales: tuple[int, ...] | None = None,
) -> Values:
    return {
        "reduction": f"hbnn::{reduction}",
        "reduction_note": note,
        "order": order,
        "signed": signed,
        "scales": None if scales is None else constants(scales),
    }


def _pool_values(
    node: Node,
    kind: PoolKind,
    smallest: NDArray[np.bool_] | None,
    source: TensorType,
    result: TensorType,
) -> Values:
    lanes = node.hardware.lanes_in
    _check_lanes(node, result.shape[2])
    _check_width(node, result.element.bits)
    turned = smallest is not None and bool(smallest.any())
    words = np.asarray(smallest, dtype=np.uint8).reshape(-1, lanes) if turned else None
    titles = {PoolKind.SUM: "Sum", PoolKind.MAX: "Maximum, or minimum," if turned else "Maximum"}
    return {
        "title": titles[kind],
        "from_bits": source.element.bits,
        "to_bits": result.element.bits,
        "pixel_beats": result.shape[2] // lanes,
        "smallest_rom": None if words is None else vector_rom(words),
        **_reduction(node, kind, source.element),
    }


def pool_values(graph: Graph, node: Node) -> Values:
    """Return the values of a pooling over windows that do not overlap."""
    op, source, result = node.op, graph.source_type(node), graph.types[node.name]
    assert isinstance(op, Pool)
    pixel, places = source.shape[2] // op.lanes, result.shape[1]
    bits = op.lanes * result.element.bits
    # A result of one row is read again when its window begins in the next.
    waits = (source.shape[1] - op.kernel[1] + 1) * pixel
    return {
        "kernel_rows": op.kernel[0],
        "kernel_columns": op.kernel[1],
        "row_stride": op.stride[0],
        "column_stride": op.stride[1],
        "rows": source.shape[0],
        "columns": source.shape[1],
        "place_rows": result.shape[0],
        "places": places,
        "place_beats": places * pixel,
        "pixel": place_buffer(node.name, "results of a pixel", depth=pixel, bits=bits, distance=pixel),
        "row": place_buffer(node.name, "results of a row", depth=places * pixel, bits=bits, distance=waits),
        **_pool_values(node, op.kind, op.smallest, source, result),
    }


def window_pool_values(graph: Graph, node: Node) -> Values:
    """Return the values of a pooling of what a sliding window shows."""
    op, source, result = node.op, graph.source_type(node), graph.types[node.name]
    assert isinstance(op, WindowPool)
    if op.block != op.lanes:
        raise FoldingError(f"layer '{node.name}': its lanes must be its block of {op.block}, not {op.lanes}")
    marked = isinstance(source.element, Bordered)
    return {
        "window": op.window,
        "marked": marked,
        **_pool_values(node, op.kind, op.smallest, source, result),
    }
