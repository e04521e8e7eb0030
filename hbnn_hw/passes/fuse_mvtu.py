"""Pass: dense layers and their thresholds become matrix-vector-threshold units."""

from __future__ import annotations

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Dense, Mvtu, Threshold


def _sole_threshold(graph: Graph, node: Node) -> Node | None:
    """Return the threshold node that alone reads a dense node's sums, if there is one."""
    consumers = graph.consumers(node.name)
    if len(consumers) == 1 and isinstance(consumers[0].op, Threshold):
        return consumers[0]
    return None


def fuse_mvtu(graph: Graph) -> Graph:
    """Fuse every dense node with the thresholds behind it; the unit keeps the dense layer's name.

    A dense layer without thresholds (the last one) becomes a unit that emits raw dot products.
    """
    nodes: list[Node] = []
    renamed: dict[str, str] = {}
    for node in graph.nodes:
        inputs = tuple(renamed.get(name, name) for name in node.inputs)
        if node.name in renamed:
            continue
        if not isinstance(node.op, Dense):
            nodes.append(Node(node.name, node.op, inputs))
            continue
        threshold = _sole_threshold(graph, node)
        thresholds = threshold.op.thresholds if threshold and isinstance(threshold.op, Threshold) else None
        if threshold:
            renamed[threshold.name] = node.name
        nodes.append(Node(node.name, Mvtu(weights=node.op.weights, thresholds=thresholds), inputs))
    return Graph(graph.name, graph.input_name, graph.input_type, tuple(nodes))
