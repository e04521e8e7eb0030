"""Counts of a sliding window in beats, and how few words its ring of rows can have."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.rtl.lanes import check_lanes
from hbnn_hw.ops import SlidingWindow
from hbnn_hw.types import TensorType

BLOCK_RAM_WORDS = 512
"""Words of the shallowest block RAM (7-series RAMB18E1 at 36 bits, UG473); below, depths that are powers of
two cost no more than others, since LUT RAM comes in such depths as well (RAM32M, RAM64M, UG474)."""


@dataclass(frozen=True, slots=True)
class Walk:
    """One loop of the order in which beats are read.

    Attributes
    ----------
    name
        What is counted.
    size
        Its steps.
    stride
        Beats of the image from one to the next.
    """

    name: str
    size: int
    stride: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPlan:
    """When beats are taken and written, and where they wait.

    The unit takes ``fill`` beats; then, for each row of places, it writes ``written`` beats in ``steps``
    clocks, while it takes the ``new`` beats up to the last row that the next windows see. During the last
    row of places only the ``left`` beats come that no window sees. Rows between two windows, ``skipped``
    beats, are not kept.

    Attributes
    ----------
    fill, new, skipped, left, written, steps
        See above.
    place_rows
        Rows of places.
    walks
        Order of reading within a row of places, the fastest loop first.
    """

    fill: int
    new: int
    skipped: int
    left: int
    written: int
    steps: int
    place_rows: int
    walks: tuple[Walk, ...]

    @classmethod
    def of(cls, op: SlidingWindow, source: TensorType) -> WindowPlan:
        """Count; raise FoldingError if the lanes do not divide the block."""
        check_lanes(op.lanes, op.block)
        row, pixel, block = op.row_beats(source), source.shape[2] // op.lanes, op.block // op.lanes
        rows, columns = op.sides(source)
        new, written = op.stride[0] * row, op.place_row_beats(source)
        return cls(
            fill=op.spans[0] * row,
            new=new,
            skipped=max(0, op.stride[0] - op.spans[0]) * row,
            left=(source.shape[0] - op.spans[0]) * row - (rows - 1) * new,
            written=written,
            steps=max(written, new),
            place_rows=rows,
            walks=(
                Walk("beat", block, 1),
                Walk("kernel_column", op.kernel[1], op.dilation[1] * pixel),
                Walk("kernel_row", op.kernel[0], op.dilation[0] * row),
                Walk("block", pixel // block, block),
                Walk("place", columns, op.stride[1] * pixel),
            ),
        )

    @property
    def kept(self) -> int:
        """Beats that are new to the windows of the next row of places."""
        return self.new - self.skipped

    def offsets(self) -> NDArray[np.int64]:
        """Beats from the first one that a row of places sees to each that it shows, int64 (written,)."""
        at = np.zeros(1, dtype=np.int64)
        for walk in self.walks:
            at = (np.arange(walk.size, dtype=np.int64)[:, np.newaxis] * walk.stride + at).reshape(-1)
        return at

    def least_words(self) -> int:
        """Words that the ring needs so that no beat is overwritten before or while it is read.

        In every clock of a row of places all that was taken since the beat that is read must have room:
        about one row of the image less than whole rows would ask for.
        """
        if self.place_rows == 1:
            return self.fill
        taken = np.arange(1, self.written + 1, dtype=np.int64) * self.new // self.steps
        waiting = self.fill + np.maximum(taken - self.skipped, 0) - self.offsets()
        return max(self.fill, int(waiting.max()))

    def ring_words(self) -> int:
        """Words of the ring: a power of two, whose addresses wrap by themselves, unless that costs memory."""
        least = max(2, self.least_words())
        power = 1 << (least - 1).bit_length()
        multiple = -(-least // BLOCK_RAM_WORDS) * BLOCK_RAM_WORDS
        return min(power, multiple) if least > BLOCK_RAM_WORDS else power

    def moves(self) -> tuple[int, ...]:
        """Beats from one that is read to the next, by how many of the loops start over.

        The last two are from one row of places, and from one image, to the next.
        """
        back = [0, *accumulate((walk.size - 1) * walk.stride for walk in self.walks)]
        forward = [*(walk.stride for walk in self.walks), self.kept, self.fill]
        behind = [*back, back[-1]]
        return tuple(step - gone for step, gone in zip(forward, behind, strict=True))
