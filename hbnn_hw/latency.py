"""Latency of a scheduled network: exact for chains of vectors, an estimate for everything else.

The recurrences of :mod:`hbnn_hw.timing` know matrix units on vectors, encoders and converters in a chain,
and are held to the RTL. Elsewhere the latency is estimated from what every output beat of an operator has to
wait for (:meth:`hbnn_hw.ops.HardwareOp.reads`) and from the operator's pace: the fills of all windows and
units on the way add up. Stalls by full queues are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import EncodeBitPlanes, Mvtu, WidthConverter
from hbnn_hw.timing import latency_cycles, matrix_depth

STAGES = 3
"""Clocks that a beat spends in an operator without weights: read, compute, write."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Clock cycles from the first input beat of a sample to its last output beat, without stalls.

    Attributes
    ----------
    cycles
        How many.
    is_exact
        Whether the RTL takes exactly so many, or they are an estimate.
    """

    cycles: int
    is_exact: bool


def is_exact_for(graph: Graph) -> bool:
    """Tell whether the timing of a scheduled graph is known exactly: a chain of operators on vectors."""
    return all(_is_timed(graph, node) for node in graph.hardware_nodes)


def _is_timed(graph: Graph, node: Node) -> bool:
    if not isinstance(node.op, EncodeBitPlanes | Mvtu | WidthConverter):
        return False
    in_order = not isinstance(node.op, Mvtu) or node.op.groups == 1
    return in_order and len(graph.source_type(node).shape) == 1


def latency(graph: Graph) -> Latency:
    """Return the latency of a scheduled graph, and whether it is exact."""
    if is_exact_for(graph):
        return Latency(latency_cycles(graph), is_exact=True)
    return Latency(estimated_latency_cycles(graph), is_exact=False)


def estimated_latency_cycles(graph: Graph) -> int:
    """Estimate the latency of any scheduled graph [cycles]; queues are taken to be deep enough."""
    lanes = graph.hardware_nodes[0].hardware.lanes_in
    source = graph.producer(graph.hardware_input)
    times = {source: np.arange(graph.types[source].n_elements // lanes, dtype=np.float64)}
    for node in graph.hardware_nodes:
        times[node.name] = _beat_times(graph, node, times)
    return int(np.ceil(times[graph.hardware_output][-1]))


def _beat_times(graph: Graph, node: Node, times: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """When every output beat leaves: behind its last input, and at the operator's pace."""
    op, types = node.hardware, graph.input_types(node)
    ready = np.zeros(1)
    for name, read in zip(node.inputs, op.reads(*types), strict=True):
        arrived = np.concatenate([[0.0], times[graph.producer(name)]])
        ready = np.maximum(ready, arrived[read])
    pace = op.cycles(*types) / len(ready)
    at_pace = pace * np.arange(len(ready))
    depth = matrix_depth(op) if isinstance(op, Mvtu) else STAGES
    paced: NDArray[np.float64] = np.maximum.accumulate(ready - at_pace) + at_pace + depth
    return paced
