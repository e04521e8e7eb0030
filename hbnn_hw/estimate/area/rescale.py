"""Area of rescaling: DSP slices multiply, LUTs choose the piece, a table holds factors and offsets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.estimate.area.features import Block, Features
from hbnn_hw.estimate.area.join import decoders
from hbnn_hw.estimate.area.parts import Parts, block_features, counter_bits, pipeline, rom
from hbnn_hw.ops import Rescale
from hbnn_hw.ops.base import range_of
from hbnn_hw.timing import RESCALE_DEPTH
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
    """Quantities of a unit that rescales ``lanes`` channels a clock.

    ``constant`` is the bits of results whose factors are constants, ``piece`` those of comparisons and
    choices of a piece, ``place`` those of the table's address.
    """
    pieces, channels = op.multipliers.shape
    bits, result_bits = range_of(source).bits, op.infer(source).element.bits
    factor_bits, offset_bits = signed_bits(op.multipliers), signed_bits(op.offsets)
    folds = channels // op.lanes
    place = counter_bits(folds)
    parts = [
        decoders(op.lanes, source),
        pipeline(op.lanes * bits, op.lanes * result_bits, RESCALE_DEPTH),
        Parts(0, place),
    ]
    if folds * pieces > 1:
        stored = pieces * (factor_bits + offset_bits) + sum(map(signed_bits, op.knees))
        table = rom(folds, op.lanes * stored)
        # A DSP slice holds product and sum, and two registers of each operand: those of a table of factors.
        absorbed = factor_bits * op.lanes if pieces == 1 else 0
        parts += [table, Parts(0, op.lanes * (offset_bits + (bits if pieces > 1 else 0)) - absorbed)]
    terms = {
        "constant": op.lanes * result_bits if folds * pieces == 1 else 0,
        "piece": op.lanes * (pieces - 1) * (bits + factor_bits + offset_bits),
        "place": place,
    }
    dsps = op.lanes * dsp_slices(bits, factor_bits)
    return block_features(Block.RESCALE, parts, terms, dsps)
