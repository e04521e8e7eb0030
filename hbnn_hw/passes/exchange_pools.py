"""Pass: max-pooling moves behind the thresholds that read it, so that bits are pooled and not sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import MaxPool, Threshold, Thresholds
from hbnn_hw.ops.base import range_of
from hbnn_hw.passes.rising_codes import is_same_everywhere, planes_rise, spread
from hbnn_hw.types import Integers, Reals


def exchange_pools(graph: Graph) -> Graph:
    """Exchange every max-pooling of integers or planes with the thresholds that alone read it.

    The code of the largest number is the largest code, and on inverted channels the smallest one. That is
    exact where the planes' values rise with the code; where they do not, where a map differs from pixel to
    pixel, or where others read the pooled numbers, the pooling stays. The pooling takes over the name of the
    thresholds, which are then called ``<name>_<pooling's name>``.
    """
    pools = {
        threshold.name: pool
        for pool in graph.nodes
        if (threshold := _sole_threshold(graph, pool)) is not None
    }
    if not pools:
        return graph
    moved = {pool.name for pool in pools.values()}
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.name in pools:
            nodes += _exchanged(graph, pools[node.name], node)
        elif node.name not in moved:
            nodes.append(node)
    # Again, because one pooling may stand in front of another.
    return exchange_pools(Graph(graph.name, graph.input_name, graph.input_type, tuple(nodes)))


def _sole_threshold(graph: Graph, pool: Node) -> Node | None:
    """Return the thresholds that ``pool`` can be exchanged with, if it is a pooling with such behind it."""
    if not isinstance(pool.op, MaxPool) or isinstance(graph.types[pool.name].element, Reals):
        return None
    consumers = graph.consumers(pool.name)
    if len(consumers) != 1 or not isinstance(consumers[0].op, Threshold):
        return None
    thresholds = consumers[0].op.thresholds
    if not is_same_everywhere(thresholds.mask):
        return None
    reached = reached_codes(thresholds, range_of(graph.types[pool.name]))
    rise = planes_rise(thresholds.output.scales, thresholds.mask, reached)
    return consumers[0] if rise else None


def reached_codes(thresholds: Thresholds, source: Integers) -> NDArray[np.bool_]:
    """Tell which codes occur in which channels for integers in a range, bool (codes, channels)."""
    channels = (1, thresholds.channels)
    edges = np.concatenate(
        [
            np.full(channels, source.low),
            np.clip(thresholds.table.T, source.low, source.high + 1),
            np.full(channels, source.high + 1),
        ]
    )
    occurs: NDArray[np.bool_] = np.diff(edges, axis=0) > 0
    # An inverted channel counts the levels that are not passed.
    return np.where(thresholds.inverted, occurs[::-1], occurs)


def _exchanged(graph: Graph, pool: Node, threshold: Node) -> tuple[Node, Node]:
    """Return the two nodes in their new order."""
    assert isinstance(pool.op, MaxPool)
    assert isinstance(threshold.op, Threshold)
    thresholds = threshold.op.thresholds
    smallest = thresholds.inverted if pool.op.smallest is None else thresholds.inverted ^ pool.op.smallest
    mask = spread(thresholds.mask, graph.source_type(pool).shape)
    first = Node(
        f"{threshold.name}_{pool.name}",
        Threshold(thresholds=replace(thresholds, mask=mask)),
        pool.inputs,
    )
    op = replace(pool.op, smallest=smallest if smallest.any() else None)
    return first, Node(threshold.name, op, (first.name,))
