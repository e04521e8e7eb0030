"""MobileNet on streams with random low-bit weights: the network of the HBNN paper's hardware table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from finn_networks import NetworkBuilder

from hbnn_hw.graph import Graph
from hbnn_hw.ops import Convolution, EncodeBitPlanes, Flatten, SumPool, Threshold, Unflatten
from hbnn_hw.passes import to_streams

POINTWISE = ((1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512), *[(1, 512)] * 5, (2, 1024), (1, 1024))
"""Stride of the spatial convolution and outputs of the point-wise one behind it, of the 13 blocks. Source:
Howard et al. 2017, Table 1."""

SIDE = 224
"""Pixels of a side of the image."""


def _spatial(build: NetworkBuilder, name: str, rows: int, stride: int, groups: int) -> None:
    """A 3 x 3 convolution in a frame of -1, and its thresholds."""
    columns = 9 * build.channels // groups
    op = Convolution(
        weights=build.weights(rows, columns),
        kernel=(3, 3),
        stride=(stride, stride),
        padding=(1, 1, 1, 1),
        border=-1,
        groups=groups,
    )
    build.put(name, op)
    build.put(f"{name}_act", Threshold(thresholds=build.thresholds(rows)))


def mobilenet(shares: Sequence[float] = (1.0,), tiles: Sequence[int] = (), planes: int = 1) -> Graph:
    """Build MobileNet for 224 x 224 images: first layer, 13 blocks, average pooling, 1000 classes.

    Point-wise layers have ``shares`` of weights with 1, 2, 3 bits (see :func:`finn_networks.cnv`), as in the
    paper; all others one bit. The paper leaves the spatial layers in float; hardware for that is not what its
    table scales.
    """
    build = NetworkBuilder.started("mobilenet", SIDE * SIDE * 3, 8)
    build.planes = planes
    build.put("image", Unflatten(shape=(SIDE, SIDE, 3)))
    build.put("input", EncodeBitPlanes(n_bits=8))
    _spatial(build, build.next("conv"), 32, 2, 1)
    for stride, rows in POINTWISE:
        channels = build.channels
        _spatial(build, build.next("spatial"), channels, stride, channels)
        name = build.next("point")
        build.shares = tuple(shares)
        build.tile = tiles[len(build.names) - 1] if tiles else 1
        build.put(name, Convolution(weights=build.weights(rows, channels), kernel=(1, 1)))
        build.shares, build.tile = (1.0,), 1
        build.put(f"{name}_act", Threshold(thresholds=build.thresholds(rows)))
    side = build.graph.output_type.shape[0]
    build.put("pool", SumPool(kernel=(side, side), stride=(side, side)))
    build.put("flatten", Flatten())
    build.dense(1000, last=True)
    return to_streams(build.graph)


def weights_and_products(graph: Graph) -> tuple[int, int]:
    """Return the number of weights and of one-bit products an image."""
    from hbnn_hw.ops import Mvtu

    units = [(node.op, graph.source_type(node)) for node in graph.nodes if isinstance(node.op, Mvtu)]
    weights = sum(op.weights.rows * op.weights.columns for op, _ in units)
    places = [int(np.prod(source.shape[:-1])) for _, source in units]
    products = sum(op.weights.rows * op.weights.columns * n for (op, _), n in zip(units, places, strict=True))
    return weights, products
