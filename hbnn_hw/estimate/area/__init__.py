"""LUT, flip-flop, block RAM and DSP cost of every hardware operator, one file per kind of operator.

Flip-flops, block RAM and DSP slices are counted one by one from the registers, memories and products that
the RTL back end builds. So is most of the LUTs (the term "exact"): what the back end's planners decide and
what it instantiates. The rest, mostly control, is ``sum_i constant_i * quantity_i``: the quantities follow
from the graph (the operator's file says which and why), the constants were fitted on Yosys syntheses of the
toolkit's own RTL (``benchmarks/calibrate_area.py``) and lie in ``data/area.json`` with the error measured on
designs that the fit has not seen.
"""

from __future__ import annotations

from hbnn_hw.errors import GraphError
from hbnn_hw.estimate.area import (
    arg_max,
    edges,
    encode_bit_planes,
    mvtu,
    pad,
    pool,
    rescale,
    sliding_window,
    threshold,
    width_converter,
)
from hbnn_hw.estimate.area.constants import Constants, ErrorBand, load_constants
from hbnn_hw.estimate.area.features import ASSUMED_ERROR_PCT, Area, Block, Features
from hbnn_hw.estimate.area.fifo import fifo_features
from hbnn_hw.estimate.area.join import add_features, concat_features, decode_features, fork_features
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import (
    Add,
    ArgMax,
    Concat,
    Decode,
    EncodeBitPlanes,
    Fork,
    Mvtu,
    Pad,
    PadPlanes,
    Pool,
    Rescale,
    SlidingWindow,
    Threshold,
    WidthConverter,
    WindowPool,
)
from hbnn_hw.streams import input_buffer_words

QUEUES = " (queues)"
"""What stands behind an operator's name where the queues in front of it are meant."""


def node_features(graph: Graph, node: Node) -> Features:
    """Quantities of a hardware node, a matrix unit's queue included; raises GraphError for any other."""
    op, sources = node.op, graph.input_types(node)
    match op:
        case Mvtu():
            return mvtu.features(op, sources[0], input_buffer_words(graph, node))
        case Fork():
            return fork_features(op.lanes, len(graph.consumers(node.name)), sources[0])
        case Add():
            return add_features(op, *sources)
        case Concat():
            return concat_features(op, *sources)
        case _:
            return _of_one_input(node, graph)


def _of_one_input(node: Node, graph: Graph) -> Features:
    op, source = node.op, graph.source_type(node)
    match op:
        case WidthConverter():
            return width_converter.features(op, source)
        case EncodeBitPlanes():
            return encode_bit_planes.features()
        case SlidingWindow():
            return sliding_window.features(op, source)
        case Pad() | PadPlanes():
            return pad.features(op, source)
        case Pool() | WindowPool():
            return pool.features(op, source)
        case Threshold():
            return threshold.features(op, source)
        case ArgMax():
            return arg_max.features(op, source)
        case Rescale():
            return rescale.features(op, source)
        case Decode():
            return decode_features(op, source)
        case other:
            raise GraphError(
                f"'{node.name}' must be a hardware operator with an area model, not {type(other).__name__}"
            )


def graph_features(graph: Graph) -> dict[str, Features]:
    """Quantities of every hardware node by name, of the accelerator's edges as '', and of further queues.

    The queues in front of an operator have its name and :data:`QUEUES` behind it.
    """
    nodes = {node.name: node_features(graph, node) for node in graph.hardware_nodes}
    queues = {name + QUEUES: features for name, features in fifo_features(graph).items()}
    return {**nodes, **queues, "": edges.features(graph)}


def area(features: Features, constants: Constants | None = None) -> Area:
    """Multiply quantities with the fitted constants, or with those given."""
    return (constants or load_constants()).area(features)


__all__ = [
    "ASSUMED_ERROR_PCT",
    "QUEUES",
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
