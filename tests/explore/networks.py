"""Small networks and spaces of points for the tests of explorations."""

from hbnn_hw.bit_distribution import Sharing
from hbnn_hw.explore import FoldingTarget, MapKind, Model, Space
from hbnn_hw.passes import simplify
from tests.graphs import random_mlp


def small_model(coefficients=(5, 3, 2), accuracy=None, method="hbnn", seed=1):
    """Two layers, 10 → 8 → 4, of three planes under random maps unless told."""
    graph = simplify(random_mlp(seed, (10, 8, 4), coefficients=coefficients))
    return Model(label=f"small{seed}", graph=graph, method=method, accuracy=accuracy)


def small_space():
    """Five kinds of weights, the trained ones among them, at three foldings."""
    return Space(
        averages=(1.0, 1.4, 2.0),
        maps=(MapKind(), MapKind(Sharing.COLUMN)),
        foldings=(FoldingTarget(pe=4, simd=4), FoldingTarget(unroll=True), FoldingTarget(cycles=40)),
    )
