"""Pass: channels change places inside, so that columns of equal bitwidth stand side by side in SIMD words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.folding import Folding, divisors
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import (
    Convolution,
    Dense,
    Flatten,
    MaxPool,
    Mvtu,
    Op,
    Pad,
    Rescale,
    SumPool,
    Threshold,
    Thresholds,
)
from hbnn_hw.plane_splitting import share_coefficients
from hbnn_hw.planes import pack
from hbnn_hw.step_counts import StepCounts
from hbnn_hw.weights import WeightPlanes

Layer: TypeAlias = Dense | Convolution | Mvtu
Order: TypeAlias = NDArray[np.int64]
"""Which old channel stands at each new place, a permutation."""

_PE_LIMITS = (1, 16)
_SIMD_LIMITS = (2, 4, 8, 16, 32)
"""Steps are compared at the largest legal PE and SIMD up to each of these."""


@dataclass(frozen=True, slots=True)
class _Path:
    """A layer, the operators on single channels behind it, and the layer that alone reads them."""

    producer: Node
    between: tuple[Node, ...]
    reader: Node


def sort_columns(graph: Graph) -> Graph:
    """Order the columns of layers with bit maps by bitwidth, and the rows of the layers in front alike.

    A folded unit leaves out SIMD words of a plane in which no column has a weight
    (:func:`hbnn_hw.folding.fold_schedule`), and there are the fewest occupied words where columns of equal
    bitwidth stand side by side. Rows of the layer in front, with the constants of their thresholds and
    rescalings, take any order at no cost. A channel has a column at every element of a convolution's window,
    or at every pixel of a flattened image; channels then stand in order of all their columns' entries.

    Applied to a simplified graph (:func:`hbnn_hw.passes.simplify`). Outputs stay the same bit for bit, and
    names stay; but the channels of the *values inside*, from a layer whose rows moved to its reader, stand in
    another order than before.

    A pair of layers stays as it is, the same objects, unless

    - the reader has several planes and a map, and the new order takes fewer steps at one of the foldings
      compared and more at none, in both layers;
    - everything from the one to the other has a single reader and works on single channels;
    - neither has groups, a folding, or a stored form (FleXOR), whose order is the weights'.

    The columns of a layer that reads the graph's input, and the rows of the last layer, never move.
    """
    result = graph
    for name in [node.name for node in graph.nodes]:
        result = _with_sorted_reader(result, name)
    # Again, because the steps that forbade one pair may have changed with another.
    return graph if result is graph else sort_columns(result)


def _with_sorted_reader(graph: Graph, name: str) -> Graph:
    """Sort the columns of the layer that alone reads a node, if it is a layer and that pays."""
    path = _path_from(graph, next(node for node in graph.nodes if node.name == name))
    order = None if path is None else _better_order(path)
    if path is None or order is None:
        return graph
    moved = _moved(path, order)
    nodes = tuple(moved.get(node.name, node) for node in graph.nodes)
    return Graph(graph.name, graph.input_name, graph.input_type, nodes)


def _path_from(graph: Graph, producer: Node) -> _Path | None:
    """Follow a layer's rows through single readers to the layer that they are columns of."""
    if not _may_move(producer.op):
        return None
    between: list[Node] = []
    readers = graph.consumers(producer.name)
    while len(readers) == 1:
        (node,) = readers
        if _may_move(node.op):
            return _Path(producer, tuple(between), node)
        if not _keeps_channels(node.op):
            return None
        between.append(node)
        readers = graph.consumers(node.name)
    return None


def _may_move(op: Op) -> bool:
    """Tell whether an operator is a layer whose rows and columns may stand in any order."""
    match op:
        case Dense():
            return op.weights.encoding is None
        case Convolution():
            return op.weights.encoding is None and op.groups == 1
        case Mvtu():
            return op.weights.encoding is None and op.groups == 1 and op.folding is None
        case _:
            return False


def _keeps_channels(op: Op) -> bool:
    """Tell whether every channel of an operator's value comes from the same channel of its input alone."""
    if isinstance(op, Pad):
        return not any(op.channels)
    return isinstance(op, Threshold | Rescale | MaxPool | SumPool | Flatten)


def _better_order(path: _Path) -> Order | None:
    """Return the order of channels in which the reader takes fewer steps; None if there is none."""
    # Steps are those of the planes that the hardware has.
    producer, reader = (share_coefficients(_weights(node)) for node in (path.producer, path.reader))
    if reader.n_planes == 1 or reader.is_homogeneous:
        return None
    order = _by_bitwidth(reader, producer.rows)
    if np.array_equal(order, np.arange(len(order))):
        return None
    before, after = _steps(reader), _steps(_with_columns(reader, order))
    if (after > before).any() or not (after < before).any():
        return None
    # Rows that all have the same map take the same steps in any order.
    if (producer.masks == producer.masks[:, :1]).all():
        return order
    return order if (_steps(_with_rows(producer, order)) <= _steps(producer)).all() else None


