"""Pass: signs move in front of the max-pooling and flattening of real numbers."""

from __future__ import annotations

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Flatten, MaxPool, Sign
from hbnn_hw.types import Reals


def _sole_sign(graph: Graph, node: Node) -> Node | None:
    """Return the sign that alone reads a pooling or flattening of reals, if ``node`` is one."""
    if not isinstance(node.op, MaxPool | Flatten) or not isinstance(graph.types[node.name].element, Reals):
        return None
    consumers = graph.consumers(node.name)
    return consumers[0] if len(consumers) == 1 and isinstance(consumers[0].op, Sign) else None


def hoist_signs(graph: Graph) -> Graph:
    """Exchange signs with what stands between them and their normalization, so that no real number is stored.

    The sign rises with its input, so the maximum of signs is the sign of the maximum, ties included. The
    last operator takes over the sign's name; the sign itself is called ``<name>_<operator's name>``.
    """
    nodes: list[Node] = []
    replaced: set[str] = set()
    for node in graph.nodes:
        sign = _sole_sign(graph, node)
        if sign is not None:
            nodes.append(Node(f"{sign.name}_{node.name}", sign.op, node.inputs))
            nodes.append(Node(sign.name, node.op, (nodes[-1].name,)))
            replaced.add(sign.name)
        elif node.name not in replaced:
            nodes.append(node)
    hoisted = Graph(graph.name, graph.input_name, graph.input_type, tuple(nodes))
    return hoist_signs(hoisted) if replaced else hoisted
