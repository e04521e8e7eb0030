"""How many words the stream in front of every operator has to hold, from what each reads before it writes.

Where branches of a network meet again, the shorter one runs ahead of the longer: its words wait at the
meeting point while a sliding window of the longer branch still collects rows. Too short a queue there stops
the whole accelerator. How far ahead a branch gets is no matter of clocks but of counts: when the n-th word of a
value can exist follows from how many words of the accelerator's input it needs, and these follow from the
operators' own rules (:meth:`hbnn_hw.ops.HardwareOp.reads`). A queue that holds all words that can exist by then, and
cannot be used up yet, never blocks its branch.
"""

from __future__ import annotations

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
    needed = _needed_input(graph)
    return {
        (node.name, position): _depth(graph, node, position, needed)
        for node in graph.hardware_nodes
        for position in range(len(node.inputs))
    }


def _depth(graph: Graph, node: Node, position: int, needed: dict[str, NDArray[np.int64]]) -> int:
    depth = max(SHALLOW, input_buffer_words(graph, node))
    if len(node.inputs) == 1:
        return depth
    reads = node.hardware.reads(*graph.input_types(node))
    # Of every output word: the input words without which it cannot be written.
    ready = np.max(
        [_at(needed, graph, name, read) for name, read in zip(node.inputs, reads, strict=True)], axis=0
    )
    here = needed[graph.producer(node.inputs[position])]
    waiting = np.searchsorted(here, ready, side="right") - np.concatenate([[0], reads[position][:-1]])
    return max(depth, int(waiting.max()) + MARGIN) if _waits(waiting) else depth


def _waits(waiting: NDArray[np.int64]) -> bool:
    """Whether more words come together than a stream holds that both ends use at the same pace."""
    return int(waiting.max()) > 1


def _needed_input(graph: Graph) -> dict[str, NDArray[np.int64]]:
    """Words of the accelerator's input that each word of each value needs, int64 (words,), ascending."""
    lanes = graph.hardware_nodes[0].hardware.lanes_in
    source = graph.producer(graph.hardware_input)
    needed = {source: np.arange(1, graph.types[source].n_elements // lanes + 1, dtype=np.int64)}
    for node in graph.hardware_nodes:
        reads = node.hardware.reads(*graph.input_types(node))
        ready = [_at(needed, graph, name, read) for name, read in zip(node.inputs, reads, strict=True)]
        needed[node.name] = np.maximum.accumulate(np.max(ready, axis=0))
    return needed


def _at(
    needed: dict[str, NDArray[np.int64]], graph: Graph, name: str, read: NDArray[np.int64]
) -> NDArray[np.int64]:
    """What the ``read``-th words of a value need; nothing where none was read yet."""
    words = np.concatenate([[0], needed[graph.producer(name)]])
    found: NDArray[np.int64] = words[read]
    return found
