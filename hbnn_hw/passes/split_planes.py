"""Pass: weight planes whose coefficient differs from row to row become planes with one coefficient each."""

from __future__ import annotations

from dataclasses import replace

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Convolution, Dense, Mvtu
from hbnn_hw.plane_splitting import share_coefficients


def split_planes(graph: Graph) -> Graph:
    """Give all rows of every plane one coefficient, by more planes with maps; the weights stay the same.

    What this costs in planes is what the back ends would cost in multipliers otherwise. Encoded weights of
    such planes lose their stored form by it; planes that have one coefficient each stay as they are.
    """
    nodes = tuple(_split(node) for node in graph.nodes)
    return Graph(graph.name, graph.input_name, graph.input_type, nodes)


def _split(node: Node) -> Node:
    if not isinstance(node.op, Dense | Convolution | Mvtu):
        return node
    weights = share_coefficients(node.op.weights)
    return node if weights is node.op.weights else replace(node, op=replace(node.op, weights=weights))
