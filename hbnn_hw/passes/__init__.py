"""Lowering: pure functions Graph -> Graph, one per file, applied in the order of :data:`PIPELINE`.

Each pass leaves the outputs of the graph unchanged, bit for bit; the tests hold every one to that.
"""

from __future__ import annotations

from collections.abc import Callable

from hbnn_hw.graph import Graph
from hbnn_hw.passes.fold_thresholds import fold_thresholds
from hbnn_hw.passes.fuse_mvtu import fuse_mvtu
from hbnn_hw.passes.hoist_signs import hoist_signs
from hbnn_hw.passes.schedule import FoldingRequest, LayerFolding, schedule

Pass = Callable[[Graph], Graph]

PIPELINE: tuple[Pass, ...] = (hoist_signs, fold_thresholds, fuse_mvtu)
"""The passes that need no choice of the user's; :func:`schedule` follows them."""


def lower(graph: Graph, request: FoldingRequest | None = None) -> Graph:
    """Lower a captured graph to scheduled hardware operators, checking it after every pass.

    Operators without a hardware form (convolutions, pooling) stay, and such a graph is not scheduled: the
    golden model runs it, the back ends refuse it.

    Parameters
    ----------
    graph
        The captured graph.
    request
        PE, SIMD and unrolling; the default folds every layer to at most 16 × 16.
    """
    graph.check()
    for step in PIPELINE:
        graph = step(graph)
        graph.check()
    graph = schedule(graph, request or FoldingRequest())
    graph.check()
    return graph


__all__ = [
    "PIPELINE",
    "FoldingRequest",
    "LayerFolding",
    "fold_thresholds",
    "fuse_mvtu",
    "hoist_signs",
    "lower",
    "schedule",
]
