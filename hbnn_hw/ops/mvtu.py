"""Matrix-vector-threshold unit: a dense layer with its thresholds, folded or unrolled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import ShapeError
from hbnn_hw.folding import Folding, FoldSchedule, fold_schedule
from hbnn_hw.ops.base import Array, HardwareOp, Tensor, Work
from hbnn_hw.ops.dense import Dense, check_planes, dense_work
from hbnn_hw.ops.threshold import Threshold, Thresholds
from hbnn_hw.types import Planes, TensorType
from hbnn_hw.weights import WeightPlanes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mvtu(HardwareOp):
    """``thresholds(W x)``, or the raw dot products ``W x`` where there are no thresholds.

    Source: FINN's MVTU (Umuroglu et al. 2017), extended to several weight planes with masks (HBNN), which
    are processed one after the other, and several input planes, which are processed in parallel.

    Attributes
    ----------
    weights
        Planes, bit map and coefficients, (rows, columns).
    thresholds
        Tables on the signed dot product, or None for raw scores.
    folding
        PE, SIMD; None before scheduling.
    """

    weights: WeightPlanes
    thresholds: Thresholds | None = None
    folding: Folding | None = None

    def __post_init__(self) -> None:
        if self.thresholds is not None and self.thresholds.channels != self.weights.rows:
            raise ShapeError(
                f"{self.weights.rows} rows need as many thresholds, not {self.thresholds.channels}"
            )

    @property
    def scheduled_folding(self) -> Folding:
        """The folding; raises ShapeError before scheduling."""
        if self.folding is None:
            raise ShapeError("the unit has no folding yet; run the schedule pass first")
        return self.folding

    @property
    def is_scheduled(self) -> bool:
        """Whether the folding is chosen."""
        return self.folding is not None

    @property
    def lanes_in(self) -> int:
        """Elements per input beat: SIMD."""
        return self.scheduled_folding.simd

    @property
    def lanes_out(self) -> int:
        """Elements per output beat: PE."""
        return self.scheduled_folding.pe

    def schedule(self) -> FoldSchedule:
        """Return the steps of a folded unit, :mod:`hbnn_hw.folding`."""
        return fold_schedule(self.weights, self.scheduled_folding)

    def cycles(self, source: TensorType) -> int:
        """Count steps per sample; 1 when unrolled."""
        del source
        return 1 if self.scheduled_folding.unrolled else self.schedule().n_steps

    def infer(self, *inputs: TensorType) -> TensorType:
        """Planes or integers (columns,) become planes, or integers without thresholds, (rows,)."""
        (source,) = inputs
        accumulators = Dense(weights=self.weights).infer(source).element
        element = accumulators if self.thresholds is None else self.thresholds.output
        return TensorType((self.weights.rows,), element)

    def compute(self, *inputs: Tensor) -> Array:
        """Compute bits uint8 (batch, n_bits, rows) or int64 (batch, rows)."""
        dense = Dense(weights=self.weights).run(*inputs)
        if self.thresholds is None:
            return dense.data
        return Threshold(thresholds=self.thresholds).run(dense).data

    def work(self, *inputs: TensorType) -> Work:
        """Binary multiply-accumulates, stored bits and comparisons."""
        (source,) = inputs
        work = dense_work(self.weights, source.element)
        if self.thresholds is None:
            return work
        table = self.thresholds.table
        bits = table.size * self.agreement_bits(source)
        return Work(work.binary_macs, work.weight_bits, work.map_bits, bits, table.size)

    def row_offsets(self, source: TensorType) -> NDArray[np.int64]:
        """K with ``dot = 2 * agreement - K``, int64 (rows,); see :meth:`WeightPlanes.row_offsets`."""
        return self.weights.row_offsets(check_planes(source, self.weights).scales)

    def agreement_bits(self, source: TensorType) -> int:
        """Width in bits of the unsigned agreement accumulator; its largest value is ``max(K)``."""
        return max(1, int(self.row_offsets(source).max()).bit_length())

    def agreement_thresholds(self, source: TensorType) -> NDArray[np.int64]:
        """Thresholds on the agreement sum, int64 (rows, levels), each in 0 … K + 1.

        ``2 * agreement - K >= t`` exactly when ``agreement >= ceil((t + K) / 2)``. Values at the ends mean
        always (0) and never (K + 1); a width of ``agreement_bits + 1`` holds them all.
        """
        if self.thresholds is None:
            raise ShapeError("the unit has no thresholds; its output is the raw dot product")
        offsets = self.row_offsets(source)[:, np.newaxis]
        thresholds: NDArray[np.int64] = np.clip(-((-self.thresholds.table - offsets) // 2), 0, offsets + 1)
        return thresholds

    def input_planes(self, source: TensorType) -> Planes:
        """Element type of the input."""
        return check_planes(source, self.weights)
