"""Area of the AXI4-Stream edges: lanes are wires; only the beats of a result are counted, for TLAST."""

from __future__ import annotations

from hbnn_hw.estimate.area.features import Block, Features
from hbnn_hw.graph import Graph
from hbnn_hw.streams import output_edge


def features(graph: Graph) -> Features:
    """Quantities of both edges: ``counter`` is the width of the output's beat counter."""
    bits = (output_edge(graph).beats - 1).bit_length()
    return Features(Block.EDGES, {"counter": float(bits)}, float(bits))
