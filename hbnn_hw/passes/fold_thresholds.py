"""Pass: the real-valued chain between accumulators and the next bits becomes integer thresholds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import RangeError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.lowering.bisection import Codes, bisect_thresholds
from hbnn_hw.ops import Affine, PiecewiseAffine, Quantize, Sign, Tensor, Threshold
from hbnn_hw.ops.base import range_of
from hbnn_hw.pieces import ends_of_pieces
from hbnn_hw.types import Integers, Reals, TensorType


@dataclass(frozen=True, slots=True)
class _Chain:
    """The name of an integer value, the affine that reads it, if there is one, and the quantizer behind."""

    source: str
    affine: Node | None
    quantizer: Node


def _chain_to(graph: Graph, node: Node) -> _Chain | None:
    """Return what leads from integers to a quantizer's codes, if ``node`` is a quantizer behind integers."""
    if not isinstance(node.op, Sign | Quantize):
        return None
    producer = next((other for other in graph.nodes if other.name == node.inputs[0]), None)
    if producer is not None and isinstance(producer.op, Affine | PiecewiseAffine):
        return _Chain(producer.inputs[0], producer, node)
    is_real = isinstance(graph.source_type(node).element, Reals)
    return None if is_real else _Chain(node.inputs[0], None, node)


def _codes_of(chain: _Chain, source: TensorType) -> Codes:
    row = TensorType(source.shape[-1:], range_of(source))

    def codes(x: NDArray[np.int64]) -> NDArray[np.int64]:
        value = Tensor(row, x)
        if chain.affine is not None:
            value = chain.affine.op.run(value)
        if isinstance(chain.quantizer.op, Quantize):
            return chain.quantizer.op.codes(value.data)
        return chain.quantizer.op.run(value).data[:, 0].astype(np.int64)

    return codes


def _check_monotone(chain: _Chain, codes: Codes, reached: Integers) -> None:
    """Raise RangeError if codes both rise and fall; within one piece of the affine they cannot."""
    affine = chain.affine.op if chain.affine is not None else None
    if not isinstance(affine, PiecewiseAffine):
        return
    ends = np.sort(ends_of_pieces(reached.low, reached.high, affine.knees), axis=0)
    steps = np.diff(codes(ends), axis=0)
    both = (steps > 0).any(axis=0) & (steps < 0).any(axis=0)
    if both.any():
        raise RangeError(
            f"'{chain.quantizer.name}': the codes of a channel must only rise or only fall with the integers "
            f"of '{chain.source}', but channel {int(np.argmax(both))} does both; round to integers with a "
            "rescaling first"
        )


def _threshold_node(graph: Graph, chain: _Chain) -> Node:
    source = graph.types[chain.source]
    reached, channels, quantizer = range_of(source), source.shape[-1], chain.quantizer.op
    levels = len(quantizer.boundaries) if isinstance(quantizer, Quantize) else 1
    codes = _codes_of(chain, source)
    _check_monotone(chain, codes, reached)
    found = bisect_thresholds(codes, reached.low, reached.high, channels, levels)
    if isinstance(quantizer, Quantize):
        found = replace(found, scales=quantizer.scales, mask=quantizer.mask)
    return Node(chain.quantizer.name, Threshold(thresholds=found), (chain.source,))


def fold_thresholds(graph: Graph) -> Graph:
    """Replace every quantizer, with the affine in front of it, by the exactly equal integer thresholds.

    The thresholds are found by bisection of the pair itself over all reachable integers, so ties, slopes of
    either sign, slopes of zero and several pieces come out as PyTorch computes them. Images have one table
    row for each channel; a pooling of accumulators in front of the pair stays there. The new node keeps the
    quantizer's name; an affine that nobody else reads goes away.
    """
    chains = {node.name: chain for node in graph.nodes if (chain := _chain_to(graph, node)) is not None}
    nodes = tuple(
        _threshold_node(graph, chains[node.name]) if node.name in chains else node for node in graph.nodes
    )
    affines = {chain.affine.name for chain in chains.values() if chain.affine is not None}
    read = {name for node in nodes for name in node.inputs} | {graph.output_name}
    kept = tuple(node for node in nodes if node.name not in affines or node.name in read)
    return Graph(graph.name, graph.input_name, graph.input_type, kept)
