"""Area of the queues in front of operators, as deep as :mod:`hbnn_hw.buffering` says."""

from __future__ import annotations

from hbnn_hw.buffering import SHALLOW, stream_depths
from hbnn_hw.estimate.area.features import Features
from hbnn_hw.estimate.area.memory import fifo
from hbnn_hw.estimate.area.structure import structure
from hbnn_hw.graph import Graph
from hbnn_hw.ops import Mvtu
from hbnn_hw.streams import beat_bits


def fifo_features(graph: Graph) -> dict[str, Features]:
    """Quantities of the queues in front of operators, by the operator's name, as far as no block counts them.

    A matrix unit's own queue is part of the unit, and queues of two words are the registers of the blocks at
    their ends.
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
        found[node.name] = structure(
            {},
            word_bits=sum(width for _, width in shapes),
            flip_flops=float(sum(2 * (depth - 1).bit_length() for depth, _ in shapes)),
            memories=[fifo(depth, width) for depth, width in shapes],
        )
    return found
