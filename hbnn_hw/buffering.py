"""How many words the stream in front of every operator has to hold, from what each reads before it writes.

Where branches of a network meet again, the shorter one runs ahead of the longer: its words wait at the
meeting point while a sliding window of the longer branch still collects rows. Too short a queue there stops
the whole accelerator. How far ahead a branch gets is no matter of clocks but of counts: when the n-th word
of a value can exist follows from how many words it needs of the stream that the branches part from, and
these follow from the operators' own rules (:meth:`hbnn_hw.ops.HardwareOp.reads`). A queue that holds all
words that can exist by then, and cannot be used up yet, never blocks its branch.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.graph import Graph, Node
from hbnn_hw.streams import input_buffer_words

SHALLOW = 2
"""Depth of a stream whose two ends run at the same pace, the tools' own default."""

MARGIN = 16
"""Words beyond the count where branches meet: the pipelines of the longer branch hold words as well."""


def stream_depths(graph: Graph) -> dict[tuple[str, int], int]:
    """Return the depth of every stream of a scheduled graph, by its reader and the position of the input."""
    partings = _partings(graph)
    depths: dict[tuple[str, int], int] = {}
    for node in graph.hardware_nodes:
        depth = max(SHALLOW, input_buffer_words(graph, node))
        waiting = [0] * len(node.inputs)
        if len(node.inputs) > 1:
            waiting = _waiting(graph, node, partings[node.name], depths)
        depths |= {(node.name, place): max(depth, words) for place, words in enumerate(waiting)}
    return depths


def _sources(graph: Graph, node: Node) -> tuple[str, ...]:
    """Names of the streams that a node reads."""
    return tuple(map(graph.producer, node.inputs))


def _partings(graph: Graph) -> dict[str, str]:
    """Name, for every hardware node, the last stream that all its branches come from (its dominator)."""
    entry = graph.producer(graph.hardware_input)
    partings, order = {entry: entry}, {entry: 0}
    for index, node in enumerate(graph.hardware_nodes, start=1):
        found, *others = _sources(graph, node)
        for other in others:
            while found != other:
                if order[found] > order[other]:
                    found = partings[found]
                else:
                    other = partings[other]
        partings[node.name], order[node.name] = found, index
    return partings


def _waiting(graph: Graph, node: Node, parting: str, depths: Mapping[tuple[str, int], int]) -> list[int]:
    """Return how many words each queue in front of a node must hold where branches meet."""
    needed = _needed_words(graph, node, parting)
    reads = node.hardware.reads(*graph.input_types(node))
    sources = _sources(graph, node)
    # Of every output word: the words of the parting stream without which it cannot be written.
    ready = np.max([_at(needed[name], read) for name, read in zip(sources, reads, strict=True)], axis=0)
    waiting = [_deepest(needed[name], ready, read) for name, read in zip(sources, reads, strict=True)]
    queued = _queued(graph, needed, depths)
    return [
        words if words == MARGIN else words + ceil(queued * len(needed[name]))
        for name, words in zip(sources, waiting, strict=True)
    ]


def _queued(
    graph: Graph, needed: Mapping[str, NDArray[np.int64]], depths: Mapping[tuple[str, int], int]
) -> float:
    """Return what part of a sample the queues between hold: so far the branches drift apart at full pace."""
    between = [
        depths[node.name, place] / len(needed[name])
        for node in graph.hardware_nodes
        if node.name in needed
        for place, name in enumerate(_sources(graph, node))
        if name in needed and depths[node.name, place] > SHALLOW
    ]
    return sum(between)


def _deepest(here: NDArray[np.int64], ready: NDArray[np.int64], read: NDArray[np.int64]) -> int:
    moments = np.unique(np.concatenate([here, ready]))
    there = np.searchsorted(here, moments, side="right")
    used = np.concatenate([[0], read])[np.searchsorted(ready, moments, side="right")]
    if (there - used).max() <= 1:
        return MARGIN
    # All that one more word of the parting stream brings may come before what waited for it can leave.
    return int((there - np.concatenate([[0], used[:-1]])).max()) + MARGIN


def _needed_words(graph: Graph, last: Node, parting: str) -> dict[str, NDArray[np.int64]]:
    """Words of the parting stream that each word of every stream between needs, int64 (words,), ascending."""
    needed = {parting: np.arange(1, _words(graph, parting) + 1, dtype=np.int64)}
    for node in graph.hardware_nodes:
        if node.name == last.name:
            break
        sources = _sources(graph, node)
        if all(name in needed for name in sources) and node.name not in needed:
            reads = node.hardware.reads(*graph.input_types(node))
            ready = [_at(needed[name], read) for name, read in zip(sources, reads, strict=True)]
            needed[node.name] = np.maximum.accumulate(np.max(ready, axis=0))
    return needed


def _words(graph: Graph, name: str) -> int:
    """Words of one sample on a stream."""
    lanes = {node.name: node.hardware.lanes_out for node in graph.hardware_nodes}
    return graph.types[name].n_elements // lanes.get(name, graph.hardware_nodes[0].hardware.lanes_in)


def _at(needed: NDArray[np.int64], read: NDArray[np.int64]) -> NDArray[np.int64]:
    """What the ``read``-th words of a stream need; nothing where none was read yet."""
    words: NDArray[np.int64] = np.concatenate([[0], needed])[read]
    return words
