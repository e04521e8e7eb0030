"""Values of the matrix-vector-threshold unit's template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.hls.limits import PARTITION_LIMIT, check_partition, check_word
from hbnn_hw.backends.hls.roms import (
    constants,
    in_parts,
    number_bits,
    number_rom,
    part_files,
    vector_rom,
    word_rom,
)
from hbnn_hw.backends.hls.xor_rom import fitting_simd, xor_wiring
from hbnn_hw.errors import FoldingError
from hbnn_hw.folding import LUT_ROM_DEPTH, Folding, FoldSchedule, fold_rows, weight_words
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Mvtu
from hbnn_hw.ops.mvtu import Accumulation
from hbnn_hw.planes import Bits
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import Bordered, TensorType
from hbnn_hw.xor_encoding import XorEncoding
from hbnn_hw.xor_wiring import XorWiring, decoder_columns, inverted_rows, stored_words

Values = dict[str, Any]
"""Names and values of the template."""

REGISTER_BUFFER_FOLDS = 32
"""Most column folds whose input buffer is kept in registers: a RAM32M holds 32 words, one LUT per 1.5 bits of
them (UG474), and beyond that depth the multiplexer behind registers costs more."""

LUTRAM_MIN_DISTANCE = 8
"""Fewest steps between writing and re-reading a buffer word so that a RAM keeps up with one step a clock: the
write and read stages of a pipelined RAM access lie less than this apart."""


def _remedy(folding: Folding, what: str) -> str:
    return "fold this layer instead of unrolling it" if folding.unrolled else f"choose a smaller {what}"


def _check_sizes(layer: str, op: Mvtu, source: TensorType, output_bits: int) -> None:
    folding = op.scheduled_folding
    check_word(layer, "input word", beat_bits(source, op.lanes_in), _remedy(folding, "SIMD"))
    check_word(layer, "output word", folding.pe * output_bits, _remedy(folding, "PE"))
    lanes = folding.pe * op.weights.n_planes if folding.unrolled else folding.pe
    check_partition(layer, "set of weight ROMs", lanes, _remedy(folding, "PE"))
    levels = 1 if op.thresholds is None else op.thresholds.levels
    check_partition(layer, "set of threshold ROMs", folding.pe * levels, _remedy(folding, "PE"))


def _check_form(layer: str, op: Mvtu, source: TensorType) -> None:
    """Raise FoldingError for what no folding of the unit's loops can do."""
    if op.weights.row_coefficients is not None:
        raise FoldingError(
            f"layer '{layer}': its planes must have one coefficient each, not one per row; split the planes"
        )
    if op.scheduled_folding.unrolled and op.groups > 1:
        raise FoldingError(
            f"layer '{layer}': a layer of {op.groups} groups cannot be unrolled; fold it, or emit RTL alone"
        )
    if isinstance(source.element, Bordered) and op.group_inputs % op.scheduled_folding.simd:
        raise FoldingError(
            f"layer '{layer}': its border leaves the sums, so SIMD must divide the {op.group_inputs} "
            f"channels of a pixel, not {op.scheduled_folding.simd}; fold the layer so"
        )


def _widths(op: Mvtu, accumulation: Accumulation) -> dict[str, int]:
    """Widths in bits: of a word's sum, of a step's, and of the accumulator."""
    word_sum = op.scheduled_folding.simd * sum(accumulation.scales)
    step_sum = word_sum * max(op.weights.coefficients)
    return {
        "word_sum_bits": word_sum.bit_length(),
        "step_sum_bits": step_sum.bit_length(),
        "sum_bits": accumulation.bits,
    }


