"""Pass: max-pooling between a normalization and its sign moves behind the sign."""

from __future__ import annotations

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import MaxPool, Sign
from hbnn_hw.types import Reals


def _sole_sign(graph: Graph, node: Node) -> Node | None:
    """Return the sign that alone reads a pooling of reals, if ``node`` is one."""
    if not isinstance(node.op, MaxPool) or not isinstance(graph.types[node.name].element, Reals):
        return None
    consumers = graph.consumers(node.name)
    return consumers[0] if len(consumers) == 1 and isinstance(consumers[0].op, Sign) else None


def pool_signs(graph: Graph) -> Graph:
    """Exchange max-pooling of reals with the sign behind it, so that no real number has to be stored.

    The sign rises with its input, so the maximum of signs is the sign of the maximum, ties included. The
    pooling takes over the sign's name; the sign is called ``<name>_unpooled``.
    """
    nodes: list[Node] = []
    replaced: set[str] = set()
    for node in graph.nodes:
        sign = _sole_sign(graph, node)
        if sign is not None:
            nodes.append(Node(f"{sign.name}_unpooled", sign.op, node.inputs))
            nodes.append(Node(sign.name, node.op, (nodes[-1].name,)))
            replaced.add(sign.name)
        elif node.name not in replaced:
            nodes.append(node)
    return Graph(graph.name, graph.input_name, graph.input_type, tuple(nodes))
