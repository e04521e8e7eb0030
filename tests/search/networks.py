"""Networks to search foldings of: small, on streams, not scheduled."""

import numpy as np

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import (
    Add,
    Convolution,
    EncodeBitPlanes,
    MaxPool,
    Rescale,
    Threshold,
    Thresholds,
    Unflatten,
)
from hbnn_hw.passes import simplify, split_planes, to_streams
from hbnn_hw.types import Integers, TensorType
from tests.graphs import PoolAt, random_cnn, random_mlp, random_weights


def mlp(seed=0, sizes=(48, 24, 12, 10), **options) -> Graph:
    return to_streams(split_planes(simplify(random_mlp(seed, sizes, **options))))


def cnn(seed=5, **options) -> Graph:
    pools = (PoolAt.SIGNS, PoolAt.NOWHERE)
    return to_streams(split_planes(simplify(random_cnn(seed, (8, 8, 2), pools, **options))))


def residual() -> Graph:
    """A stem, a block around which its input goes, a depthwise and a strided convolution."""
    rng = np.random.default_rng(2)

    def thresholds(channels):
        table = rng.integers(-3, 4, (channels, 1))
        return Thresholds(table=table, inverted=rng.integers(0, 2, channels) == 1)

    def conv(name, rows, columns, source, **options):
        weights = random_weights(rng, rows, columns, zero_bit=False)
        return Node(name, Convolution(weights=weights, kernel=(3, 3), **options), (source,))

    rescale = Rescale(
        multipliers=rng.integers(-9000, 9000, (1, 8)),
        offsets=rng.integers(-99, 99, (1, 8)),
        knees=np.zeros((0, 8), dtype=np.int64),
        shift=7,
    )
    padded = {"padding": (1, 1, 1, 1), "border": -1}
    nodes = (
        Node("image", Unflatten(shape=(8, 8, 4)), ("x",)),
        Node("input", EncodeBitPlanes(n_bits=2), ("image",)),
        conv("stem", 8, 36, "input", **padded),
        Node("scaled", rescale, ("stem",)),
        Node("signs", Threshold(thresholds=thresholds(8)), ("scaled",)),
        conv("body", 8, 72, "signs", **padded),
        Node("sum", Add(), ("body", "scaled")),
        Node("joined", Threshold(thresholds=thresholds(8)), ("sum",)),
        conv("depthwise", 8, 9, "joined", groups=8, **padded),
        Node("act", Threshold(thresholds=thresholds(8)), ("depthwise",)),
        Node("pooled", MaxPool(kernel=(3, 3), stride=(2, 2)), ("act",)),
        conv("last", 6, 72, "pooled", stride=(2, 2)),
    )
    return to_streams(Graph("residual", "x", TensorType((256,), Integers(0, 3)), nodes))
