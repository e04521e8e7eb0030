"""Area of the queues in front of operators, as deep as :mod:`hbnn_hw.buffering` says."""

from __future__ import annotations

from hbnn_hw.buffering import SHALLOW, stream_depths
from hbnn_hw.estimate.area.features import Block, Features
from hbnn_hw.estimate.area.parts import block_features, counter_bits, queue
from hbnn_hw.graph import Graph
from hbnn_hw.ops import Mvtu
from hbnn_hw.streams import beat_bits


def fifo_features(graph: Graph) -> dict[str, Features]:
    """Quantities of the queues in front of operators, by the operator's name, as far as no block counts them.

    A matrix unit's own queue is part of the unit, and queues of two words are the registers of the blocks at
    their ends. ``queue`` is the bits of the counters.
    """
    depths = stream_depths(graph)
    found = {}
    for node in graph.hardware_nodes:
        deep = [at for at in range(len(node.inputs)) if depths[node.name, at] > SHALLOW]
        if isinstance(node.op, Mvtu) or not deep:
            continue
        shapes = [
            (depths[node.name, at], beat_bits(graph.types[node.inputs[at]], node.hardware.lanes_in))
            for at in deep
        ]
        counters = sum(counter_bits(depth, depth, depth) for depth, _ in shapes)
        parts = [queue(depth, width) for depth, width in shapes]
        found[node.name] = block_features(Block.QUEUE, parts, {"queue": counters})
    return found
