"""Rows and inputs without any bits: outputs that are constant, and inputs that nobody reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hbnn_hw.analysis.weighted_nodes import Weighted, weighted_nodes
from hbnn_hw.graph import Graph
from hbnn_hw.ops import Convolution
from hbnn_hw.planes import unpack


@dataclass(frozen=True, slots=True)
class DeadWeights:
    """What of a layer has no bits.

    Attributes
    ----------
    layer
        Name of the node.
    rows, empty_rows
        Outputs, and those whose weights are all 0: their sum is 0 and costs nothing.
    inputs, unread_inputs
        Input channels of a convolution, else inputs; and those whose weights are 0 in all rows: what makes
        them need not.
    """

    layer: str
    rows: int
    empty_rows: int
    inputs: int
    unread_inputs: int

    def text(self) -> str:
        """Print the facts, or nothing if every row and input has bits."""
        if not self.empty_rows and not self.unread_inputs:
            return ""
        return (
            f"{self.layer}: {self.empty_rows} of {self.rows} rows have no bits, "
            f"{self.unread_inputs} of {self.inputs} inputs are never read"
        )


def dead_weights(graph: Graph) -> tuple[DeadWeights, ...]:
    """Count rows and inputs without bits, layer by layer."""
    return tuple(_dead(name, op) for name, op, _ in weighted_nodes(graph))


def _dead(layer: str, op: Weighted) -> DeadWeights:
    counts = op.weights.coefficient_table() > 0
    any_plane = np.bitwise_or.reduce(np.where(counts[..., np.newaxis], op.weights.masks, 0), axis=0)
    groups = op.groups if isinstance(op, Convolution) else 1
    by_group = np.bitwise_or.reduce(any_plane.reshape(groups, -1, any_plane.shape[1]), axis=1)
    read = unpack(by_group, op.weights.columns)
    if isinstance(op, Convolution):
        read = read.reshape(groups, -1, op.group_inputs).max(axis=1)
    rows_with_bits = int(any_plane.any(axis=1).sum())
    return DeadWeights(
        layer=layer,
        rows=op.weights.rows,
        empty_rows=op.weights.rows - rows_with_bits,
        inputs=read.size,
        unread_inputs=read.size - int(np.count_nonzero(read)),
    )
