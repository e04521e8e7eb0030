"""Area of the matrix-vector-threshold unit, folded and unrolled.

Symbols: PE rows and SIMD columns at once, P weight planes, B bits of the agreement accumulator, T thresholds
per row, O bits of an output element.

Windows and places do not matter: a unit is the same for a vector and for each place of an image. Integers are
counted as their bits, planes in a frame of nothing as planes with one more bit a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.estimate.area import planned
from hbnn_hw.estimate.area.features import Block, Features, count_bits
from hbnn_hw.estimate.area.parts import Parts, counter_bits, queue, ram, skid_buffer, total
from hbnn_hw.estimate.area.tables import Table, contents, decision_width
from hbnn_hw.folding import LUT_ROM_DEPTH, Folding, spread
from hbnn_hw.ops import Mvtu
from hbnn_hw.planes import unpack
from hbnn_hw.types import Bordered, TensorType
from hbnn_hw.weights import WeightPlanes
from hbnn_hw.xor_encoding import XorEncoding
from hbnn_hw.xor_wiring import XorWiring, inverted_rows, xor_wirings

FLAG_REGISTERS = 11
"""Pipeline flags: valid and first for three clocks, last for five."""


@lru_cache(maxsize=64)
def _masks_of(weights: WeightPlanes, folding: Folding) -> tuple[bool, bool]:
    if weights.is_homogeneous:
        return False, True
    planes, rows, columns = len(weights.coefficients), weights.rows, weights.columns
    pe, simd = folding.pe, folding.simd
    masked, shared = False, True
    for plane in range(planes):
        packed = weights.masks[plane]
        entries = unpack(packed, columns).reshape(rows // pe, pe, columns // simd, simd)
        filled = entries.sum(axis=3, dtype=np.int64).sum(axis=1)
        masked |= bool(((filled > 0) & (filled < pe * simd)).any())
        by_row = packed.reshape(rows // pe, pe, -1)
        shared &= bool((by_row == by_row[:, :1]).all())
    return masked, shared


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unit:
    """What of a unit's area does not depend on its folding.

    Attributes
    ----------
    op
        The unit, folded or not.
    source
        Type of its input.
    scales
        Factor of each input plane.
    mark_bits
        1 where a beat tells whether it lies in a frame of nothing, else 0.
    accumulator_bits, output_bits
        B, O.
    """

    op: Mvtu
    source: TensorType
    scales: tuple[int, ...]
    mark_bits: int
    accumulator_bits: int
    output_bits: int

    @classmethod
    def of(cls, op: Mvtu, source: TensorType) -> Unit:
        """Ask a unit for what it adds up."""
        accumulation = op.accumulation(source)
        return cls(
            op=op,
            source=source,
            scales=accumulation.scales,
            mark_bits=1 if isinstance(source.element, Bordered) else 0,
            accumulator_bits=accumulation.bits,
            output_bits=op.infer(source).element.bits,
        )

    @property
    def input_planes(self) -> int:
        """Input planes."""
        return len(self.scales)

    @property
    def levels(self) -> int:
        """T; 0 for raw output."""
        return self.op.thresholds.levels if self.op.thresholds else 0

    def masks_of(self, folding: Folding) -> tuple[bool, bool]:
        """Tell whether some word lacks some of its entries, and whether all rows of a step have one mask."""
        return _masks_of(self.op.weights, folding)

    def wiring_of(self, folding: Folding) -> XorWiring | None:
        """Return how stored bits feed the lanes; None where the memory holds the weights themselves."""
        encoding = self.op.weights.encoding
        return None if encoding is None else next(xor_wirings(encoding, folding), None)


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of a folding as far as area depends on them.

    Attributes
    ----------
    n_steps
        Steps at one place.
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
    def is_single(self) -> bool:
        """Whether a row fold is one step, so that the flags of a step and of its end are the same."""
        return self.column_folds * self.planes == 1

    @property
    def is_buffered(self) -> bool:
        """Whether input words are read again after the stream has passed, and there is more than one."""
        return self.column_folds > 1 and self.n_steps > self.column_folds * self.vectors

    @property
    def is_deep(self) -> bool:
        """Whether weights lie in block RAM, with a register behind it."""
        return self.n_steps > LUT_ROM_DEPTH

    @property
    def control_bits(self) -> int:
        """Bits of the step control's counters."""
        if not self.is_regular:
            return counter_bits(self.n_steps)
        return counter_bits(self.n_steps, self.column_folds, self.planes, self.row_folds // self.vectors)

    @property
    def row_fold_bits(self) -> int:
        """Bits of the counter that reads the row folds' constants."""
        return counter_bits(self.row_folds)


def table_shapes(unit: Unit, folding: Folding, steps: Steps) -> dict[str, Table]:
    """Return the shapes of all tables, by name; those of weights, decisions and so on as far as there are."""
    lanes, wiring = folding.pe * folding.simd, unit.wiring_of(folding)
    encoding = unit.op.weights.encoding
    masked, shared = unit.masks_of(folding)
    found = {
        "decisions": Table(
            steps.row_folds, folding.pe * decision_width(unit.op, unit.accumulator_bits, unit.output_bits)
        )
    }
    if wiring is None or encoding is None:
        found["weights"] = Table(steps.n_steps, lanes, is_forced=steps.is_deep)
    else:
        stored = folding.pe // wiring.group_pes * _tapped(encoding, wiring)
        found["stored"] = Table(steps.n_steps, stored, is_forced=steps.is_deep)
        if inverted_rows(encoding, folding) is not None:
            found["turned"] = Table(steps.n_steps, folding.pe, is_forced=steps.is_deep)
    if masked:
        found["masks"] = Table(steps.n_steps, folding.simd if shared else lanes, is_forced=steps.is_deep)
        if unit.mark_bits:
            counts = folding.pe * count_bits(folding.simd)
            found["populations"] = Table(steps.n_steps, counts, is_forced=steps.is_deep)
    if not steps.is_regular:
        found["control"] = Table(steps.n_steps, counter_bits(steps.column_folds, steps.planes) + 3)
    return found


@dataclass(frozen=True, slots=True)
class _Element:
    """Widths of a processing element.

    Attributes
    ----------
    count, product
        Bits of a step's sum of agreements, and of what it contributes to the accumulator.
    sum
        Bits of the accumulator that change.
    factor_bits
        Bits of the largest coefficient of a weight plane.
    """

    count: int
    product: int
    sum: int
    factor_bits: int

    @classmethod
    def of(cls, unit: Unit, folding: Folding) -> _Element:
        count = count_bits(folding.simd * sum(unit.scales))
        term = count + unit.mark_bits
        factor_bits = max(unit.op.weights.coefficients).bit_length()
        # Each addition of the written-out product makes room for a carry.
        width = term
        for bit in range(1, factor_bits):
            width = max(width, term + bit) + 1
        # In a frame agreements are doubled; the lowest bit stays 0 if the entries of a whole word are even.
        entries = folding.simd * sum(unit.scales)
        still = int(unit.mark_bits and not unit.masks_of(folding)[0] and not entries % 2)
        bits = unit.accumulator_bits
        return cls(count, min(width, bits) - still, bits - still, factor_bits)


def _tapped(encoding: XorEncoding, wiring: XorWiring) -> int:
    """Count the stored bits of a group that some lane is decoded from."""
    tapped: NDArray[np.bool_] = np.asarray(encoding.matrices.any(axis=0))
    taps = tapped[wiring.output]
    lanes = zip(wiring.slot.tolist(), taps, strict=True)
    return len({(slot, tap) for slot, row in lanes for tap in np.flatnonzero(row).tolist()})


def _decoder(unit: Unit, folding: Folding) -> float:
    """LUTs of the XOR decoders, of what chooses between those of several planes, and of turned rows."""
    encoding, wiring = unit.op.weights.encoding, unit.wiring_of(folding)
    if encoding is None or wiring is None:
        return 0.0
    matrices = encoding.matrices
    used = matrices if (matrices != matrices[:1]).any() else matrices[:1]
    slices = folding.pe // wiring.group_pes * wiring.n_slots
    chosen = len(used) > 1 or inverted_rows(encoding, folding) is not None
    lanes = folding.pe * folding.simd if chosen else 0
    return slices * sum(map(planned.decoder_luts, used)) + lanes


def _registers(unit: Unit, folding: Folding, steps: Steps, word: int, element: _Element) -> int:
    """Flip-flops outside memories and buffers."""
    masked, shared = unit.masks_of(folding)
    encoding = unit.op.weights.encoding
    plane_bits, extra = counter_bits(steps.planes), int(steps.is_deep)
    lanes = folding.pe * folding.simd
    behind = lanes
    if masked:
        behind += folding.simd if shared else lanes
        behind += folding.pe * count_bits(folding.simd) * unit.mark_bits
    has_planes = encoding is not None and bool((encoding.matrices != encoding.matrices[:1]).any())
    return (
        word
        + (1 if steps.is_buffered else 0)
        + extra * (word + 3 + plane_bits + behind)
        + FLAG_REGISTERS
        - (3 if steps.is_single else 0)
        + 2 * plane_bits
        + (plane_bits if has_planes else 0)
        + unit.mark_bits * (1 + (counter_bits(steps.n_steps) if masked else 0))
        + folding.pe * (element.count + element.product + element.sum + unit.output_bits)
        + steps.control_bits
        + (0 if steps.is_regular else 1)
        + steps.row_fold_bits
    )


def folded(unit: Unit, folding: Folding, steps: Steps, tables: list[Table], fifo_words: int) -> Features:
    """Quantities of a folded unit.

    =============== ===================================== =============================================
    term            quantity                              why
    =============== ===================================== =============================================
    exact           planned sums, comparisons, decoders;  instantiated; distributed RAM; one LUT a bit of
                    tables; RAM; accumulators;            an adder or a two-way choice
                    stream or buffer; skid buffer
    weigh           PE·product bits, P > 1                choice of the coefficient
    frame           PE·product bits, in a frame           choice between agreements and halves
    compare         PE·T·B, one row fold                  comparison with a constant
    offset          PE·O, raw output                      subtraction
    queue           bits of the queue's counters
    control         bits of the counters                  step control
    table_control   bits of the step counter, irregular   step control with a table
    unit            1                                     handshake
    =============== ===================================== =============================================
    """
    pe, bits, out_bits = folding.pe, unit.accumulator_bits, unit.output_bits
    groups_at_once = spread(folding, unit.op.weights.rows, unit.op.groups)
    word = folding.simd * groups_at_once * unit.input_planes + unit.mark_bits
    element, (masked, _) = _Element.of(unit, folding), unit.masks_of(folding)
    sums = planned.agreement_luts(folding.simd, unit.scales, masked)
    by_table = unit.levels if steps.row_folds > 1 else 0
    compared = by_table * -(-(bits + 1) // 2) + planned.count_luts(unit.levels)
    parts = [
        *(table.cost() for table in tables),
        skid_buffer(pe * out_bits),
        Parts(pe * (sums + bits + compared) + _decoder(unit, folding)),
        Parts(0, _registers(unit, folding, steps, word, element)),
    ]
    if steps.is_buffered:
        parts += [ram(steps.column_folds, word), Parts(word)]
    if fifo_words:
        parts.append(queue(fifo_words, word))
    known = total(parts)
    luts = {
        "exact": known.luts,
        "weigh": pe * element.product if element.factor_bits > 1 else 0,
        "frame": pe * element.product if unit.mark_bits else 0,
        "compare": pe * unit.levels * bits if steps.row_folds == 1 else 0,
        "offset": 0 if unit.levels else pe * out_bits,
        "queue": fifo_words and counter_bits(fifo_words, fifo_words, fifo_words),
        "control": steps.control_bits if steps.is_regular else 0,
        "table_control": 0 if steps.is_regular else steps.control_bits,
        "unit": 1,
    }
    return Features(
        Block.FOLDED_MVTU, {name: float(n) for name, n in luts.items()}, known.flip_flops, known.bram36
    )


def unrolled(unit: Unit, stages: int) -> Features:
    """Quantities of an unrolled unit whose kernel has some pipeline stages.

    =============== ===================================== =============================================
    term            quantity                              why
    =============== ===================================== =============================================
    exact           LUTs of the planned kernel, a skid    :mod:`~hbnn_hw.estimate.area.planned`
                    buffer's multiplexers
    unit            1                                     handshake
    =============== ===================================== =============================================
    """
    kernel = planned.kernel(unit.op, unit.source, stages)
    known = skid_buffer(round(kernel.outputs)) + Parts(
        kernel.luts, kernel.inputs + kernel.registers + kernel.outputs + UNROLLED_FLAGS
    )
    return Features(Block.UNROLLED_MVTU, {"exact": known.luts, "unit": 1.0}, known.flip_flops)


UNROLLED_FLAGS = 3
"""Valid bits of an unrolled unit's stages."""


def features(op: Mvtu, source: TensorType, fifo_words: int) -> Features:
    """Quantities of a scheduled unit; ``fifo_words`` is the depth of the FIFO in front of it, 0 for none."""
    unit, folding = Unit.of(op, source), op.scheduled_folding
    if folding.unrolled:
        return unrolled(unit, folding.stages)
    schedule = op.schedule()
    steps, made = Steps.of(op, folding, schedule.n_steps), contents(op, source, schedule)
    shapes = table_shapes(unit, folding, steps)
    tables = [table.with_content(made.get(name)) for name, table in shapes.items()]
    return folded(unit, folding, steps, tables, fifo_words)


def bound(unit: Unit, folding: Folding, n_steps: int, fifo_words: int) -> Features:
    """Quantities of a folding by the shapes of its tables alone, none of which is made: an upper bound."""
    steps = Steps.of(unit.op, folding, n_steps)
    return folded(unit, folding, steps, list(table_shapes(unit, folding, steps).values()), fifo_words)
