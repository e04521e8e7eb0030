"""Sums of values: where a residual branch comes back."""

from __future__ import annotations

from dataclasses import dataclass

from hbnn_hw.errors import ShapeError
from hbnn_hw.ops.base import Array, StreamOp, Tensor, integers_of, range_of
from hbnn_hw.types import Integers, TensorType


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(StreamOp):
    """``y = x_1 + x_2 + ...`` element by element, of integers on one scale; planes count as their values."""

    def infer(self, *inputs: TensorType) -> TensorType:
        """Two or more integers or planes of one shape become integers."""
        if len(inputs) < 2 or any(value.shape != inputs[0].shape for value in inputs):
            shapes = ", ".join(str(value.shape) for value in inputs)
            raise ShapeError(f"a sum needs two or more values of one shape, not {shapes}")
        ranges = [range_of(value) for value in inputs]
        element = Integers(sum(r.low for r in ranges), sum(r.high for r in ranges))
        return TensorType(inputs[0].shape, element)

    def compute(self, *inputs: Tensor) -> Array:
        """Compute int64 (batch, *shape)."""
        first, *others = inputs
        total = integers_of(first).copy()
        for other in others:
            total += integers_of(other)
        return total
