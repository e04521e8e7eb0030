"""Integer dot products of plane-coded inputs and weights."""

from __future__ import annotations

from dataclasses import dataclass

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.ops.base import Array, HostOp, Tensor, Work, integers_of
from hbnn_hw.types import Element, Integers, Planes, TensorType
from hbnn_hw.weights import WeightPlanes

ACCUMULATOR_LIMIT = 1 << 31
"""No accumulator may reach this magnitude: outputs travel as int32 at most."""


def check_planes(source: TensorType, weights: WeightPlanes) -> Planes:
    """Return the input's planes, or raise when a matrix does not fit the input type."""
    if not isinstance(source.element, Planes):
        raise RangeError(f"a matrix-vector unit needs bit-planes, not {source.element}")
    check_columns(source, weights)
    return source.element


def check_columns(source: TensorType, weights: WeightPlanes) -> None:
    """Raise ShapeError when a matrix does not fit an input's shape."""
    if source.shape != (weights.columns,):
        raise ShapeError(f"the weights have {weights.columns} columns, the input has shape {source.shape}")


def accumulator_range(weights: WeightPlanes, magnitude: int) -> Integers:
    """Prove the range of the dot products with inputs up to ``magnitude`` from the weights themselves.

    Raises
    ------
    RangeError
        If a sum could leave the 32-bit range.
    """
    largest = int(weights.row_magnitudes().max()) * magnitude
    return _within_limit(Integers(-largest, largest))


def weighted_range(weights: WeightPlanes, element: Element, border: int | None = None) -> Integers:
    """Prove the range of the dot products with inputs of an element type from the weights themselves.

    Parameters
    ----------
    weights
        (rows, columns).
    element
        Planes or integers.
    border
        One more value that inputs may take; None for none.

    Raises
    ------
    RangeError
        If the inputs are reals, or a sum could leave the 32-bit range.
    """
    if isinstance(element, Planes):
        return accumulator_range(weights, max(element.largest, abs(border or 0)))
    if not isinstance(element, Integers):
        raise RangeError(f"a layer with weights needs bit-planes or integers, not {element}")
    low, high = element.low, element.high
    if border is not None:
        low, high = min(low, border), max(high, border)
    magnitudes, sums = weights.row_magnitudes(), weights.row_sums()
    positive, negative = (magnitudes + sums) // 2, (magnitudes - sums) // 2
    # In Python's integers: inputs that a file declares may be too wide for products in int64.
    pairs = list(zip(positive.tolist(), negative.tolist(), strict=True))
    lowest = min(p * low - n * high for p, n in pairs)
    highest = max(p * high - n * low for p, n in pairs)
    return _within_limit(Integers(lowest, highest))


def _within_limit(reached: Integers) -> Integers:
    largest = max(-reached.low, reached.high)
    if largest >= ACCUMULATOR_LIMIT:
        raise RangeError(
            f"a dot product could reach {largest}, beyond 32 bits; use smaller scales or fewer columns"
        )
    return reached


def dense_work(weights: WeightPlanes, element: Element) -> Work:
    """Count the technology-free cost of one matrix-vector product."""
    present = int(weights.plane_populations().sum())
    map_bits = 0 if weights.is_homogeneous else weights.n_planes * weights.rows * weights.columns
    return Work(binary_macs=present * element.bits, weight_bits=present, map_bits=map_bits)


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
        """Planes or integers (columns,) become integers (rows,) with a range proven from the weights."""
        (source,) = inputs
        check_columns(source, self.weights)
        return TensorType((self.weights.rows,), weighted_range(self.weights, source.element))

    def compute(self, *inputs: Tensor) -> Array:
        """Compute int64 (batch, rows) with plain integer products."""
        (source,) = inputs
        result: Array = integers_of(source) @ self.weights.values().T
        return result

    def work(self, *inputs: TensorType) -> Work:
        """Binary multiply-accumulates and stored bits."""
        (source,) = inputs
        return dense_work(self.weights, source.element)
