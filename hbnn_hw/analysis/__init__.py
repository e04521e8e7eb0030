"""What can be told of a graph without running it: facts as frozen dataclasses, and their text.

Nothing here changes a graph; that is what :mod:`hbnn_hw.passes` is for.
"""

from __future__ import annotations

from hbnn_hw.analysis.accumulator_ranges import AccumulatorRange, prove_ranges
from hbnn_hw.analysis.dead_weights import DeadWeights, dead_weights
from hbnn_hw.analysis.kernel_sharing import KernelSharing, kernel_sharing
from hbnn_hw.graph import Graph


def analysis_lines(graph: Graph) -> list[str]:
    """Print ranges, dead weights and repeated kernels of a graph, one fact a line, each with its layer."""
    texts = [
        *(fact.text() for fact in prove_ranges(graph)),
        *(fact.text() for fact in dead_weights(graph)),
        *(fact.text() for fact in kernel_sharing(graph)),
    ]
    return [text for text in texts if text]


__all__ = [
    "AccumulatorRange",
    "DeadWeights",
    "KernelSharing",
    "analysis_lines",
    "dead_weights",
    "kernel_sharing",
    "prove_ranges",
]
