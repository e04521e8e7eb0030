"""Area of the matrix-vector-threshold unit, folded and unrolled.

Symbols: PE rows and SIMD columns at once, Q input planes, P weight planes, S schedule steps, B bits of
the agreement accumulator, T thresholds per row, O bits of an output element.
"""

from __future__ import annotations

import numpy as np

from hbnn_hw.estimate.area.features import Block, Features, count_bits
from hbnn_hw.estimate.area.memory import (
    distinct_columns,
    distributed_ram_luts,
    rom_bram36,
    rom_is_block,
    rom_luts,
)
from hbnn_hw.estimate.area.tables import is_regular, tables
from hbnn_hw.folding import FoldSchedule
from hbnn_hw.ops import Mvtu
from hbnn_hw.types import TensorType

FLAG_REGISTERS = 14
"""Pipeline flags: valid and first for three clocks, last for five, and the handshake's."""


def decision_bits(op: Mvtu, source: TensorType) -> int:
    """Bits that are compared or subtracted per row: T comparisons, or one subtraction."""
    levels = op.thresholds.levels if op.thresholds else 1
    return levels * (op.agreement_bits(source) + 1)


def control_bits(op: Mvtu, schedule: FoldSchedule) -> int:
    """Bits of the counters: step and row fold; of a regular schedule also column, plane, row fold."""
    row_fold = int(schedule.row_fold.max()).bit_length()
    counters = [schedule.n_steps - 1, int(schedule.row_fold.max())]
    if is_regular(op, schedule):
        counters += [int(schedule.column_fold.max()), int(schedule.plane.max())]
    return row_fold + sum(counter.bit_length() for counter in counters)


def fifo_counter_bits(words: int) -> int:
    """Bits of a FIFO's two pointers and fill level."""
    return 2 * (words - 1).bit_length() + words.bit_length() if words else 0


def is_buffered(op: Mvtu, schedule: FoldSchedule) -> bool:
    """Tell whether input words are read again after the stream has passed, and there is more than one."""
    words = op.weights.columns // op.scheduled_folding.simd
    return words > 1 and schedule.n_steps > words


def folded(op: Mvtu, source: TensorType, fifo_words: int) -> Features:
    """Quantities of a folded unit.

    =============== ===================================== =============================================
    term            quantity                              why
    =============== ===================================== =============================================
    count           PE·SIMD·Q, homogeneous weights        XNOR and one adder input per lane
    count_masked    PE·SIMD·Q, with a mask                one more AND per lane
    accumulate      PE·B                                  one adder bit each
    weigh           PE·((Q - 1)·(count bits + Q) + B')    sum of input planes; choice of coefficient,
                                                          B' = B for P > 1, else 0
    table           LUTs of the tables kept in logic      :func:`~hbnn_hw.estimate.area.memory.rom_luts`
    decide          PE·decision bits, several row folds   carry chain against a table's word
    decide_constant PE·decision bits, one row fold        comparison with a constant
    memory          LUT6 sites of distributed RAM         input buffer and FIFO, exact
    fifo            bits of the FIFO's counters           measured at about a LUT each; not fitted
    select          SIMD·Q where there is a buffer        stream or buffer
    output          PE·O                                  skid buffer's multiplexer
    control         bits of the counters                  step control
    unit            1                                     handshake
    =============== ===================================== =============================================
    """
    fold, schedule = op.scheduled_folding, op.schedule()
    planes, bits = op.input_planes(source).n_planes, op.agreement_bits(source)
    out_bits, counted = op.infer(source).element.bits, count_bits(fold.simd)
    masked, several = not op.weights.is_homogeneous, op.weights.rows > fold.pe
    lanes, word = fold.pe * fold.simd * planes, fold.simd * planes
    buffered, decided = is_buffered(op, schedule), fold.pe * decision_bits(op, source)
    content = tables(op, source, schedule)
    in_luts = [table for table in content if not rom_is_block(*table.shape)]
    words = op.weights.columns // fold.simd
    buffer_luts = distributed_ram_luts(words, word) if buffered else 0
    choice = bits if op.weights.n_planes > 1 else 0
    luts = {
        "count": 0 if masked else lanes,
        "count_masked": lanes if masked else 0,
        "accumulate": fold.pe * bits,
        "weigh": fold.pe * ((planes - 1) * (counted + planes) + choice),
        "table": sum(rom_luts(table) for table in in_luts),
        "decide": decided if several else 0,
        "decide_constant": 0 if several else decided,
        "memory": buffer_luts + distributed_ram_luts(fifo_words, word),
        "fifo": fifo_counter_bits(fifo_words),
        "select": word if buffered else 0,
        "output": fold.pe * out_bits,
        "control": control_bits(op, schedule),
        "unit": 1,
    }
    registers = (
        word * (2 if buffered else 1)
        + sum(distinct_columns(table) for table in in_luts if len(table) > 1)
        + fold.pe * (planes * counted + 2 * bits + 2 * out_bits)
        + control_bits(op, schedule)
        + fifo_counter_bits(fifo_words)
        + FLAG_REGISTERS
    )
    bram36 = sum(rom_bram36(*table.shape) for table in content if rom_is_block(*table.shape))
    return Features(Block.FOLDED_MVTU, {name: float(n) for name, n in luts.items()}, float(registers), bram36)


def unrolled(op: Mvtu, source: TensorType) -> Features:
    """Quantities of an unrolled unit.

    =============== ===================================== =============================================
    term            quantity                              why
    =============== ===================================== =============================================
    count           entries present in the map, times Q   one adder input each; absent ones vanish
    count_deep      Σ n·log2 n over popcounts of n        wider sums deeper in a popcount's tree
    weigh           B per plane pair of a row beyond one  sum of weighted plane counts
    decide          rows·decision bits                    comparison with a constant
    output          rows·O                                skid buffer's multiplexer
    unit            1                                     handshake
    =============== ===================================== =============================================
    """
    planes, bits = op.input_planes(source).n_planes, op.agreement_bits(source)
    out_bits, rows = op.infer(source).element.bits, op.weights.rows
    populations = op.weights.plane_populations()
    pairs = int((populations > 0).sum()) * planes
    luts = {
        "count": float(populations.sum()) * planes,
        "count_deep": float((populations * np.log2(np.maximum(populations, 1))).sum()) * planes,
        "weigh": float(max(0, pairs - rows) * bits),
        "decide": float(rows * decision_bits(op, source)),
        "output": float(rows * out_bits),
        "unit": 1.0,
    }
    registers = op.weights.columns * planes + rows * (bits + 2 * out_bits) + 4
    return Features(Block.UNROLLED_MVTU, luts, float(registers))


def features(op: Mvtu, source: TensorType, fifo_words: int) -> Features:
    """Quantities of a scheduled unit; ``fifo_words`` is the depth of the FIFO in front of it, 0 for none."""
    return unrolled(op, source) if op.scheduled_folding.unrolled else folded(op, source, fifo_words)
