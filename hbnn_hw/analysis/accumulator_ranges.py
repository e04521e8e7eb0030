"""What the sums of every layer can reach: proven from the weights, and from the maps of the inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.analysis.weighted_nodes import Weighted, weighted_nodes
from hbnn_hw.graph import Graph
from hbnn_hw.ops import Convolution
from hbnn_hw.ops.base import range_of
from hbnn_hw.ops.dense import weighted_range
from hbnn_hw.types import Integers, Planes, TensorType


@dataclass(frozen=True, slots=True)
class AccumulatorRange:
    """Range and width of a layer's sums.

    Attributes
    ----------
    layer
        Name of the node.
    proven
        Range that the sums' type has, proven from the weights.
    naive_bits
        Two's complement width from the number of columns and the largest weight and input alone.
    reached
        The proven range where inputs that lack planes (a map) count only with those they have; else the same.
    agreement_bits
        Width of the unsigned count of agreements that popcount hardware accumulates instead: all sums of a
        row are even or all are odd, so one bit less is enough. None where the inputs are no planes.
    """

    layer: str
    proven: Integers
    naive_bits: int
    reached: Integers
    agreement_bits: int | None

    def text(self) -> str:
        """Print the facts."""
        text = (
            f"{self.layer}: sums {self.proven.low}…{self.proven.high}, "
            f"{self.proven.bits} bits proven, {self.naive_bits} naive"
        )
        if self.reached != self.proven:
            text += f"; by the map of the inputs {self.reached.low}…{self.reached.high}"
        if self.agreement_bits is not None:
            text += f"; {self.agreement_bits} bits as a count of agreements"
        return text


def prove_ranges(graph: Graph) -> tuple[AccumulatorRange, ...]:
    """Prove what the sums of every layer with weights can reach."""
    return tuple(_range(*weighted) for weighted in weighted_nodes(graph))


def _range(layer: str, op: Weighted, source: TensorType) -> AccumulatorRange:
    border = op.border if isinstance(op, Convolution) and any(op.padding) else None
    proven = weighted_range(op.weights, source.element, border)
    inputs = range_of(source)
    largest_input = max(-inputs.low, inputs.high, abs(border or 0))
    largest_weight = int(op.weights.coefficient_table().sum(axis=0).max())
    largest = op.weights.columns * largest_weight * largest_input
    naive_bits = Integers(-largest, largest).bits
    if not isinstance(source.element, Planes):
        return AccumulatorRange(layer, proven, naive_bits, proven, None)
    magnitudes = _input_magnitudes(op, source, source.element, abs(border or 0))
    high = int(_row_bounds(op, magnitudes).max())
    return AccumulatorRange(layer, proven, naive_bits, Integers(-high, high), max(1, high.bit_length()))


def _input_magnitudes(op: Weighted, source: TensorType, element: Planes, border: int) -> NDArray[np.int64]:
    """Return the largest magnitude of every column's input, int64 (groups, columns)."""
    if element.mask is None:
        groups = op.groups if isinstance(op, Convolution) else 1
        return np.full((groups, op.weights.columns), max(element.largest, border), dtype=np.int64)
    scales = np.asarray(element.scales, dtype=np.int64)
    by_element = np.tensordot(scales, element.mask.present().astype(np.int64), axes=(0, 0))
    if not isinstance(op, Convolution):
        return by_element[np.newaxis]
    channels = np.maximum(by_element.max(axis=(0, 1)), border).reshape(op.groups, op.group_inputs)
    return np.tile(channels, (1, op.kernel[0] * op.kernel[1]))


def _row_bounds(op: Weighted, magnitudes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``sum_j |W[r, j]| * magnitude[j]`` of every row, int64 (rows,)."""
    if (magnitudes == magnitudes[0, 0]).all():
        return op.weights.row_magnitudes() * int(magnitudes[0, 0])
    weights = np.abs(op.weights.values()).reshape(len(magnitudes), -1, op.weights.columns)
    bounds: NDArray[np.int64] = np.einsum("grc,gc->gr", weights, magnitudes).reshape(-1)
    return bounds
