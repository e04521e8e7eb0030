"""Area of rescaling: DSP slices multiply, LUTs choose the piece, a table holds factors and offsets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.estimate.area.features import Features
from hbnn_hw.estimate.area.structure import comparison_luts, counter_bits, structure
from hbnn_hw.estimate.area.tables import Table
from hbnn_hw.ops import Rescale
from hbnn_hw.ops.base import range_of
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import Integers, TensorType

DSP_WIDE, DSP_NARROW = 25, 18
"""Signed operands of a DSP48E1's multiplier [bit]. Source: UG479."""


def dsp_slices(first_bits: int, second_bits: int) -> int:
    """DSP48E1 slices of one product of two signed numbers, cut into parts that a slice multiplies."""

    def parts(wide: int, narrow: int) -> int:
        return -(-max(1, wide - 1) // (DSP_WIDE - 1)) * -(-max(1, narrow - 1) // (DSP_NARROW - 1))

    return min(parts(first_bits, second_bits), parts(second_bits, first_bits))


def signed_bits(values: NDArray[np.int64]) -> int:
    """Width of the smallest two's complement that holds all values."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    return Integers(min(low, -1), max(high, 0)).bits


def features(op: Rescale, source: TensorType) -> Features:
    """Quantities of a unit that rescales ``lanes`` channels a clock."""
    pieces, channels = op.multipliers.shape
    reached = range_of(source)
    bits = reached.bits if reached.signed else reached.bits + 1
    factor_bits, offset_bits = signed_bits(op.multipliers), signed_bits(op.offsets)
    folds, sum_bits = channels // op.lanes, bits + factor_bits
    entry = pieces * (factor_bits + offset_bits) + (pieces - 1) * bits
    in_luts, registers, blocks = Table(folds, op.lanes * entry).cost()
    luts = {
        "add": float(op.lanes * sum_bits),
        "piece": op.lanes * (pieces - 1) * (comparison_luts(bits) + factor_bits + offset_bits),
    }
    return structure(
        luts,
        word_bits=beat_bits(op.infer(source), op.lanes),
        counters=counter_bits(folds),
        flip_flops=float(registers + op.lanes * (bits + 2 * sum_bits)),
        memories=[(in_luts, blocks)],
        dsps=op.lanes * dsp_slices(bits, factor_bits),
    )
