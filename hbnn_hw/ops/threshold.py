"""Integer thresholds: everything between an accumulator and the next layer's bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.ops.base import Array, StreamOp, Tensor, Work, integers_of, range_of
from hbnn_hw.planes import code_to_bits, uniform_scales
from hbnn_hw.types import PlaneMask, Planes, TensorType


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Thresholds:
    """Threshold tables of one layer.

    Channel r's code is the number of levels l with ``(x >= table[r, l]) != inverted[r]``; codes
    0 … levels become ``log2(levels + 1)`` bipolar planes, bit p of the code being plane p. Inverted channels
    come from a negative batch-norm slope: they fire below their threshold.

    Attributes
    ----------
    table
        int64 (channels, levels), levels = 2**n_bits - 1; ascending along levels.
    inverted
        bool (channels,).
    scales
        Integer factor of every plane, least significant bit first; None for 1, 2, 4 and so on.
    mask
        uint8 (planes, *shape) of the output, 1 where an element has a plane; None where all have all.
    """

    table: NDArray[np.int64]
    inverted: NDArray[np.bool_]
    scales: tuple[int, ...] | None = None
    mask: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        if self.table.dtype != np.int64 or self.table.ndim != 2 or self.inverted.dtype != np.bool_:
            raise ShapeError(
                "thresholds must be an int64 table (channels, levels) with bool (channels,) inversions"
            )
        if self.inverted.shape != self.table.shape[:1]:
            raise ShapeError(
                f"{self.table.shape[0]} channels need as many inversions, not {self.inverted.shape}"
            )
        if self.levels + 1 != 1 << self.n_bits:
            raise ShapeError(f"a threshold table must have 2**n - 1 levels, not {self.levels}")
        if (np.diff(self.table, axis=1) < 0).any():
            raise RangeError("thresholds must ascend along the levels")
        if self.output.n_planes != self.n_bits:
            raise ShapeError(f"codes of {self.n_bits} bits need as many plane scales, not {self.scales}")

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.table.shape[0])

    @property
    def levels(self) -> int:
        """Comparisons per channel."""
        return int(self.table.shape[1])

    @property
    def n_bits(self) -> int:
        """Bits of the output code."""
        return self.levels.bit_length()

    @property
    def output(self) -> Planes:
        """Element type behind the thresholds."""
        mask = None if self.mask is None else PlaneMask.of(self.mask)
        return Planes(self.scales or uniform_scales(self.n_bits), mask)

    def apply(self, x: NDArray[np.int64]) -> Array:
        """Count passed thresholds: int64 (batch, ..., channels) to uint8 (batch, n_bits, ..., channels)."""
        codes = np.zeros(x.shape, dtype=np.int64)
        for level in range(self.levels):
            codes += (x >= self.table[:, level]) != self.inverted
        bits = code_to_bits(codes, self.n_bits)
        return bits if self.mask is None else bits & self.mask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Threshold(StreamOp):
    """Compare integers with per-channel thresholds. Source: FINN (Umuroglu et al. 2017), BN + sign.

    Attributes
    ----------
    thresholds
        The tables.
    """

    thresholds: Thresholds

    def infer(self, *inputs: TensorType) -> TensorType:
        """Integers or planes (..., channels) become bipolar planes of the same shape."""
        (source,) = inputs
        range_of(source)
        if source.shape[-1:] != (self.thresholds.channels,):
            raise ShapeError(
                f"{self.thresholds.channels} threshold channels do not fit an input of {source.shape}"
            )
        return TensorType(source.shape, self.thresholds.output)

    def compute(self, *inputs: Tensor) -> Array:
        """Compute bits uint8 (batch, n_bits, ..., channels)."""
        (source,) = inputs
        return self.thresholds.apply(integers_of(source))

    def work(self, *inputs: TensorType) -> Work:
        """Count comparisons, and stored bits at the accumulator's width."""
        (source,) = inputs
        stored = self.thresholds.table.size
        comparisons = source.n_elements * self.thresholds.levels
        return Work(comparisons=comparisons, threshold_bits=stored * source.element.bits)
