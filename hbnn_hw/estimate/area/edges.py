"""Area of the accelerator's edges: wires, counters of the beats at both, and the control registers."""

from __future__ import annotations

from hbnn_hw.estimate.area.features import Block, Features
from hbnn_hw.estimate.area.parts import counter_bits
from hbnn_hw.graph import Graph
from hbnn_hw.streams import input_edge, output_edge

CONTROL_FLIP_FLOPS = 116
"""Of the AXI4-Lite block with its two image counters, as Yosys counts them; one notes a TLAST within an
image, which an image of one beat cannot have."""


def features(graph: Graph) -> Features:
    """Quantities of all edges: widths of the beat counters, and the AXI4-Lite control block."""
    beats_in, beats_out = input_edge(graph).beats, output_edge(graph).beats
    bits = counter_bits(beats_in, beats_out)
    registers = bits + CONTROL_FLIP_FLOPS - (beats_in == 1)
    return Features(Block.EDGES, {"counter": float(bits), "control": 1.0}, float(registers))
