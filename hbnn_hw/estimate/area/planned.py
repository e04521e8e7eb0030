"""LUTs that the RTL back end's own planners decide: sums, counts, XOR decoders, unrolled kernels.

The back end instantiates what these plans hold, so that synthesis keeps it: the figures are exact. The
planners need neither Amaranth nor a synthesis tool.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np

from hbnn_hw.backends.rtl.agreements import IDENTITY, agreement_addends, allowed_levels
from hbnn_hw.backends.rtl.compressors import Addend, compress
from hbnn_hw.backends.rtl.parities import plan_parities
from hbnn_hw.backends.rtl.unrolled.plan import Structure, plan_layer
from hbnn_hw.backends.rtl.unrolled.stages import cut
from hbnn_hw.ops import Mvtu, Thresholds
from hbnn_hw.planes import Bits
from hbnn_hw.types import TensorType
from hbnn_hw.weights import WeightPlanes

MOST_ADDENDS = 1024
"""Addends of a sum up to which it is planned, which takes up to 0.5 s; a larger one is taken for several."""

SEARCHED, BUILT = 2048, 12288
"""Synapses, input planes counted each, of an unrolled layer up to which the planner searches its best
structure, and up to which it builds one; of larger ones it builds some rows. Either takes about a second."""

USUAL = Structure(group_size=4)
"""Rows that share sub-sums where there is no search: at most one LUT in a hundred more than the best."""


@cache
def agreement_luts(simd: int, scales: tuple[int, ...], masked: bool) -> float:
    """LUTs of the sum of one step's agreements in a processing element, :func:`agreement_addends`."""
    addends = sum(scale.bit_count() for scale in scales)
    if simd > 1 and simd * addends > MOST_ADDENDS:
        half = simd // 2
        width = (simd * sum(scales)).bit_length()
        return agreement_luts(half, scales, masked) + agreement_luts(simd - half, scales, masked) + width
    listed = agreement_addends(simd, scales, masked)
    n_inputs = simd * (1 + len(scales) + masked)
    return float(compress(listed, n_inputs, allowed_levels(listed)).luts)


@cache
def count_luts(n: int) -> float:
    """LUTs of the count of ``n`` bits."""
    if n < 2:
        return 0.0
    addends = tuple(Addend(nets=(at,), table=IDENTITY) for at in range(n))
    return float(compress(addends, n, allowed_levels(addends)).luts)


def decoder_luts(matrix: Bits) -> float:
    """LUTs of one slice of an XOR decoder, two gates in one where they fit."""
    return float(plan_parities(np.ascontiguousarray(matrix)).sites)


@dataclass(frozen=True, slots=True)
class Kernel:
    """What the kernel of an unrolled unit takes.

    Attributes
    ----------
    luts
        LUTs.
    inputs
        Bits of the input that it reads.
    registers
        Nets that cross from stage to stage.
    outputs
        Result bits that are not constant.
    """

    luts: float
    inputs: float
    registers: float
    outputs: float

    def scaled(self, rows: float) -> Kernel:
        """Return a kernel of ``rows`` times as many rows with the same inputs."""
        return Kernel(self.luts * rows, self.inputs, self.registers * rows, self.outputs * rows)


def kernel(op: Mvtu, source: TensorType, stages: int) -> Kernel:
    """Plan an unrolled unit of some pipeline stages as the back end does; of a large one some rows."""
    return _kernel(op.weights, op.thresholds, op.groups, source, stages)


@lru_cache(maxsize=64)
def _kernel(
    weights: WeightPlanes, thresholds: Thresholds | None, groups: int, source: TensorType, stages: int
) -> Kernel:
    op = Mvtu(weights=weights, thresholds=thresholds, groups=groups)
    synapses = float(weights.plane_populations().sum()) * len(op.accumulation(source).scales)
    if synapses <= SEARCHED:
        return _planned(op, source, None, stages)
    if synapses <= BUILT:
        return _planned(op, source, (USUAL,), stages)
    rows = min(weights.rows, max(USUAL.group_size, int(BUILT * weights.rows / synapses)))
    part = _planned(_first_rows(op, rows), source, (USUAL,), stages)
    return part.scaled(weights.rows / rows)


def _planned(op: Mvtu, source: TensorType, structures: Sequence[Structure] | None, stages: int) -> Kernel:
    netlist = plan_layer(op, source, structures).netlist
    read = {net for cell in netlist.cells for net in cell.inputs if 0 <= net < netlist.n_inputs}
    read |= {net for net in netlist.outputs if 0 <= net < netlist.n_inputs}
    registers = sum(map(len, cut(netlist, stages).registers))
    return Kernel(netlist.luts, len(read), registers, sum(net >= 0 for net in netlist.outputs))


def _first_rows(op: Mvtu, rows: int) -> Mvtu:
    """Return the operator of its first rows alone."""
    weights, thresholds = op.weights, op.thresholds
    coefficients = weights.row_coefficients
    cut_weights = WeightPlanes(
        bits=weights.bits[:, :rows],
        masks=weights.masks[:, :rows],
        coefficients=weights.coefficients,
        columns=weights.columns,
        row_coefficients=None if coefficients is None else coefficients[:, :rows],
    )
    if thresholds is not None:
        thresholds = replace(
            thresholds, table=thresholds.table[:rows], inverted=thresholds.inverted[:rows], mask=None
        )
    return replace(op, weights=cut_weights, thresholds=thresholds, groups=1)