def _weights(node: Node) -> WeightPlanes:
    assert isinstance(node.op, Dense | Convolution | Mvtu)
    return node.op.weights


def _by_bitwidth(weights: WeightPlanes, channels: int) -> Order:
    """Sort channels by how many entries their columns have in all planes; equal ones keep their order."""
    entries = weights.unpacked_masks().sum(axis=(0, 1), dtype=np.int64)
    order: Order = np.argsort(entries.reshape(-1, channels).sum(axis=0), kind="stable").astype(np.int64)
    return order


def _steps(weights: WeightPlanes) -> NDArray[np.int64]:
    """Count the steps of a unit at the foldings that are compared, int64 (foldings,)."""
    largest = [
        (_largest(weights.rows, pe), _largest(weights.columns, simd))
        for pe, simd in product(_PE_LIMITS, _SIMD_LIMITS)
    ]
    # Short layers have several limits in common.
    foldings = [Folding(pe=pe, simd=simd) for pe, simd in dict.fromkeys(largest)]
    counts = StepCounts(weights)
    return np.array([counts.steps(folding) for folding in foldings], dtype=np.int64)


def _largest(extent: int, limit: int) -> int:
    return max(divisor for divisor in divisors(extent) if divisor <= limit)


def _moved(path: _Path, order: Order) -> dict[str, Node]:
    """Return the nodes of a path with their channels in another order, by name."""
    producer, reader = path.producer, path.reader
    assert isinstance(reader.op, Dense | Convolution | Mvtu)
    columns = replace(reader.op, weights=_with_columns(reader.op.weights, order))
    between = {node.name: _with_op(node, _on_channels(node.op, order)) for node in path.between}
    return {
        producer.name: _with_op(producer, _with_moved_rows(producer.op, order)),
        **between,
        reader.name: _with_op(reader, columns),
    }


def _with_op(node: Node, op: Op) -> Node:
    return node if op is node.op else replace(node, op=op)


def _with_moved_rows(op: Op, order: Order) -> Op:
    """Permute the rows of a layer, and the thresholds of a unit."""
    assert isinstance(op, Dense | Convolution | Mvtu)
    moved = replace(op, weights=_with_rows(op.weights, order))
    if isinstance(moved, Mvtu) and moved.thresholds is not None:
        return replace(moved, thresholds=_of_channels(moved.thresholds, order))
    return moved


def _with_rows(weights: WeightPlanes, order: Order) -> WeightPlanes:
    rows = weights.row_coefficients
    return replace(
        weights,
        bits=np.take(weights.bits, order, axis=1),
        masks=np.take(weights.masks, order, axis=1),
        row_coefficients=None if rows is None else np.take(rows, order, axis=1),
    )


def _with_columns(weights: WeightPlanes, order: Order) -> WeightPlanes:
    """Permute the channels that the columns of every element of a window, or of every pixel, belong to."""
    columns = _everywhere(order, weights.columns)
    return replace(
        weights,
        bits=pack(np.take(weights.unpacked_bits(), columns, axis=2)),
        masks=pack(np.take(weights.unpacked_masks(), columns, axis=2)),
    )


def _everywhere(order: Order, extent: int) -> Order:
    """Repeat an order of channels for all pixels of an axis that runs through (pixels, channels)."""
    places: Order = np.arange(extent, dtype=np.int64).reshape(-1, len(order))[:, order].ravel()
    return places


def _on_channels(op: Op, order: Order) -> Op:
    """Permute the constants that an operator has for each channel."""
    match op:
        case Threshold():
            return replace(op, thresholds=_of_channels(op.thresholds, order))
        case Rescale():
            places = _everywhere(order, op.multipliers.shape[1])
            return replace(
                op,
                multipliers=np.take(op.multipliers, places, axis=1),
                offsets=np.take(op.offsets, places, axis=1),
                knees=np.take(op.knees, places, axis=1),
            )
        case MaxPool() if op.smallest is not None:
            return replace(op, smallest=op.smallest[order])
        case _:
            return op


def _of_channels(thresholds: Thresholds, order: Order) -> Thresholds:
    """Permute tables, inversions and the map of activations."""
    places, mask = _everywhere(order, thresholds.channels), thresholds.mask
    return replace(
        thresholds,
        table=np.take(thresholds.table, places, axis=0),
        inverted=thresholds.inverted[places],
        mask=None if mask is None else np.take(mask, places, axis=-1),
    )
