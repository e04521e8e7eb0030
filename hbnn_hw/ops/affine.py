"""Per-channel affine: batch norm with its running statistics, or the scale behind the last layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.ops.base import Array, HostOp, Tensor, integers_of, range_of
from hbnn_hw.types import Reals, TensorType


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Affine(HostOp):
    """``y = alpha * x + beta`` with float32 constants, evaluated in float64.

    An integer below 2**24 times a float32 is exact in float64, so the sign of the result is the sign of
    the exact real number, ties included, on every machine and in PyTorch's float64 as well.

    Attributes
    ----------
    alpha, beta
        float32 (channels,), finite.
    """

    alpha: NDArray[np.float32]
    beta: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name in ("alpha", "beta"):
            array: NDArray[np.float32] = getattr(self, name)
            if array.dtype != np.float32 or array.ndim != 1:
                raise ShapeError(f"{name} must be float32 (channels,), not {array.dtype} {array.shape}")
            if not np.isfinite(array).all():
                raise RangeError(
                    f"{name} must be finite; channel {int(np.argmin(np.isfinite(array)))} is not"
                )
        if self.alpha.shape != self.beta.shape:
            raise ShapeError(
                f"alpha and beta must have one shape, not {self.alpha.shape} and {self.beta.shape}"
            )

    def infer(self, *inputs: TensorType) -> TensorType:
        """Integers or planes (..., channels) become reals of the same shape."""
        (source,) = inputs
        range_of(source)
        if source.shape[-1:] != self.alpha.shape:
            raise ShapeError(f"the affine has {len(self.alpha)} channels, its input the shape {source.shape}")
        return TensorType(source.shape, Reals())

    def compute(self, *inputs: Tensor) -> Array:
        """Compute float64 (batch, ..., channels)."""
        (source,) = inputs
        alpha, beta = self.alpha.astype(np.float64), self.beta.astype(np.float64)
        result: Array = integers_of(source).astype(np.float64) * alpha + beta
        return result
