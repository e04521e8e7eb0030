"""LUTs that the RTL back end's own planners decide: sums, counts, XOR decoders, unrolled kernels.

The back end instantiates what these plans hold, so that synthesis keeps it: the figures are exact. The
planners need neither Amaranth nor a synthesis tool.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from hbnn_hw.backends.rtl.agreements import IDENTITY, agreement_addends, allowed_levels
from hbnn_hw.backends.rtl.compressors import Addend, compress
from hbnn_hw.backends.rtl.parities import plan_parities
from hbnn_hw.backends.rtl.unrolled.netlist import Netlist
from hbnn_hw.backends.rtl.unrolled.pairs import PAIRS
from hbnn_hw.backends.rtl.unrolled.plan import plan_layer
from hbnn_hw.backends.rtl.unrolled.sample import sampled_luts
from hbnn_hw.backends.rtl.unrolled.stages import cut
from hbnn_hw.backends.rtl.unrolled.structure import FEW_ROWS, Structure
from hbnn_hw.ops import Mvtu, Thresholds
from hbnn_hw.planes import Bits
from hbnn_hw.types import TensorType
from hbnn_hw.weights import WeightPlanes

MOST_ADDENDS = 1024
"""Addends of a sum up to which it is planned, which takes up to 0.5 s; a larger one is taken for several."""

SEARCHED, BUILT = 2048, 12288
"""Synapses, input planes counted each, of an unrolled layer up to which the planner searches its best
structure, and up to which it builds those that are mostly the best; of larger ones it builds a sample. Each
takes about a second."""

USUAL = (Structure(group_size=PAIRS), Structure(group_size=4), Structure(group_size=PAIRS, has_total=False))
"""Structures that are the best of most layers, the last of those with few rows."""


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
        return _planned(op, source, USUAL if weights.rows <= FEW_ROWS else USUAL[:-1], stages)
    return _sampled(op, source, stages)


def _planned(op: Mvtu, source: TensorType, structures: Sequence[Structure] | None, stages: int) -> Kernel:
    netlist = plan_layer(op, source, structures).netlist
    read = {net for cell in netlist.cells for net in cell.inputs if 0 <= net < netlist.n_inputs}
    read |= {net for net in netlist.outputs if 0 <= net < netlist.n_inputs}
    return Kernel(netlist.luts, len(read), _registers(netlist, stages), _driven(netlist))


def _sampled(op: Mvtu, source: TensorType, stages: int) -> Kernel:
    sample = sampled_luts(op, source)
    part, rows = sample.netlist, op.weights.rows
    masks = op.weights.unpacked_masks().reshape(op.weights.n_planes, op.groups, -1, op.weights.columns)
    return Kernel(
        luts=sample.luts,
        inputs=float(masks.any(axis=(0, 2)).sum()) * source.element.bits,
        registers=_registers(part, stages) * sample.luts / max(part.luts, 1),
        outputs=_driven(part) * rows / sample.finished_rows,
    )


def _registers(netlist: Netlist, stages: int) -> int:
    return sum(map(len, cut(netlist, stages).registers))


def _driven(netlist: Netlist) -> int:
    """Count the outputs that are not constant."""
    return sum(net >= 0 for net in netlist.outputs)
