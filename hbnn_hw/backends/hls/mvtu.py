"""Values of the matrix-vector-threshold unit's template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.hls.limits import PARTITION_LIMIT, check_partition, check_word
from hbnn_hw.backends.hls.roms import constants, number_bits, number_rom, vector_rom, word_rom
from hbnn_hw.folding import Folding, FoldSchedule, fold_rows, weight_words
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Mvtu
from hbnn_hw.planes import Bits
from hbnn_hw.types import Planes, TensorType

LUTRAM_ROM_DEPTH = 128
"""Deepest weight ROM that goes to LUTs; deeper ones go to block RAM. Source: FINN-R, embedded weights."""

REGISTER_BUFFER_FOLDS = 32
"""Most column folds whose input buffer is kept in registers: a RAM32M holds 32 words, one LUT per 1.5 bits of
them (UG474), and beyond that depth the multiplexer behind registers costs more."""

LUTRAM_MIN_DISTANCE = 8
"""Fewest steps between writing and re-reading a buffer word so that a RAM keeps up with one step a clock: the
write and read stages of a pipelined RAM access lie less than this apart."""


def _remedy(folding: Folding, what: str) -> str:
    return "fold this layer instead of unrolling it" if folding.unrolled else f"choose a smaller {what}"


def _check_sizes(layer: str, op: Mvtu, planes: Planes, output_bits: int) -> None:
    folding = op.scheduled_folding
    check_word(layer, "input word", folding.simd * planes.n_planes, _remedy(folding, "SIMD"))
    check_word(layer, "output word", folding.pe * output_bits, _remedy(folding, "PE"))
    lanes = folding.pe * op.weights.n_planes if folding.unrolled else folding.pe
    check_partition(layer, "set of weight ROMs", lanes, _remedy(folding, "PE"))
    levels = 1 if op.thresholds is None else op.thresholds.levels
    check_partition(layer, "set of threshold ROMs", folding.pe * levels, _remedy(folding, "PE"))


def _widths(op: Mvtu, source: TensorType) -> dict[str, int]:
    """Widths in bits: of a word's sum, of a step's, and of a row's agreements."""
    planes = op.input_planes(source)
    word_sum = op.scheduled_folding.simd * sum(planes.scales)
    step_sum = word_sum * max(op.weights.coefficients)
    return {
        "word_sum_bits": word_sum.bit_length(),
        "step_sum_bits": step_sum.bit_length(),
        "sum_bits": op.agreement_bits(source),
    }


def _activation(op: Mvtu, source: TensorType, sum_bits: int) -> dict[str, Any]:
    """Threshold words, or the offsets of raw scores, by PE and row fold."""
    if op.thresholds is None:
        offsets = fold_rows(op.row_offsets(source), op.scheduled_folding).swapaxes(0, 1)
        return {"activation": "Scores", "activation_rom": number_rom(offsets, sum_bits), "levels": 0}
    inverted = op.thresholds.inverted.astype(np.int64)[:, np.newaxis] << (sum_bits + 1)
    words = fold_rows(op.agreement_thresholds(source) | inverted, op.scheduled_folding).swapaxes(0, 1)
    rom = number_rom(words, sum_bits + 2)
    return {"activation": "Thresholds", "activation_rom": rom, "levels": op.thresholds.levels}


@dataclass(frozen=True, slots=True, eq=False)
class _Words:
    """Weight and mask words (lanes, depth, width): PE by step, or row by plane when unrolled."""

    weights: Bits
    masks: Bits

    @property
    def values(self) -> dict[str, Any]:
        """ROM texts; no mask ROM where every stored word is complete, one for all lanes where they agree."""
        masked, shared = not self.masks.all(), bool((self.masks == self.masks[:1]).all())
        mask_rom = (vector_rom(self.masks[0]) if shared else word_rom(self.masks)) if masked else None
        return {"weight_rom": word_rom(self.weights), "mask_rom": mask_rom, "masks_shared": shared}


def _unrolled_words(op: Mvtu) -> _Words:
    weights = op.weights
    return _Words(weights.unpacked_bits().swapaxes(0, 1), weights.unpacked_masks().swapaxes(0, 1))