def _activation(op: Mvtu, accumulation: Accumulation, output_bits: int) -> Values:
    """Threshold words, or the offsets of raw scores, by PE and row fold."""
    sum_bits, folding = accumulation.bits, op.scheduled_folding
    row_folds = op.weights.rows // folding.pe
    if op.thresholds is None:
        offsets = fold_rows(accumulation.offsets, folding).swapaxes(0, 1)
        shape: tuple[int, ...] = (sum_bits, accumulation.shift, output_bits, folding.pe, row_folds)
        rom = number_rom(offsets, sum_bits)
        return {"activation": f"Scores<{', '.join(map(str, shape))}>", "activation_rom": rom, "levels": 0}
    inverted = op.thresholds.inverted.astype(np.int64)[:, np.newaxis] << (sum_bits + 1)
    words = accumulation.thresholds(op.thresholds.table) | inverted
    shape = (sum_bits, output_bits, folding.pe, row_folds)
    return {
        "activation": f"Thresholds<{', '.join(map(str, shape))}>",
        "activation_rom": number_rom(fold_rows(words, folding).swapaxes(0, 1), sum_bits + 2),
        "levels": op.thresholds.levels,
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Words:
    """Plain weight and mask words (lanes, depth, width): PE by step, or row by plane when unrolled."""

    weights: Bits
    masks: Bits

    def values(self) -> Values:
        """ROM texts; no mask ROM where every stored word is complete, one for all lanes where they agree."""
        masked, shared = not self.masks.all(), bool((self.masks == self.masks[:1]).all())
        weights, masks = in_parts(word_rom(self.weights)), None
        if masked:
            masks = in_parts(vector_rom(self.masks[0]) if shared else word_rom(self.masks))
        return {
            "encoded_rom": False,
            "weight_rom": weights,
            "mask_rom": masks,
            "masks_shared": shared,
            "rom_files": part_files("weights", weights) | part_files("masks", masks or [""]),
            "rom_bits": self.weights.size,
        }


def _unrolled_words(op: Mvtu) -> _Words:
    weights = op.weights
    return _Words(weights.unpacked_bits().swapaxes(0, 1), weights.unpacked_masks().swapaxes(0, 1))


def _folded_words(op: Mvtu, schedule: FoldSchedule) -> _Words:
    weights, masks = weight_words(op.weights, op.scheduled_folding, schedule)
    return _Words(weights.swapaxes(0, 1), masks.swapaxes(0, 1))


def _encoded_values(encoding: XorEncoding, wiring: XorWiring, op: Mvtu, schedule: FoldSchedule) -> Values:
    """ROM of stored bits, with its decoder; encoded planes are full, so there are no masks."""
    folding = op.scheduled_folding
    words = stored_words(encoding, wiring, folding, schedule)
    text, inverted = in_parts(word_rom(words)), inverted_rows(encoding, folding)
    return {
        "encoded_rom": True,
        "fitting_simd": [folding.simd],
        "weight_rom": text,
        "mask_rom": None,
        "rom_files": part_files("weights", text),
        "rom_bits": words.size,
        "stored_bits": words.shape[-1],
        "decoder_pes": wiring.group_pes,
        "n_in": encoding.n_in,
        "n_out": encoding.n_out,
        "xor_columns": word_rom(decoder_columns(encoding, wiring)),
        "inverted_rom": None if inverted is None else number_rom(inverted, 1),
    }


def _stored_words(op: Mvtu, schedule: FoldSchedule) -> Values:
    """The weight memory: encoded where the weights are and the folding takes whole slices, else plain."""
    encoding = op.weights.encoding
    if encoding is None:
        return {**_folded_words(op, schedule).values(), "fitting_simd": None}
    wiring = xor_wiring(encoding, op.scheduled_folding)
    if wiring is not None:
        return _encoded_values(encoding, wiring, op, schedule)
    fitting = fitting_simd(encoding, op.scheduled_folding.pe)
    return {**_folded_words(op, schedule).values(), "fitting_simd": fitting, "n_out": encoding.n_out}


def _index_bits(extent: int) -> int:
    return max(1, (extent - 1).bit_length())


def _step_rom(op: Mvtu, schedule: FoldSchedule, column_folds: int) -> Values:
    """Step words of a schedule that leaves words out; None where counters give every step."""
    row_folds = op.weights.rows // op.scheduled_folding.pe
    if schedule.n_steps == row_folds * op.weights.n_planes * column_folds:
        return {"step_rom": None}
    column_bits, plane_bits = _index_bits(column_folds), _index_bits(op.weights.n_planes)
    last = schedule.last_of_row_fold.astype(np.int64)
    words = schedule.column_fold | schedule.plane << column_bits | last << (column_bits + plane_bits)
    rom = vector_rom(number_bits(words, column_bits + plane_bits + 1))
    return {"step_rom": rom, "column_bits": column_bits, "plane_bits": plane_bits}


def reuse_distance(schedule: FoldSchedule) -> int | None:
    """Fewest steps between reading a word from the stream and re-reading it; None if that never happens."""
    vector = schedule.row_fold // schedule.vector_row_folds
    # The first steps of a vector read its columns in order.
    written = np.searchsorted(vector, vector) + schedule.column_fold
    distances: NDArray[np.int64] = (np.arange(schedule.n_steps) - written)[~schedule.reads_stream]
    return int(distances.min()) if len(distances) else None


def _buffer(layer: str, op: Mvtu, schedule: FoldSchedule, n_planes: int) -> Values:
    """Where the input buffer is kept: registers, or LUT RAM with the true distance of its reuse."""
    column_folds = op.weights.columns // op.scheduled_folding.simd
    distance = reuse_distance(schedule)
    in_ram = column_folds > REGISTER_BUFFER_FOLDS and (distance is None or distance >= LUTRAM_MIN_DISTANCE)
    if not in_ram and column_folds > REGISTER_BUFFER_FOLDS:
        words = column_folds * op.spread * n_planes
        check_partition(layer, "input buffer", words, "choose a larger SIMD")
    return {"buffer_in_ram": in_ram, "reuse_distance": distance}


def _folded_values(node: Node, op: Mvtu, n_planes: int) -> Values:
    schedule = op.schedule()
    column_folds = op.weights.columns // op.scheduled_folding.simd
    every_step = column_folds * op.weights.n_planes * (op.weights.rows // op.scheduled_folding.pe)
    return {
        "steps": schedule.n_steps,
        "every_step": every_step,
        "vector_row_folds": schedule.vector_row_folds,
        "rom_core": "ROM_1P_LUTRAM" if schedule.n_steps <= LUT_ROM_DEPTH else "ROM_1P_BRAM",
        **_stored_words(op, schedule),
        **_step_rom(op, schedule, column_folds),
        **_buffer(node.name, op, schedule, n_planes),
    }


def _unrolled_values(op: Mvtu) -> Values:
    words = _unrolled_words(op).values()
    return {"steps": 1, "every_step": 1, "vector_row_folds": 1, "fitting_simd": None, **words}


def mvtu_values(graph: Graph, node: Node) -> Values:
    """Return the values of one unit's template.

    Raises
    ------
    FoldingError
        Naming the layer, if a word or an array is beyond what the HLS tools accept, or the unit has no such
        form.
    """
    op, source = node.op, graph.source_type(node)
    assert isinstance(op, Mvtu)
    folding, accumulation = op.scheduled_folding, op.accumulation(source)
    output_bits, n_planes = graph.types[node.name].element.bits, len(accumulation.scales)
    _check_form(node.name, op, source)
    _check_sizes(node.name, op, source, output_bits)
    return {
        "unrolled": folding.unrolled,
        "rows": op.weights.rows,
        "columns": op.weights.columns,
        "groups": op.groups,
        "spread": op.spread,
        "places": op.places(source),
        "average_bits": f"{op.weights.average_bits():.3f}",
        "pe": folding.pe,
        "group_pes": folding.pe // op.spread,
        "simd": folding.simd,
        "row_folds": op.weights.rows // folding.pe,
        "column_folds": op.weights.columns // folding.simd,
        "weight_planes": op.weights.n_planes,
        "input_planes": n_planes,
        "input_words": op.spread * n_planes,
        "element_bits": output_bits,
        "coefficients": constants(op.weights.coefficients),
        "input_scales": constants(accumulation.scales),
        "halves": accumulation.halves,
        "shift": accumulation.shift,
        "top_inverted": accumulation.top_inverted,
        "partition_limit": PARTITION_LIMIT,
        **_widths(op, accumulation),
        **_activation(op, accumulation, output_bits),
        **(_unrolled_values(op) if folding.unrolled else _folded_values(node, op, n_planes)),
    }
