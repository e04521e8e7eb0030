"""Area of the matrix-vector-threshold unit, folded and unrolled.

Symbols: PE rows and SIMD columns at once, Q input planes, P weight planes, S schedule steps, B bits of
the agreement accumulator, T thresholds per row, O bits of an output element, G groups worked on at once.

Windows and places do not matter: a unit is the same for a vector and for each place of an image. Integers are
counted as their bits, planes in a frame of nothing as planes with one more bit a word.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hbnn_hw.estimate.area.features import Block, Features, count_bits
from hbnn_hw.estimate.area.memory import distributed_ram_luts
from hbnn_hw.estimate.area.tables import Table, contents, decision_width
from hbnn_hw.folding import Folding, spread
from hbnn_hw.ops import Mvtu
from hbnn_hw.types import Bordered, TensorType

FLAG_REGISTERS = 14
"""Pipeline flags: valid and first for three clocks, last for five, and the handshake's."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unit:
    """What of a unit's area does not depend on its folding.

    Attributes
    ----------
    op
        The unit, folded or not.
    input_planes
        Q.
    mark_bits
        1 where a beat tells whether it lies in a frame of nothing, else 0.
    accumulator_bits, output_bits
        B, O.
    masked
        Whether entries lack planes, so that masks are stored.
    """

    op: Mvtu
    input_planes: int
    mark_bits: int
    accumulator_bits: int
    output_bits: int
    masked: bool

    @classmethod
    def of(cls, op: Mvtu, source: TensorType) -> Unit:
        """Ask a unit for what it adds up."""
        accumulation = op.accumulation(source)
        return cls(
            op=op,
            input_planes=len(accumulation.scales),
            mark_bits=1 if isinstance(source.element, Bordered) else 0,
            accumulator_bits=accumulation.bits,
            output_bits=op.infer(source).element.bits,
            masked=not op.weights.is_homogeneous,
        )

    @property
    def decision_bits(self) -> int:
        """Bits that are compared or subtracted per row: T comparisons, or one subtraction."""
        levels = self.op.thresholds.levels if self.op.thresholds else 1
        return levels * (self.accumulator_bits + 1)


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of a folding as far as area depends on them.

    Attributes
    ----------
    n_steps
        Steps at one place, S.
    row_folds, column_folds, planes
        Extents of the three loops.
    vectors
        Input vectors of a place, one after the other.
    """

    n_steps: int
    row_folds: int
    column_folds: int
    planes: int
    vectors: int = 1

    @classmethod
    def of(cls, op: Mvtu, folding: Folding, n_steps: int) -> Steps:
        """Return the loops of a folding."""
        weights = op.weights
        vectors = op.groups // spread(folding, weights.rows, op.groups)
        row_folds, column_folds = weights.rows // folding.pe, weights.columns // folding.simd
        return cls(n_steps, row_folds, column_folds, weights.n_planes, vectors)

    @property
    def is_regular(self) -> bool:
        """Whether no step is left out, so that counters do for the control."""
        return self.n_steps == self.row_folds * self.column_folds * self.planes

    @property
    def is_buffered(self) -> bool:
        """Whether input words are read again after the stream has passed, and there is more than one."""
        return self.column_folds > 1 and self.n_steps > self.column_folds * self.vectors

    @property
    def control_bits(self) -> int:
        """Bits of the counters: step and row fold; of a regular schedule also column, plane, row fold."""
        counters = [self.n_steps, self.row_folds, self.row_folds]
        if self.is_regular:
            counters += [self.column_folds, self.planes]
        return sum((counter - 1).bit_length() for counter in counters)


def fifo_counter_bits(words: int) -> int:
    """Bits of a FIFO's two pointers and fill level."""
    return 2 * (words - 1).bit_length() + words.bit_length() if words else 0


def table_shapes(unit: Unit, folding: Folding, steps: Steps) -> dict[str, Table]:
    """Return the shapes of all tables: "weights", "decisions", "masks" and "control" where there are such."""
    lanes = folding.pe * folding.simd
    found = {
        "weights": Table(steps.n_steps, lanes),
        "decisions": Table(steps.row_folds, folding.pe * decision_width(unit.op, unit.accumulator_bits)),
    }
    if unit.masked:
        found["masks"] = Table(steps.n_steps, lanes)
    if not steps.is_regular:
        counters = (steps.column_folds - 1).bit_length() + (steps.planes - 1).bit_length()
        found["control"] = Table(steps.n_steps, counters + 3)
    return found


