"""PyTorch's order of an image's values, and the IR's: channels first, and channels innermost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import CaptureError
from hbnn_hw.graph import Graph
from hbnn_hw.ops import Concat, Convolution, Dense, Flatten, Op
from hbnn_hw.types import TensorType

Order = NDArray[np.int64]
"""Position in PyTorch's flat order of every element of the IR's flat order, int64 (features,)."""


def flat_order(shape: tuple[int, ...]) -> Order:
    """Return the order behind a Flatten of images of ``shape`` (rows, columns, channels)."""
    rows, columns, channels = shape
    by_channel = np.arange(channels * rows * columns, dtype=np.int64).reshape(channels, rows, columns)
    return np.moveaxis(by_channel, 0, -1).ravel()


def order_behind(op: Op, sources: Sequence[TensorType], orders: Sequence[Order | None]) -> Order | None:
    """Return the order of an operator's output from its inputs' types and orders; None is PyTorch's.

    Raises
    ------
    CaptureError
        If vectors are summed that have different orders.
    """
    (source, *_), (order, *others) = sources, orders
    if isinstance(op, Flatten) and len(source.shape) == 3:
        return flat_order(source.shape)
    if isinstance(op, Dense | Convolution):
        return None
    if isinstance(op, Concat) and len(source.shape) == 1:
        return _joined(sources, orders)
    if any(not _same(order, other) for other in others):
        raise CaptureError(
            "a sum of vectors needs them in one order, but one of them is a flattened image; "
            "flatten behind the sum"
        )
    return order


def _joined(sources: Sequence[TensorType], orders: Sequence[Order | None]) -> Order | None:
    """Put the orders of vectors behind one another, as their values are."""
    if all(order is None for order in orders):
        return None
    parts, first = [], 0
    for source, order in zip(sources, orders, strict=True):
        plain = np.arange(source.n_elements, dtype=np.int64)
        parts.append(first + (plain if order is None else order))
        first += source.n_elements
    return np.concatenate(parts)


def _same(first: Order | None, second: Order | None) -> bool:
    if first is None or second is None:
        return first is second
    return np.array_equal(first, second)


def flat_orders(graph: Graph) -> Mapping[str, Order | None]:
    """Return the order of every value by name: not PyTorch's between a Flatten and the next weights."""
    orders: dict[str, Order | None] = {graph.input_name: None}
    for node in graph.nodes:
        sources = [graph.types[name] for name in node.inputs]
        orders[node.name] = order_behind(node.op, sources, [orders[name] for name in node.inputs])
    return orders


def to_ir_order(values: NDArray[Any], order: Order | None) -> NDArray[Any]:
    """Bring a batch of PyTorch's values into the IR's order.

    Parameters
    ----------
    values
        (batch, features) or (batch, channels, rows, columns).
    order
        Of the features; None if it is the same.

    Returns
    -------
    NDArray
        (batch, features) or (batch, rows, columns, channels).
    """
    if values.ndim == 4:
        return np.moveaxis(values, 1, -1)
    return values if order is None else values[:, order]
