"""A stream that several operators read."""

from __future__ import annotations

from dataclasses import dataclass

from hbnn_hw.ops.base import Array, StreamOp, Tensor
from hbnn_hw.types import TensorType


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork(StreamOp):
    """Every beat goes to all readers. It is the only operator whose value may have more than one."""

    def infer(self, *inputs: TensorType) -> TensorType:
        """The type stays."""
        (source,) = inputs
        return source

    def compute(self, *inputs: Tensor) -> Array:
        """Return the input unchanged."""
        (source,) = inputs
        return source.data
