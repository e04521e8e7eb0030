"""Bit-planes as the integers that they stand for."""

from __future__ import annotations

from dataclasses import dataclass

from hbnn_hw.errors import RangeError
from hbnn_hw.ops.base import Array, StreamOp, Tensor, integers_of, range_of
from hbnn_hw.types import Planes, TensorType


@dataclass(frozen=True, slots=True, kw_only=True)
class Decode(StreamOp):
    """``y = sum_p scales[p] * s_p``, where a plane that an element does not have adds nothing."""

    def infer(self, *inputs: TensorType) -> TensorType:
        """Planes become integers of the same shape."""
        (source,) = inputs
        if not isinstance(source.element, Planes):
            raise RangeError(f"only planes can be decoded, not {source.element}")
        return TensorType(source.shape, range_of(source))

    def compute(self, *inputs: Tensor) -> Array:
        """Compute int64 (batch, *shape)."""
        (source,) = inputs
        return integers_of(source)
