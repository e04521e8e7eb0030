"""An unrolled layer, or a group of one, in the words of the planner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.rtl.unrolled.heap import Heap
from hbnn_hw.backends.rtl.unrolled.netlist import Bit
from hbnn_hw.ops import Mvtu
from hbnn_hw.ops.threshold import Thresholds
from hbnn_hw.types import TensorType
from hbnn_hw.weights import WeightPlanes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """A layer, or a group of one, in the words of the planner: ``dot = scale * (W u) + offsets``.

    Attributes
    ----------
    elements
        u as heaps, one per column.
    scale
        1 or 2.
    offsets
        int64 (rows,).
    weights, thresholds
        Those of the rows.
    n_inputs, output_bits
        Bits of the unit's input word, and of an output element.
    is_bordered
        Whether the last input bit tells that the vector lies in a frame of nothing, all other bits being 0.
    """

    elements: tuple[Heap, ...]
    scale: int
    offsets: NDArray[np.int64]
    weights: WeightPlanes
    thresholds: Thresholds | None
    n_inputs: int
    is_bordered: bool
    output_bits: int

    @classmethod
    def of(cls, op: Mvtu, source: TensorType, group: int = 0) -> Layer:
        """Write one of an operator's groups; all of it if it has no others."""
        accumulation = op.accumulation(source)
        planes = len(accumulation.scales)
        is_bipolar = accumulation.shift == 1 or accumulation.halves
        factors = list(accumulation.scales) if is_bipolar else [1 << q for q in range(planes)]
        if accumulation.top_inverted:
            factors[-1] = -factors[-1]
        weights, thresholds = _rows_of(op, group)
        return cls(
            elements=tuple(
                _element([lane * planes + q for q in range(planes)], factors) for lane in _lanes_of(op, group)
            ),
            scale=1 if accumulation.halves or not is_bipolar else 2,
            offsets=-(sum(factors) if is_bipolar else 0) * weights.row_sums(),
            weights=weights,
            thresholds=thresholds,
            n_inputs=op.groups * op.weights.columns * planes + accumulation.halves,
            is_bordered=accumulation.halves,
            output_bits=op.infer(source).element.bits,
        )


def _lanes_of(op: Mvtu, group: int) -> list[int]:
    """Elements of an unrolled unit's word that a group's columns read: pixel by pixel, group by group."""
    channels = op.group_inputs
    return [
        (pixel * op.groups + group) * channels + channel
        for pixel in range(op.window)
        for channel in range(channels)
    ]


def _rows_of(op: Mvtu, group: int) -> tuple[WeightPlanes, Thresholds | None]:
    """Weights and thresholds of a group."""
    weights, thresholds = op.weights, op.thresholds
    if op.groups == 1:
        return weights, thresholds
    size = weights.rows // op.groups
    rows = slice(group * size, (group + 1) * size)
    table = weights.row_coefficients
    weights = replace(
        weights,
        bits=weights.bits[:, rows],
        masks=weights.masks[:, rows],
        row_coefficients=None if table is None else table[:, rows],
        encoding=None,
    )
    if thresholds is None:
        return weights, None
    mask = thresholds.mask
    return weights, replace(
        thresholds,
        table=thresholds.table[rows],
        inverted=thresholds.inverted[rows],
        mask=None if mask is None else mask[..., rows],
    )


def _element(nets: Sequence[int], factors: Sequence[int]) -> Heap:
    element = Heap()
    for net, factor in zip(nets, factors, strict=True):
        element.add_multiple(Heap.of_bits([(0, Bit(net))]), factor)
    return element
