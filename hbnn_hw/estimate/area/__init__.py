"""LUT, flip-flop and block RAM cost of every hardware operator, one file per operator.

A block's area is ``sum_i constant_i * quantity_i``: the quantities follow from the graph (the operator's
file says which and why), the constants were fitted on Yosys syntheses of the toolkit's own RTL
(``benchmarks/calibrate_area.py``) and lie in ``data/area.json`` with the error measured on designs that
the fit has not seen.
"""

from __future__ import annotations

from hbnn_hw.errors import GraphError
from hbnn_hw.estimate.area import edges, encode_bit_planes, mvtu, width_converter
from hbnn_hw.estimate.area.constants import Constants, ErrorBand, load_constants
from hbnn_hw.estimate.area.features import Area, Block, Features
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import EncodeBitPlanes, Mvtu, WidthConverter
from hbnn_hw.streams import input_buffer_words


def node_features(graph: Graph, node: Node) -> Features:
    """Quantities of a hardware node, the FIFO in front of it included; raises GraphError for any other."""
    op, source = node.op, graph.source_type(node)
    if isinstance(op, Mvtu):
        return mvtu.features(op, source, input_buffer_words(graph, node))
    if isinstance(op, WidthConverter):
        return width_converter.features(op, source)
    if isinstance(op, EncodeBitPlanes):
        return encode_bit_planes.features()
    raise GraphError(f"'{node.name}' must be a hardware operator with an area model, not {type(op).__name__}")


def graph_features(graph: Graph) -> dict[str, Features]:
    """Quantities of every hardware node by name, and of the accelerator's edges as ''."""
    nodes = {node.name: node_features(graph, node) for node in graph.hardware_nodes}
    return {**nodes, "": edges.features(graph)}


def area(features: Features, constants: Constants | None = None) -> Area:
    """Multiply quantities with the fitted constants, or with those given."""
    return (constants or load_constants()).area(features)


__all__ = [
    "Area",
    "Block",
    "Constants",
    "ErrorBand",
    "Features",
    "area",
    "graph_features",
    "load_constants",
    "node_features",
]
