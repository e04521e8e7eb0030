"""LUTs of a large unrolled layer from a part of it, for estimates.

What rows cost beside their total is taken from one window of rows that may share, of which some are built to
the end, on some of the columns. A column costs less the more there are, since rows then have more in common.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log2

import numpy as np

from hbnn_hw.backends.rtl.unrolled.build import WINDOW, LayerBuilder
from hbnn_hw.backends.rtl.unrolled.layer import Layer
from hbnn_hw.backends.rtl.unrolled.netlist import Netlist
from hbnn_hw.backends.rtl.unrolled.pairs import PAIRS
from hbnn_hw.backends.rtl.unrolled.structure import Structure
from hbnn_hw.folding import Folding
from hbnn_hw.ops import Mvtu
from hbnn_hw.types import TensorType
from hbnn_hw.weights import WeightPlanes

FINISHED_ROWS = 8
"""Rows of the window that are built to the end."""

SAMPLE_BITS = 1024
"""Input bits that the sample reads, at most."""

DOUBLING = 0.905
"""What a column costs in twice as many. Layers of 128 to 2048 columns, of 1, 1.4 and 2 bits on inputs of 1, 2
and 8 bits, have 0.88 to 0.94 from one doubling to the next."""

SEED = 2018


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """LUTs of a layer's kernel, and the part of it that was built.

    Attributes
    ----------
    luts
        LUTs of all rows and groups.
    netlist
        The rows that were built to the end, on some of the columns.
    finished_rows
        How many.
    """

    luts: float
    netlist: Netlist
    finished_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """LUTs of a group on some columns: those of its total, and those of all rows beside it."""

    columns: int
    total: float
    rows: float
    netlist: Netlist
    finished_rows: int


def sampled_luts(op: Mvtu, source: TensorType) -> Sample:
    """Estimate the LUTs of an unrolled layer.

    Parameters
    ----------
    op
        The operator, as if it were unrolled.
    source
        Type of its input.
    """
    columns = op.weights.columns
    most = max(2, SAMPLE_BITS // source.element.bits)
    part = _part(op, source, min(columns, most))
    luts = part.total + part.rows
    if columns > most:
        luts = columns / most * (part.total + part.rows * DOUBLING ** log2(columns / most))
    return Sample(luts=op.groups * luts, netlist=part.netlist, finished_rows=part.finished_rows)


def _part(op: Mvtu, source: TensorType, columns: int) -> _Part:
    """Build the total, a window's shared sums and some of its rows on some columns."""
    group_rows = op.weights.rows // op.groups
    window = min(group_rows, WINDOW)
    layer = Layer.of(_narrowed(op, window, columns), TensorType((columns,), source.element))
    builder = LayerBuilder(layer, Structure(group_size=PAIRS), range(window))
    shared = builder.cells.luts - builder.total_luts
    finished = range(0, window, max(1, window // FINISHED_ROWS))
    outputs = [net for row in finished for net in builder.row(row)]
    ends = builder.cells.luts - builder.total_luts - shared
    return _Part(
        columns=columns,
        total=builder.total_luts,
        rows=(shared / window + ends / len(finished)) * group_rows,
        netlist=builder.cells.finish(outputs),
        finished_rows=len(finished),
    )


def _narrowed(op: Mvtu, rows: int, columns: int) -> Mvtu:
    """Return an operator of the first rows and some columns; its thresholds lie as far out as before."""
    weights, thresholds = op.weights, op.thresholds
    order = np.random.default_rng(SEED).permutation(weights.columns)
    chosen = np.sort(order[:columns])
    bits, masks = (
        planes[:, :rows][:, :, chosen] for planes in (weights.unpacked_bits(), weights.unpacked_masks())
    )
    coefficients = weights.row_coefficients
    part = WeightPlanes.from_bits(bits, masks, weights.coefficients)
    if coefficients is not None:
        part = replace(part, row_coefficients=coefficients[:, :rows])
    if thresholds is not None:
        narrowed = np.rint(thresholds.table[:rows] * np.sqrt(columns / weights.columns)).astype(np.int64)
        thresholds = replace(thresholds, table=narrowed, inverted=thresholds.inverted[:rows], mask=None)
    return Mvtu(weights=part, thresholds=thresholds, folding=Folding(rows, columns, unrolled=True))
