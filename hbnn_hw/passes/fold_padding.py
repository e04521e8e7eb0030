"""Pass: frames around images become the padding of the convolutions that read them."""

from __future__ import annotations

from dataclasses import replace

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Convolution, Pad


def fold_padding(graph: Graph) -> Graph:
    """Give every convolution the frame in front of it as padding and border, if nobody else reads the frame.

    Frames that add channels stay, and so do frames of another number than the convolution's own border.
    """
    frames = {
        convolution.name: frame
        for frame in graph.nodes
        if (convolution := _sole_convolution(graph, frame)) is not None
    }
    if not frames:
        return graph
    folded = {frame.name for frame in frames.values()}
    nodes = tuple(
        _padded(node, frames[node.name]) if node.name in frames else node
        for node in graph.nodes
        if node.name not in folded
    )
    # Again, because one frame may stand around another.
    return fold_padding(Graph(graph.name, graph.input_name, graph.input_type, nodes))


def _sole_convolution(graph: Graph, frame: Node) -> Node | None:
    """Return the convolution that can take over ``frame``, if it is a frame with such behind it."""
    if not isinstance(frame.op, Pad) or any(frame.op.channels):
        return None
    consumers = graph.consumers(frame.name)
    if len(consumers) != 1 or not isinstance(consumers[0].op, Convolution):
        return None
    convolution = consumers[0].op
    fits = not any(convolution.padding) or convolution.border == frame.op.value
    return consumers[0] if fits else None


def _padded(convolution: Node, frame: Node) -> Node:
    assert isinstance(frame.op, Pad)
    assert isinstance(convolution.op, Convolution)
    sides = zip(frame.op.padding, convolution.op.padding, strict=True)
    padding = tuple(outer + inner for outer, inner in sides)
    op = replace(convolution.op, padding=padding, border=frame.op.value)
    return Node(convolution.name, op, frame.inputs)
