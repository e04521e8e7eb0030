"""Values of the templates of operators on single elements: one beat in, one beat out, no buffer."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.hls.limits import check_number, check_partition
from hbnn_hw.backends.hls.roms import constants, number_rom, vector_rom
from hbnn_hw.errors import GraphError
from hbnn_hw.folding import LUT_ROM_DEPTH
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import ArgMax, Concat, Decode, Fork, Rescale, Threshold, WidthConverter
from hbnn_hw.ops.base import range_of
from hbnn_hw.planes import Bits
from hbnn_hw.types import Integers, PlaneMask, Planes, TensorType

Values = dict[str, Any]


def _integers(node: Node, *sources: TensorType) -> list[Integers]:
    """Return the ranges of inputs that must be integers, of a width that the kernels compute with."""
    found = []
    for source in sources:
        if not isinstance(source.element, Integers):
            raise GraphError(f"'{node.name}' must read integers, not {source.element}; lower the graph")
        check_number(node.name, "input", source.element.bits)
        found.append(source.element)
    return found


def _integer_input(graph: Graph, node: Node) -> tuple[Integers, Values]:
    """Return the range of the one input and what templates say of it."""
    (element,) = _integers(node, graph.source_type(node))
    return element, {"source_bits": element.bits, "source_signed": element.signed}


def _rom_core(depth: int) -> str | None:
    """Memory of a table of so many words; None where it is constants in logic."""
    if depth == 1:
        return None
    return "ROM_1P_LUTRAM" if depth <= LUT_ROM_DEPTH else "ROM_1P_BRAM"


def _folded(table: NDArray[np.int64], lanes: int) -> NDArray[np.int64]:
    """Sort constants (channels, ...) by lane and channel fold: (lanes, folds, ...)."""
    return table.reshape(-1, lanes, *table.shape[1:]).swapaxes(0, 1)


def _signed_rom(table: NDArray[np.int64], lanes: int) -> tuple[str, int]:
    """Print constants (channels, count) in two's complement (lanes, folds, count); return text and width."""
    bits = Integers(min(-1, int(table.min())), int(table.max())).bits
    return number_rom(_folded(table & ((1 << bits) - 1), lanes), bits), bits


# --- masks


def _period(packed: Bits, folds: int) -> int:
    """Beats after which the masks (beats, bits) repeat: those of a pixel if all pixels have the same."""
    pixels = packed.reshape(-1, folds, packed.shape[-1])
    return folds if bool((pixels == pixels[:1]).all()) else len(packed)


