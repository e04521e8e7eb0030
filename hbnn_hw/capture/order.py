"""PyTorch's order of an image's values, and the IR's: channels first, and channels innermost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.graph import Graph
from hbnn_hw.ops import Convolution, Dense, Flatten, Op
from hbnn_hw.types import TensorType

Order = NDArray[np.int64]
"""Position in PyTorch's flat order of every element of the IR's flat order, int64 (features,)."""


def flat_order(shape: tuple[int, ...]) -> Order:
    """Return the order behind a Flatten of images of ``shape`` (rows, columns, channels)."""
    rows, columns, channels = shape
    by_channel = np.arange(channels * rows * columns, dtype=np.int64).reshape(channels, rows, columns)
    return np.moveaxis(by_channel, 0, -1).ravel()


def order_behind(op: Op, source: TensorType, order: Order | None) -> Order | None:
    """Return the order of an operator's output from its input's type and order; None is PyTorch's."""
    if isinstance(op, Flatten) and len(source.shape) == 3:
        return flat_order(source.shape)
    return None if isinstance(op, Dense | Convolution) else order


def flat_orders(graph: Graph) -> Mapping[str, Order | None]:
    """Return the order of every value by name: not PyTorch's between a Flatten and the next weights."""
    orders: dict[str, Order | None] = {graph.input_name: None}
    for node in graph.nodes:
        orders[node.name] = order_behind(node.op, graph.source_type(node), orders[node.inputs[0]])
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
