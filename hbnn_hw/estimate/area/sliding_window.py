"""Area of the sliding window: a ring of image rows and the addresses into it."""

from __future__ import annotations

from hbnn_hw.estimate.area.features import Features
from hbnn_hw.estimate.area.memory import ram
from hbnn_hw.estimate.area.structure import counter_bits, structure
from hbnn_hw.ops import SlidingWindow
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import TensorType


def ring_words(op: SlidingWindow, source: TensorType) -> int:
    """Beats that the ring holds: the rows that a place sees and those that the next ones need.

    Source: FINN-R's sliding window unit, kernel + stride rows; no more than the kernel's are ever to come.
    """
    return (op.spans[0] + min(op.stride[0], op.spans[0])) * op.row_beats(source)


def features(op: SlidingWindow, source: TensorType) -> Features:
    """Quantities of a window: the ring, seven nested counters, and read and write address of the ring.

    The counters run over places (rows, columns), blocks, kernel (rows, columns), beats of a block, and the
    beats that are read; an address is a sum of two of them that wraps around.
    """
    words, width = ring_words(op, source), beat_bits(source, op.lanes)
    rows, columns = op.sides(source)
    blocks = source.shape[2] // op.block
    counters = counter_bits(
        rows, columns, blocks, *op.kernel, op.block // op.lanes, source.n_elements // op.lanes
    )
    address = words.bit_length()
    return structure(
        {"addresses": 4.0 * address},
        word_bits=width,
        counters=counters,
        flip_flops=2.0 * address,
        memories=[ram(words, width)],
    )
