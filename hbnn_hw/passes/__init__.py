"""Lowering: pure functions Graph -> Graph, one per file, applied in the order of :data:`PIPELINE`.

Each pass leaves the outputs of the graph unchanged, bit for bit; the tests hold every one to that.
"""

from __future__ import annotations

from collections.abc import Callable

from hbnn_hw.errors import GraphError
from hbnn_hw.graph import Graph
from hbnn_hw.ops import Quantize, Sign
from hbnn_hw.passes.append_arg_max import append_arg_max
from hbnn_hw.passes.exchange_pools import exchange_pools
from hbnn_hw.passes.fold_padding import fold_padding
from hbnn_hw.passes.fold_thresholds import fold_thresholds
from hbnn_hw.passes.fuse_mvtu import fuse_mvtu
from hbnn_hw.passes.hoist_signs import hoist_signs
from hbnn_hw.passes.prune_planes import prune_planes
from hbnn_hw.passes.schedule import FoldingRequest, LayerFolding, schedule
from hbnn_hw.passes.sort_columns import sort_columns
from hbnn_hw.passes.split_planes import split_planes
from hbnn_hw.passes.to_streams import to_streams

Pass = Callable[[Graph], Graph]

PIPELINE: tuple[Pass, ...] = (
    fold_padding,
    prune_planes,
    hoist_signs,
    fold_thresholds,
    exchange_pools,
    fuse_mvtu,
)
"""The passes that need no choice of the user's; :func:`to_streams` and :func:`schedule` follow them."""


def simplify(graph: Graph) -> Graph:
    """Lower a captured graph to integer operators, checking it after every pass.

    Raises
    ------
    GraphError
        Naming all quantizers of real numbers that could not become integer thresholds.
    """
    graph.check()
    for step in PIPELINE:
        graph = step(graph)
        graph.check()
    _check_no_reals_inside(graph)
    return graph


def streamed(graph: Graph, *, arg_max: bool = False) -> Graph:
    """Lower a captured graph to operators on streams that have no lanes yet; see :func:`lower`."""
    graph = simplify(graph)
    if arg_max:
        graph = append_arg_max(graph)
    return to_streams(split_planes(sort_columns(graph)))


def lower(graph: Graph, request: FoldingRequest | None = None, *, arg_max: bool = False) -> Graph:
    """Lower a captured graph to scheduled operators on streams, checking it after every pass.

    Parameters
    ----------
    graph
        The captured graph.
    request
        PE, SIMD and unrolling; the default folds every layer to at most 16 × 16.
    arg_max
        Whether the class leaves the accelerator and not the scores, see :func:`append_arg_max`.

    Raises
    ------
    GraphError
        Naming all quantizers of real numbers that could not become integer thresholds, or two classes that
        cannot be compared as integers.
    """
    graph = schedule(streamed(graph, arg_max=arg_max), request or FoldingRequest())
    graph.check()
    return graph


def _check_no_reals_inside(graph: Graph) -> None:
    """Raise GraphError if bits are still made of real numbers, which then stand inside the network."""
    left = [node for node in graph.nodes if isinstance(node.op, Sign | Quantize)]
    if left:
        names = ", ".join(f"'{node.name}' ({type(node.op).__name__} of '{node.inputs[0]}')" for node in left)
        raise GraphError(
            f"{names} must read integers, or the affine or piecewise affine of integers, not other reals: "
            "put what stands between, such as a pooling, in front of the affine"
        )


__all__ = [
    "PIPELINE",
    "FoldingRequest",
    "LayerFolding",
    "append_arg_max",
    "exchange_pools",
    "fold_padding",
    "fold_thresholds",
    "fuse_mvtu",
    "hoist_signs",
    "lower",
    "prune_planes",
    "schedule",
    "simplify",
    "sort_columns",
    "split_planes",
    "streamed",
    "to_streams",
]