def folded(unit: Unit, folding: Folding, steps: Steps, tables: list[Table], fifo_words: int) -> Features:
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
    select          SIMD·G·Q where there is a buffer      stream or buffer
    output          PE·O                                  skid buffer's multiplexer
    control         bits of the counters                  step control
    unit            1                                     handshake
    =============== ===================================== =============================================
    """
    planes, bits, counted = unit.input_planes, unit.accumulator_bits, count_bits(folding.simd)
    groups_at_once = spread(folding, unit.op.weights.rows, unit.op.groups)
    word = folding.simd * groups_at_once * planes + unit.mark_bits
    lanes, decided = folding.pe * folding.simd * planes, folding.pe * unit.decision_bits
    costs = [table.cost() for table in tables]
    buffer_luts = distributed_ram_luts(steps.column_folds, word) if steps.is_buffered else 0
    choice = bits if steps.planes > 1 else 0
    luts = {
        "count": 0 if unit.masked else lanes,
        "count_masked": lanes if unit.masked else 0,
        "accumulate": folding.pe * bits,
        "weigh": folding.pe * ((planes - 1) * (counted + planes) + choice),
        "table": sum(cost[0] for cost in costs),
        "decide": decided if steps.row_folds > 1 else 0,
        "decide_constant": 0 if steps.row_folds > 1 else decided,
        "memory": buffer_luts + distributed_ram_luts(fifo_words, word),
        "fifo": fifo_counter_bits(fifo_words),
        "select": word if steps.is_buffered else 0,
        "output": folding.pe * unit.output_bits,
        "control": steps.control_bits,
        "unit": 1,
    }
    registers = (
        word * (2 if steps.is_buffered else 1)
        + sum(cost[1] for cost in costs)
        + folding.pe * (planes * counted + 2 * bits + 2 * unit.output_bits)
        + steps.control_bits
        + fifo_counter_bits(fifo_words)
        + FLAG_REGISTERS
    )
    bram36 = sum(cost[2] for cost in costs)
    return Features(Block.FOLDED_MVTU, {name: float(n) for name, n in luts.items()}, float(registers), bram36)


def unrolled(unit: Unit) -> Features:
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
    planes, bits, out_bits = unit.input_planes, unit.accumulator_bits, unit.output_bits
    weights = unit.op.weights
    rows, populations = weights.rows, weights.plane_populations()
    pairs = int((populations > 0).sum()) * planes
    luts = {
        "count": float(populations.sum()) * planes,
        "count_deep": float((populations * np.log2(np.maximum(populations, 1))).sum()) * planes,
        "weigh": float(max(0, pairs - rows) * bits),
        "decide": float(rows * unit.decision_bits),
        "output": float(rows * out_bits),
        "unit": 1.0,
    }
    registers = weights.columns * planes + rows * (bits + 2 * out_bits) + 4
    return Features(Block.UNROLLED_MVTU, luts, float(registers))


def features(op: Mvtu, source: TensorType, fifo_words: int) -> Features:
    """Quantities of a scheduled unit; ``fifo_words`` is the depth of the FIFO in front of it, 0 for none."""
    unit, folding = Unit.of(op, source), op.scheduled_folding
    if folding.unrolled:
        return unrolled(unit)
    schedule = op.schedule()
    steps, made = Steps.of(op, folding, schedule.n_steps), contents(op, source, schedule)
    shapes = table_shapes(unit, folding, steps)
    tables = [Table(shape.depth, shape.width, made[name]) for name, shape in shapes.items()]
    return folded(unit, folding, steps, tables, fifo_words)


def bound(unit: Unit, folding: Folding, n_steps: int, fifo_words: int) -> Features:
    """Quantities of a folding by the shapes of its tables alone, none of which is made: an upper bound."""
    steps = Steps.of(unit.op, folding, n_steps)
    return folded(unit, folding, steps, list(table_shapes(unit, folding, steps).values()), fifo_words)
