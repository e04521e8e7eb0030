"""The nodes of a graph that have weights."""

from __future__ import annotations

from collections.abc import Iterator

from hbnn_hw.graph import Graph
from hbnn_hw.ops import Convolution, Dense, Mvtu
from hbnn_hw.types import TensorType

Weighted = Dense | Convolution | Mvtu
"""Operators with weights."""


def weighted_nodes(graph: Graph) -> Iterator[tuple[str, Weighted, TensorType]]:
    """Yield name, operator and input type of every layer with weights, in order."""
    for node in graph.nodes:
        if isinstance(node.op, Weighted):
            yield node.name, node.op, graph.source_type(node)
