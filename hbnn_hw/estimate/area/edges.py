"""Area of the accelerator's edges: wires, a counter of the beats of a result, and the control registers."""

from __future__ import annotations

from hbnn_hw.estimate.area.features import Block, Features
from hbnn_hw.graph import Graph
from hbnn_hw.streams import output_edge

CONTROL_FLIP_FLOPS = 116
"""Of the AXI4-Lite block with its two image counters, as Yosys counts them."""


def features(graph: Graph) -> Features:
    """Quantities of all edges: width of the output's beat counter, and the AXI4-Lite control block."""
    bits = (output_edge(graph).beats - 1).bit_length()
    return Features(Block.EDGES, {"counter": float(bits), "control": 1.0}, float(bits + CONTROL_FLIP_FLOPS))