def mask_words(mask: PlaneMask, lanes: int) -> Bits:
    """Lay out a mask as the beats of its value: uint8 (words, lanes · planes).

    A word for every beat of a pixel if all pixels have the same masks, else one for every beat of the image.
    """
    present = mask.present()
    n_planes, channels = present.shape[0], present.shape[-1]
    packed = np.moveaxis(present, 0, -1).reshape(-1, lanes * n_planes)
    return packed[: _period(packed, channels // lanes)]


def _mask_values(mask: PlaneMask | None, lanes: int) -> Values:
    if mask is None:
        return {"mask_rom": None, "mask_period": 1, "mask_core": None}
    words = mask_words(mask, lanes)
    return {
        "mask_rom": vector_rom(words),
        "mask_period": len(words),
        "mask_core": _rom_core(len(words)),
    }


def _is_only_decoded(graph: Graph, node: Node) -> bool:
    """Whether all that becomes of a stream are integers: decoding applies the masks itself."""
    readers = [reader for reader in graph.hardware_nodes if node.name in map(graph.producer, reader.inputs)]
    return bool(readers) and all(
        isinstance(reader.op, Decode)
        or (isinstance(reader.op, Fork | WidthConverter) and _is_only_decoded(graph, reader))
        for reader in readers
    )


# --- operators


def threshold_values(graph: Graph, node: Node) -> Values:
    """Thresholds as plain numbers, at the ends of the input's range where they pass always or never.

    Raises
    ------
    GraphError
        If the input is not integers.
    FoldingError
        If there are more comparators than the tools accept.
    """
    op = node.op
    assert isinstance(op, Threshold)
    source, values = _integer_input(graph, node)
    thresholds, folds = op.thresholds, op.thresholds.channels // op.lanes
    check_partition(node.name, "set of threshold ROMs", op.lanes * thresholds.levels, "choose fewer lanes")
    # Two's complement with its top bit turned is the number plus half the words.
    raised = 1 << (source.bits - 1) if source.signed else 0
    table = np.clip(thresholds.table, source.low, source.high + 1) + raised
    inverted = thresholds.inverted.astype(np.int64)[:, np.newaxis] << (source.bits + 1)
    mask = None if _is_only_decoded(graph, node) else thresholds.output.mask
    return {
        **values,
        "result_bits": thresholds.n_bits,
        "levels": thresholds.levels,
        "folds": folds,
        "threshold_rom": number_rom(_folded(table | inverted, op.lanes), source.bits + 2),
        "threshold_core": _rom_core(folds),
        **_mask_values(mask, op.lanes),
    }


def _rom_of_knees(node: Node, op: Rescale, source: Integers) -> Values:
    if not len(op.knees):
        return {"knee_rom": None, "knee_bits": 0}
    text, bits = _signed_rom(np.clip(op.knees, source.low, source.high + 1).T, op.lanes)
    check_number(node.name, "knee", bits)
    return {"knee_rom": text, "knee_bits": bits}


def rescale_values(graph: Graph, node: Node) -> Values:
    """Constants of all pieces by lane and channel fold; the width of the sums is that of the proven range.

    Raises
    ------
    GraphError
        If the input is not integers.
    FoldingError
        If there are more constants side by side than the tools accept.
    """
    op = node.op
    assert isinstance(op, Rescale)
    source, values = _integer_input(graph, node)
    pieces, channels = op.multipliers.shape
    check_partition(node.name, "set of constants", op.lanes * pieces, "choose fewer lanes")
    multiplier_rom, multiplier_bits = _signed_rom(op.multipliers.T, op.lanes)
    offset_rom, offset_bits = _signed_rom(op.offsets.T, op.lanes)
    sums = op.sum_range(graph.source_type(node))
    return {
        **values,
        "result_bits": graph.types[node.name].element.bits,
        "pieces": pieces,
        "folds": channels // op.lanes,
        "shift": op.shift,
        "sum_bits": Integers(min(-1, sums.low), sums.high).bits,
        "multiplier_rom": multiplier_rom,
        "multiplier_bits": multiplier_bits,
        "offset_rom": offset_rom,
        "offset_bits": offset_bits,
        **_rom_of_knees(node, op, source),
        "constant_core": _rom_core(channels // op.lanes),
    }


def _numbers_of(elements: list[Integers]) -> list[Values]:
    return [{"bits": element.bits, "signed": element.signed} for element in elements]


def add_values(graph: Graph, node: Node) -> Values:
    """Widths and signs of all terms.

    Raises
    ------
    GraphError
        If an input is not integers.
    """
    result = graph.types[node.name].element
    check_number(node.name, "sum", result.bits)
    terms = _integers(node, *graph.input_types(node))
    return {"terms": _numbers_of(terms), "result_bits": result.bits}


def concat_values(graph: Graph, node: Node) -> Values:
    """Of every input: its width and sign, and up to which beat of a pixel its beats go.

    Raises
    ------
    GraphError
        If neither all inputs are planes that stay as they are, nor all are integers.
    """
    op, types = node.op, graph.input_types(node)
    assert isinstance(op, Concat)
    result = graph.types[node.name].element
    if isinstance(result, Planes):
        parts: list[Values] = [{"bits": result.bits, "signed": False} for _ in types]
    else:
        parts = _numbers_of(_integers(node, *types))
    ends = accumulate(value.shape[-1] // op.lanes for value in types)
    return {
        "parts": [part | {"end": end} for part, end in zip(parts, ends, strict=True)],
        "pixel_beats": sum(value.shape[-1] for value in types) // op.lanes,
        "result_bits": result.bits,
    }


def decode_values(graph: Graph, node: Node) -> Values:
    """Scales and masks of the planes."""
    source = graph.source_type(node).element
    assert isinstance(source, Planes)
    check_number(node.name, "decoded element", range_of(graph.source_type(node)).bits)
    return {
        "planes": source.n_planes,
        "scales": constants(source.scales),
        "result_bits": graph.types[node.name].element.bits,
        **_mask_values(source.mask, node.hardware.lanes_in),
    }


def fork_values(graph: Graph, node: Node) -> Values:
    """Nothing but the streams."""
    del graph, node
    return {}


def arg_max_values(graph: Graph, node: Node) -> Values:
    """Offsets by lane and beat; the width of the compared numbers is that of their proven range.

    Raises
    ------
    GraphError
        If the input is not integers.
    """
    op = node.op
    assert isinstance(op, ArgMax)
    _, values = _integer_input(graph, node)
    keys = op.key_range(graph.source_type(node))
    offset_rom, offset_bits = _signed_rom(op.offsets[:, np.newaxis], op.lanes)
    return {
        **values,
        "result_bits": graph.types[node.name].element.bits,
        "folds": len(op.offsets) // op.lanes,
        "shift": op.shift,
        "key_bits": Integers(min(-1, keys.low), keys.high).bits,
        "offset_rom": offset_rom,
        "offset_bits": offset_bits,
        "offset_core": _rom_core(len(op.offsets) // op.lanes),
    }
