"""Pass: the real-valued chain between accumulators and the next bits becomes integer thresholds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import GraphError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Affine, Sign, Tensor, Threshold, Thresholds
from hbnn_hw.types import Integers, TensorType

Codes = Callable[[NDArray[np.int64]], NDArray[np.int64]]
"""Integers (batch, channels) to output codes (batch, channels), monotone in every channel."""


@dataclass(frozen=True, slots=True)
class _Chain:
    """A producer of integers followed by its affine and its sign."""

    affine: Node
    sign: Node


def bisect_thresholds(codes: Codes, low: int, high: int, channels: int, levels: int) -> Thresholds:
    """Find the thresholds of monotone functions of an integer, all channels at once.

    Parameters
    ----------
    codes
        The function, evaluated exactly as the float model evaluates it; per channel it must be monotone,
        ascending or descending.
    low, high
        Reachable integers, inclusive.
    channels, levels
        Number of channels, and of thresholds per channel.

    Returns
    -------
    Thresholds
        Equal to the function for every integer in ``low … high``. Level ``low`` means always and
        ``high + 1`` never.
    """
    at_low = codes(np.full((1, channels), low, dtype=np.int64))[0]
    at_high = codes(np.full((1, channels), high, dtype=np.int64))[0]
    inverted = at_high < at_low
    table = np.empty((channels, levels), dtype=np.int64)
    for level in range(levels):
        # Descending channels lose their levels from the top, so that the table ascends for them as well.
        wanted = np.where(inverted, levels - level, level + 1)
        table[:, level] = _first_change(codes, low, high, wanted, inverted)
    return Thresholds(table=table, inverted=inverted)


def _first_change(
    codes: Codes, low: int, high: int, wanted: NDArray[np.int64], inverted: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Smallest integer at which ``(code >= wanted) != inverted`` holds; ``high + 1`` if nowhere."""
    first = np.full(wanted.shape, low, dtype=np.int64)
    last = np.full(wanted.shape, high + 1, dtype=np.int64)
    while (first < last).any():
        middle = (first + last) // 2
        holds = (codes(np.minimum(middle, high)[np.newaxis])[0] >= wanted) != inverted
        active = first < last
        last = np.where(active & holds, middle, last)
        first = np.where(active & ~holds, middle + 1, first)
    return first


def _find_chain(graph: Graph, node: Node) -> _Chain | None:
    """Return the affine + sign pair that starts at ``node``, if it does and nobody else reads the affine."""
    if not isinstance(node.op, Affine):
        return None
    consumers = graph.consumers(node.name)
    if len(consumers) != 1 or not isinstance(consumers[0].op, Sign):
        return None
    return _Chain(node, consumers[0])


def _codes_of(chain: _Chain, element: Integers, channels: int) -> Codes:
    source = TensorType((channels,), element)

    def codes(x: NDArray[np.int64]) -> NDArray[np.int64]:
        bits = chain.sign.op.run(chain.affine.op.run(Tensor(source, x))).data
        return bits[:, 0].astype(np.int64)

    return codes


def _threshold_node(graph: Graph, chain: _Chain) -> Node:
    source = graph.source_type(chain.affine)
    if not isinstance(source.element, Integers):
        raise GraphError(f"'{chain.affine.name}' must read integers, not {source.element}")
    element, channels = source.element, source.shape[-1]
    thresholds = bisect_thresholds(
        _codes_of(chain, element, channels), element.low, element.high, channels, levels=1
    )
    return Node(chain.sign.name, Threshold(thresholds=thresholds), chain.affine.inputs)


def fold_thresholds(graph: Graph) -> Graph:
    """Replace every affine + sign pair by the exactly equal integer thresholds.

    The thresholds are found by bisection of the pair itself over all reachable integers, so ties, slopes of
    either sign and slopes of zero come out as PyTorch computes them. Images have one threshold for each
    channel; a pooling of accumulators in front of the pair stays there. The new node keeps the sign's name.
    """
    nodes: list[Node] = []
    replaced: set[str] = set()
    for node in graph.nodes:
        if node.name in replaced:
            continue
        chain = _find_chain(graph, node)
        if chain is None:
            nodes.append(node)
        else:
            nodes.append(_threshold_node(graph, chain))
            replaced.add(chain.sign.name)
    return Graph(graph.name, graph.input_name, graph.input_type, tuple(nodes))
