"""Pass: weight planes that no entry has are dropped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Convolution, Dense, Mvtu
from hbnn_hw.weights import WeightPlanes


def prune_planes(graph: Graph) -> Graph:
    """Drop the planes that no entry of a layer has; a layer without any bits keeps its first one.

    Rows and columns without bits stay, because the neighbours count on the layer's shape;
    :func:`hbnn_hw.analysis.dead_weights` lists them.
    """
    nodes = tuple(_pruned(node) for node in graph.nodes)
    return Graph(graph.name, graph.input_name, graph.input_type, nodes)


def _pruned(node: Node) -> Node:
    if not isinstance(node.op, Dense | Convolution | Mvtu):
        return node
    weights = without_empty_planes(node.op.weights)
    return node if weights is node.op.weights else replace(node, op=replace(node.op, weights=weights))


def without_empty_planes(weights: WeightPlanes) -> WeightPlanes:
    """Return the same matrix in the planes that some entry has, at least one; the same object if all do.

    Encoded weights stay as they are, because their planes are decoded together.
    """
    used = np.flatnonzero((weights.plane_populations() * weights.coefficient_table()).any(axis=1))
    used = used if len(used) else np.zeros(1, dtype=np.intp)
    if len(used) == weights.n_planes or weights.encoding is not None:
        return weights
    rows = weights.row_coefficients
    return replace(
        weights,
        bits=weights.bits[used],
        masks=weights.masks[used],
        coefficients=tuple(weights.coefficients[p] for p in used),
        row_coefficients=None if rows is None else rows[used],
    )
