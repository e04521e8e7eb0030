"""Pass: signs and quantizers move in front of the max-pooling and flattening of real numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Flatten, MaxPool, Quantize, Sign
from hbnn_hw.passes.rising_codes import is_same_everywhere, planes_rise, spread
from hbnn_hw.types import Reals


def hoist_signs(graph: Graph) -> Graph:
    """Exchange quantizers with what stands between them and their normalization: no real number is stored.

    The sign rises with its input, so the maximum of signs is the sign of the maximum, ties included. So do
    the codes of a quantizer, and where the values of its planes rise as well, and the map is the same at
    every pixel, the same holds. The last operator takes over the quantizer's name; the quantizer itself is
    called ``<name>_<operator's name>``.
    """
    nodes: list[Node] = []
    replaced: set[str] = set()
    for node in graph.nodes:
        quantizer = _sole_quantizer(graph, node)
        if quantizer is not None:
            assert isinstance(quantizer.op, Sign | Quantize)
            op = _in_front(quantizer.op, graph.source_type(node).shape)
            nodes.append(Node(f"{quantizer.name}_{node.name}", op, node.inputs))
            nodes.append(Node(quantizer.name, node.op, (nodes[-1].name,)))
            replaced.add(quantizer.name)
        elif node.name not in replaced:
            nodes.append(node)
    hoisted = Graph(graph.name, graph.input_name, graph.input_type, tuple(nodes))
    return hoist_signs(hoisted) if replaced else hoisted


def _sole_quantizer(graph: Graph, node: Node) -> Node | None:
    """Return the quantizer that alone reads a pooling or flattening of reals and can stand before it."""
    if not isinstance(node.op, MaxPool | Flatten) or not isinstance(graph.types[node.name].element, Reals):
        return None
    consumers = graph.consumers(node.name)
    if len(consumers) != 1:
        return None
    op = consumers[0].op
    commutes = isinstance(op, Sign) or (
        isinstance(op, Quantize) and (isinstance(node.op, Flatten) or _commutes_with_maxima(op))
    )
    return consumers[0] if commutes else None


def _commutes_with_maxima(op: Quantize) -> bool:
    """Tell whether the planes of the largest number are those of the largest value."""
    if not is_same_everywhere(op.mask):
        return False
    channels = 1 if op.mask is None else op.mask.shape[-1]
    reached = np.repeat(_reached_codes(op)[:, np.newaxis], channels, axis=1)
    return planes_rise(op.scales, op.mask, reached)


def _reached_codes(op: Quantize) -> NDArray[np.bool_]:
    """Tell which codes some real number has, bool (codes,)."""
    around = [np.nextafter(op.boundaries, -np.inf), op.boundaries, np.nextafter(op.boundaries, np.inf)]
    reached = np.zeros(1 << len(op.scales), dtype=np.bool_)
    reached[op.codes(np.concatenate([[-np.inf, np.inf], *around]))] = True
    return reached


def _in_front(op: Sign | Quantize, shape: tuple[int, ...]) -> Sign | Quantize:
    """Return the quantizer of the image that was pooled or flattened."""
    if isinstance(op, Sign) or op.mask is None:
        return op
    flat = op.mask.ndim == 2
    return replace(op, mask=op.mask.reshape(-1, *shape) if flat else spread(op.mask, shape))