def _folded_words(op: Mvtu, schedule: FoldSchedule) -> _Words:
    weights, masks = weight_words(op.weights, op.scheduled_folding, schedule)
    return _Words(weights.swapaxes(0, 1), masks.swapaxes(0, 1))


def _index_bits(extent: int) -> int:
    return max(1, (extent - 1).bit_length())


def _step_rom(op: Mvtu, schedule: FoldSchedule, column_folds: int) -> dict[str, Any]:
    """Step words of a schedule that leaves words out; None where counters give every step."""
    row_folds = op.weights.rows // op.scheduled_folding.pe
    if schedule.n_steps == row_folds * op.weights.n_planes * column_folds:
        return {"step_rom": None}
    column_bits, plane_bits = _index_bits(column_folds), _index_bits(op.weights.n_planes)
    last = schedule.last_of_row_fold.astype(np.int64)
    words = schedule.column_fold | schedule.plane << column_bits | last << (column_bits + plane_bits)
    rom = vector_rom(number_bits(words, column_bits + plane_bits + 1))
    return {"step_rom": rom, "column_bits": column_bits, "plane_bits": plane_bits}


def reuse_distance(schedule: FoldSchedule, column_folds: int) -> int | None:
    """Fewest steps between reading a word from the stream and re-reading it; None if that never happens."""
    # The first steps read the columns in order, so the step that wrote a column has the column's own index.
    steps = np.arange(column_folds, schedule.n_steps)
    distances: NDArray[np.int64] = steps - schedule.column_fold[column_folds:]
    return int(distances.min()) if len(distances) else None


def _buffer(layer: str, schedule: FoldSchedule, column_folds: int, n_planes: int) -> dict[str, Any]:
    """Where the input buffer is kept: registers, or LUT RAM with the true distance of its reuse."""
    distance = reuse_distance(schedule, column_folds)
    in_ram = column_folds > REGISTER_BUFFER_FOLDS and (distance is None or distance >= LUTRAM_MIN_DISTANCE)
    if not in_ram and column_folds > REGISTER_BUFFER_FOLDS:
        check_partition(layer, "input buffer", column_folds * n_planes, "choose a larger SIMD")
    return {"buffer_in_ram": in_ram, "reuse_distance": distance}


def _folded_values(node: Node, op: Mvtu, planes: Planes) -> dict[str, Any]:
    schedule = op.schedule()
    column_folds = op.weights.columns // op.scheduled_folding.simd
    every_step = column_folds * op.weights.n_planes * (op.weights.rows // op.scheduled_folding.pe)
    return {
        "steps": schedule.n_steps,
        "every_step": every_step,
        "rom_core": "ROM_1P_LUTRAM" if schedule.n_steps <= LUTRAM_ROM_DEPTH else "ROM_1P_BRAM",
        **_folded_words(op, schedule).values,
        **_step_rom(op, schedule, column_folds),
        **_buffer(node.name, schedule, column_folds, planes.n_planes),
    }


def mvtu_values(graph: Graph, node: Node) -> dict[str, Any]:
    """Return the values of one unit's template.

    Raises
    ------
    FoldingError
        Naming the layer, if a word or an array is beyond what the HLS tools accept.
    """
    op, source = node.op, graph.source_type(node)
    assert isinstance(op, Mvtu)
    folding, planes = op.scheduled_folding, op.input_planes(source)
    output_bits = graph.types[node.name].element.bits
    _check_sizes(node.name, op, planes, output_bits)
    widths = _widths(op, source)
    return {
        "unrolled": folding.unrolled,
        "rows": op.weights.rows,
        "columns": op.weights.columns,
        "average_bits": f"{op.weights.average_bits():.3f}",
        "pe": folding.pe,
        "simd": folding.simd,
        "row_folds": op.weights.rows // folding.pe,
        "column_folds": op.weights.columns // folding.simd,
        "weight_planes": op.weights.n_planes,
        "input_planes": planes.n_planes,
        "element_bits": output_bits,
        "coefficients": constants(op.weights.coefficients),
        "input_scales": constants(planes.scales),
        "partition_limit": PARTITION_LIMIT,
        **widths,
        **_activation(op, source, widths["sum_bits"]),
        **(_unrolled_words(op).values if folding.unrolled else _folded_values(node, op, planes)),
    }
