"""Matrix-vector-threshold unit: a layer with weights and its thresholds, folded or unrolled."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.folding import Folding, FoldSchedule, fold_schedule, spread
from hbnn_hw.ops.base import Array, HardwareOp, Tensor, Work, integers_of
from hbnn_hw.ops.dense import dense_work, weighted_range
from hbnn_hw.ops.threshold import Thresholds
from hbnn_hw.planes import uniform_scales
from hbnn_hw.types import Bordered, Integers, Planes, TensorType
from hbnn_hw.weights import WeightPlanes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Accumulation:
    """How a unit counts agreements of bits and what dot product they stand for.

    ``dot = (accumulator << shift) - offsets[row]``. The accumulator sums ``c_p * a_q * agreements`` over
    weight planes p and input planes q. In a frame of nothing every entry counts half an agreement, and the
    accumulator is in halves there.

    Attributes
    ----------
    scales
        a_q, one per bit of an input element.
    shift
        1 where the accumulator counts agreements of planes, else 0.
    offsets
        int64 (rows,).
    largest
        Largest accumulator, int64 (rows,).
    halves
        Whether the accumulator is in halves.
    top_inverted
        Whether the top bit of an input element is the sign of a two's complement number, which counts as a
        plane when it is inverted.
    """

    scales: tuple[int, ...]
    shift: int
    offsets: NDArray[np.int64]
    largest: NDArray[np.int64]
    halves: bool = False
    top_inverted: bool = False

    @property
    def bits(self) -> int:
        """Width of the accumulator."""
        return max(1, int(self.largest.max()).bit_length())

    def thresholds(self, table: NDArray[np.int64]) -> NDArray[np.int64]:
        """Turn thresholds (rows, levels) on the dot product into those on the accumulator.

        Each lies in 0 (always) … largest + 1 (never).
        """
        shifted = -((-table - self.offsets[:, np.newaxis]) >> self.shift)
        clipped: NDArray[np.int64] = np.clip(shifted, 0, self.largest[:, np.newaxis] + 1)
        return clipped


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mvtu(HardwareOp):
    """``thresholds(W x)``, or the raw dot products ``W x`` where there are no thresholds.

    The last axis of the input holds the vector, all others are places (of a convolution's window). With
    groups, it holds one vector per group; the rows of W are those of the groups one after the other.

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
    groups
        Groups of rows that see an input vector of their own each.
    window
        Window elements (kernel rows · kernel columns) of a vector; 1 without a window. It tells the order in
        which several groups arrive that are worked on at once: all their channels, window element by element.
    """

    weights: WeightPlanes
    thresholds: Thresholds | None = None
    folding: Folding | None = None
    groups: int = 1
    window: int = 1

    def __post_init__(self) -> None:
        if self.thresholds is not None and self.thresholds.channels != self.weights.rows:
            raise ShapeError(
                f"{self.weights.rows} rows need as many thresholds, not {self.thresholds.channels}"
            )
        if self.groups < 1 or self.weights.rows % self.groups:
            raise ShapeError(f"{self.weights.rows} rows cannot stand in {self.groups} groups")
        if self.window < 1 or self.weights.columns % self.window:
            raise ShapeError(f"{self.weights.columns} columns are no whole windows of {self.window} elements")

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
    def spread(self) -> int:
        """Groups that a step works on at once; 1 before scheduling."""
        return 1 if self.folding is None else spread(self.folding, self.weights.rows, self.groups)

    @property
    def group_inputs(self) -> int:
        """Input channels of a group."""
        return self.weights.columns // self.window

    @property
    def lanes_in(self) -> int:
        """Elements per input beat: SIMD, for each group that is worked on at once."""
        return self.scheduled_folding.simd * self.spread

    @property
    def lanes_out(self) -> int:
        """Elements per output beat: PE."""
        return self.scheduled_folding.pe

    def schedule(self) -> FoldSchedule:
        """Return the steps of a folded unit at one place, :mod:`hbnn_hw.folding`."""
        return fold_schedule(self.weights, self.scheduled_folding, self.groups)

    def places(self, source: TensorType) -> int:
        """Number of places at which the vector is read."""
        return prod(source.shape[:-1])

    def place_cycles(self) -> int:
        """Clock cycles at one place: the steps, or 1 when unrolled."""
        return 1 if self.scheduled_folding.unrolled else self.schedule().n_steps

    def cycles(self, *inputs: TensorType) -> int:
        """Count steps per sample."""
        (source,) = inputs
        return self.places(source) * self.place_cycles()

    def reads(self, *inputs: TensorType) -> tuple[NDArray[np.int64], ...]:
        """The first row fold of a vector has taken all of it when it is done."""
        (source,) = inputs
        folding = self.scheduled_folding
        vectors = self.places(source) * self.groups // self.spread
        beats = self.weights.columns // folding.simd
        row_folds = self.places(source) * self.weights.rows // folding.pe // vectors
        return (np.repeat(beats * np.arange(1, vectors + 1, dtype=np.int64), row_folds),)

    def infer(self, *inputs: TensorType) -> TensorType:
        """Planes or integers (..., columns) become planes, or integers without thresholds, (..., rows)."""
        (source,) = inputs
        if source.shape[-1] != self.groups * self.weights.columns:
            groups = f"{self.groups} groups of " if self.groups > 1 else ""
            raise ShapeError(
                f"the weights have {groups}{self.weights.columns} columns, the input has shape {source.shape}"
            )
        planes = source.element.planes if isinstance(source.element, Bordered) else source.element
        accumulators = weighted_range(self.weights, planes)
        element = accumulators if self.thresholds is None else self.thresholds.output
        return TensorType((*source.shape[:-1], self.weights.rows), element)

    def _vectors(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sort (..., groups · columns) into vectors (..., groups, columns)."""
        leading = values.shape[:-1]
        shape = (*leading, self.groups // self.spread, self.window, self.spread, self.group_inputs)
        vectors = np.moveaxis(values.reshape(shape), -2, -3)
        return vectors.reshape(*leading, self.groups, self.weights.columns)

    def compute(self, *inputs: Tensor) -> Array:
        """Compute bits uint8 (batch, n_bits, ..., rows) or int64 (batch, ..., rows)."""
        (source,) = inputs
        vectors = self._vectors(integers_of(source))
        rows, columns = self.weights.rows, self.weights.columns
        weights = self.weights.values().reshape(self.groups, rows // self.groups, columns)
        # No sum leaves 32 bits, so float64 holds them all exactly, and multiplies fast.
        dots = vectors[..., np.newaxis, :].astype(np.float64) @ weights.swapaxes(1, 2).astype(np.float64)
        sums = dots.astype(np.int64).reshape(*vectors.shape[:-2], rows)
        return sums if self.thresholds is None else self.thresholds.apply(sums)

    def work(self, *inputs: TensorType) -> Work:
        """Binary multiply-accumulates, stored bits and comparisons."""
        (source,) = inputs
        work, places = dense_work(self.weights, source.element), self.places(source)
        work = Work(places * work.binary_macs, work.weight_bits, work.map_bits)
        if self.thresholds is None:
            return work
        table = self.thresholds.table
        bits = table.size * self.agreement_bits(_without_map(source))
        return Work(work.binary_macs, work.weight_bits, work.map_bits, bits, places * table.size)

    def accumulation(self, source: TensorType) -> Accumulation:
        """Return what the unit accumulates for an element type; raise RangeError for one it cannot read."""
        match source.element:
            case Planes(scales, None):
                offsets = self.weights.row_offsets(scales)
                return Accumulation(scales=scales, shift=1, offsets=offsets, largest=offsets)
            case Bordered(planes):
                offsets = self.weights.row_offsets(planes.scales)
                return Accumulation(
                    scales=planes.scales, shift=0, offsets=offsets, largest=2 * offsets, halves=True
                )
            case Integers() as integers:
                return self._of_integers(integers)
            case other:
                kind = "planes with a map" if isinstance(other, Planes) else type(other).__name__
                raise RangeError(f"a matrix-vector unit needs bit-planes or integers, not {kind}")

    def _of_integers(self, element: Integers) -> Accumulation:
        """Count bits of ``v`` as planes: ``2 v = sum_q 2**q s_q + rest``, with the sign's plane inverted."""
        scales = uniform_scales(element.bits)
        agreements = self.weights.row_offsets(scales)
        rest = -1 if element.signed else (1 << element.bits) - 1
        offsets = (agreements - rest * self.weights.row_sums()) // 2
        return Accumulation(
            scales=scales, shift=0, offsets=offsets, largest=agreements, top_inverted=element.signed
        )

    def row_offsets(self, source: TensorType) -> NDArray[np.int64]:
        """Offsets of :meth:`accumulation`, int64 (rows,)."""
        return self.accumulation(source).offsets

    def agreement_bits(self, source: TensorType) -> int:
        """Width in bits of the unsigned accumulator."""
        return self.accumulation(source).bits

    def agreement_thresholds(self, source: TensorType) -> NDArray[np.int64]:
        """Thresholds on the accumulator, int64 (rows, levels), each in 0 (always) … largest + 1 (never)."""
        if self.thresholds is None:
            raise ShapeError("the unit has no thresholds; its output is the raw dot product")
        return self.accumulation(source).thresholds(self.thresholds.table)

    def input_planes(self, source: TensorType) -> Planes:
        """The planes that the unit reads an input element as."""
        return Planes(self.accumulation(source).scales)


def _without_map(source: TensorType) -> TensorType:
    """Return a type whose elements have all planes; sums are no wider with a map."""
    element = source.element
    return TensorType(source.shape, Planes(element.scales)) if isinstance(element, Planes) else source
