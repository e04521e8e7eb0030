"""Integer dot products of plane-coded inputs and weights."""

from __future__ import annotations

from dataclasses import dataclass

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.ops.base import Array, HostOp, Tensor, Work
from hbnn_hw.planes import decode
from hbnn_hw.types import Integers, Planes, TensorType
from hbnn_hw.weights import WeightPlanes

ACCUMULATOR_LIMIT = 1 << 31
"""No accumulator may reach this magnitude: outputs travel as int32 at most."""


def check_planes(source: TensorType, weights: WeightPlanes) -> Planes:
    """Return the input's planes, or raise when a matrix does not fit the input type."""
    if not isinstance(source.element, Planes):
        raise RangeError(f"a dense layer needs bit-planes, not {source.element}")
    if source.shape != (weights.columns,):
        raise ShapeError(f"the weights have {weights.columns} columns, the input has shape {source.shape}")
    return source.element


def accumulator_range(weights: WeightPlanes, magnitude: int) -> Integers:
    """Prove the range of the dot products with inputs up to ``magnitude`` from the weights themselves.

    Raises
    ------
    RangeError
        If a sum could leave the 32-bit range.
    """
    largest = int(weights.row_magnitudes().max()) * magnitude
    if largest >= ACCUMULATOR_LIMIT:
        raise RangeError(
            f"a dot product could reach {largest}, beyond 32 bits; use smaller scales or fewer columns"
        )
    return Integers(-largest, largest)


def dense_work(weights: WeightPlanes, source: Planes) -> Work:
    """Count the technology-free cost of one matrix-vector product."""
    present = int(weights.plane_populations().sum())
    map_bits = 0 if weights.is_homogeneous else weights.n_planes * weights.rows * weights.columns
    return Work(binary_macs=present * source.n_planes, weight_bits=present, map_bits=map_bits)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dense(HostOp):
    """``y[r] = sum_j W[r, j] * x[j]``, exactly.

    In bits, for weight planes p and input planes q:
    ``sum_{p,q} c_p a_q (2 popcount(~(W_p ^ X_q) & m_p) - popcount(m_p))``. Source: HBNN section 4, with
    the mask term of its exact integer form.

    Attributes
    ----------
    weights
        Planes, bit map and coefficients, (rows, columns).
    """

    weights: WeightPlanes

    def infer(self, *inputs: TensorType) -> TensorType:
        """Planes (columns,) become integers (rows,) with a range proven from the weights."""
        (source,) = inputs
        planes = check_planes(source, self.weights)
        return TensorType((self.weights.rows,), accumulator_range(self.weights, planes.largest))

    def compute(self, *inputs: Tensor) -> Array:
        """Compute int64 (batch, rows) with plain integer products."""
        (source,) = inputs
        planes = check_planes(source.type, self.weights)
        result: Array = decode(source.data, planes.scales) @ self.weights.values().T
        return result

    def work(self, *inputs: TensorType) -> Work:
        """Binary multiply-accumulates and stored bits."""
        (source,) = inputs
        return dense_work(self.weights, check_planes(source, self.weights))
