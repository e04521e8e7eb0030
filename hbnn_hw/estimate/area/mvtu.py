"""Area of the matrix-vector-threshold unit, folded and unrolled.

Symbols: PE rows and SIMD columns at once, Q input planes, P weight planes, S schedule steps, B bits of
the agreement accumulator, T thresholds per row, O bits of an output element.
"""

from __future__ import annotations

from hbnn_hw.estimate.area.features import Block, Features, count_bits
from hbnn_hw.estimate.area.memory import (
    distributed_ram_luts,
    rom_bram36,
    rom_flip_flops,
    rom_is_block,
    rom_luts,
)
from hbnn_hw.ops import Mvtu
from hbnn_hw.types import TensorType


def word_bits(op: Mvtu, source: TensorType) -> int:
    """Bits of one row's decision constants: T thresholds and a polarity, or the offset of a raw output."""
    bits = op.agreement_bits(source)
    return op.thresholds.levels * (bits + 1) + 1 if op.thresholds else bits


def decision_bits(op: Mvtu, source: TensorType) -> int:
    """Bits that are compared or subtracted per row: T comparisons, or one subtraction."""
    levels = op.thresholds.levels if op.thresholds else 1
    return levels * (op.agreement_bits(source) + 1)


def folded(op: Mvtu, source: TensorType, fifo_words: int) -> Features:
    """Quantities of a folded unit.

    =============== ===================================== =============================================
    term            quantity                              why
    =============== ===================================== =============================================
    count           PE·SIMD·Q, homogeneous weights        XNOR and one adder input per lane
    count_masked    PE·SIMD·Q, with a mask                one more AND per lane
    accumulate      PE·B                                  one adder bit each
    weigh           PE·B where Q > 1 or P > 1             sum of planes, choice of the coefficient
    table           LUTs of the tables kept in logic      :func:`~hbnn_hw.estimate.area.memory.rom_luts`
    decide          PE·decision bits                      carry chain of the comparison
    memory          LUT6 sites of distributed RAM         input buffer and FIFO, exact
    output          PE·O                                  skid buffer's multiplexer
    unit            1                                     control
    =============== ===================================== =============================================
    """
    fold, schedule = op.scheduled_folding, op.schedule()
    planes, bits = op.input_planes(source).n_planes, op.agreement_bits(source)
    out_bits = op.infer(source).element.bits
    masked = not op.weights.is_homogeneous
    lanes = fold.pe * fold.simd * planes
    column_folds, row_folds = op.weights.columns // fold.simd, op.weights.rows // fold.pe
    buffered = column_folds > 1 and schedule.n_steps > column_folds
    tables = [(schedule.n_steps, fold.pe * fold.simd)] * (2 if masked else 1)
    tables.append((row_folds, fold.pe * word_bits(op, source)))
    in_luts = [table for table in tables if not rom_is_block(*table)]
    word = fold.simd * planes
    luts = {
        "count": 0.0 if masked else lanes,
        "count_masked": lanes if masked else 0.0,
        "accumulate": fold.pe * bits,
        "weigh": fold.pe * bits * float(planes > 1 or op.weights.n_planes > 1),
        "table": sum(rom_luts(*table) for table in in_luts),
        "decide": fold.pe * decision_bits(op, source),
        "memory": (distributed_ram_luts(column_folds, word) if buffered else 0)
        + distributed_ram_luts(fifo_words, word),
        "output": fold.pe * out_bits,
        "unit": 1.0,
    }
    registers = (
        word * (2 if buffered else 1)
        + sum(rom_flip_flops(*table) for table in in_luts)
        + fold.pe * (planes * count_bits(fold.simd) + 2 * bits + 2 * out_bits)
    )
    control = 2 * (schedule.n_steps - 1).bit_length() + 12
    bram36 = sum(rom_bram36(*table) for table in tables if rom_is_block(*table))
    return Features(Block.FOLDED_MVTU, luts, registers + control, bram36)


def unrolled(op: Mvtu, source: TensorType) -> Features:
    """Quantities of an unrolled unit.

    =============== ===================================== =============================================
    term            quantity                              why
    =============== ===================================== =============================================
    count           entries present in the map, times Q   one adder input each; absent ones vanish
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
