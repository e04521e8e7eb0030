"""Pooling over windows that do not overlap, on the stream itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import ShapeError
from hbnn_hw.ops.base import Array, StreamOp, Tensor
from hbnn_hw.ops.max_pool import MaxPool
from hbnn_hw.ops.sum_pool import SumPool
from hbnn_hw.types import TensorType
from hbnn_hw.windows import check_sizes


class PoolKind(Enum):
    """What becomes of the numbers of a window."""

    MAX = "max"
    SUM = "sum"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool(StreamOp):
    """Maximum or sum of windows none of which overlap: one row of unfinished results is all that is kept.

    Attributes
    ----------
    kind
        Maximum (on one plane an OR) or sum.
    kernel, stride
        (rows, columns), from 1; the stride is at least the kernel.
    smallest
        bool (channels,): channels that take the minimum instead of the maximum; None for none.
    """

    kind: PoolKind
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    smallest: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        check_sizes("the window", self.kernel, 2, 1)
        if self.stride[0] < self.kernel[0] or self.stride[1] < self.kernel[1]:
            raise ShapeError(
                f"windows of {self.kernel} must not overlap, as they do every {self.stride} pixels"
            )
        _ = self.plain

    @property
    def plain(self) -> MaxPool | SumPool:
        """The operator that this one computes."""
        if self.kind is PoolKind.SUM:
            return SumPool(kernel=self.kernel, stride=self.stride)
        return MaxPool(kernel=self.kernel, stride=self.stride, smallest=self.smallest)

    def infer(self, *inputs: TensorType) -> TensorType:
        """An image becomes a smaller one."""
        return self.plain.infer(*inputs)

    def compute(self, *inputs: Tensor) -> Array:
        """Compute in the form that :class:`MaxPool` or :class:`SumPool` has."""
        return self.plain.compute(*inputs)

    def reads(self, *inputs: TensorType) -> tuple[NDArray[np.int64], ...]:
        """A result leaves with the last pixel of its window."""
        (source,) = inputs
        rows, columns, channels = self.infer(source).shape
        beats = channels // self.lanes
        r = np.arange(rows)[:, np.newaxis, np.newaxis] * self.stride[0] + self.kernel[0] - 1
        c = np.arange(columns)[np.newaxis, :, np.newaxis] * self.stride[1] + self.kernel[1] - 1
        at = (r * source.shape[1] + c) * beats + np.arange(beats) + 1
        return (at.reshape(-1).astype(np.int64),)
