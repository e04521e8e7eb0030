"""A trained binary network from outside: FINN's LFC-W1A1, built through the public graph API."""

import os
from pathlib import Path

import numpy as np
import pytest

from hbnn_hw import data
from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.errors import DatasetMissingError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Dense, EncodeBitPlanes, Threshold, Thresholds
from hbnn_hw.passes import lower
from hbnn_hw.types import Integers, TensorType
from hbnn_hw.weights import WeightPlanes

ANCHOR = Path(__file__).resolve().parents[3] / "shared" / "anchors" / "lfc_w1a1_mnist.npz"
PUBLISHED_CORRECT = 9834
"""Right answers of 10,000 that the published parameters give (98.34 %; FINN prints 98.4 %)."""


def lfc_graph(arrays):
    """A neuron fires when ``popcount(xnor) > T``, that is when ``2 popcount - n >= 2 (T + 1) - n``."""
    nodes = [Node("encode", EncodeBitPlanes(n_bits=1), ("x",))]
    for index, n_in in enumerate(arrays["n_in"].tolist()):
        bits = np.unpackbits(arrays[f"w{index}"], axis=1, count=n_in, bitorder="little")[np.newaxis]
        weights = WeightPlanes.from_bits(bits, np.ones_like(bits), (1,))
        nodes.append(Node(f"fc{index}", Dense(weights=weights), (nodes[-1].name,)))
        if index < 3:
            table = 2 * (arrays[f"t{index}"].astype(np.int64)[:, np.newaxis] + 1) - n_in
            thresholds = Thresholds(table=table, inverted=np.zeros(len(table), dtype=bool))
            nodes.append(Node(f"threshold{index}", Threshold(thresholds=thresholds), (f"fc{index}",)))
    return Graph("lfc_w1a1", "x", TensorType((832,), Integers(0, 1)), tuple(nodes))


@pytest.mark.anchor
def test_the_published_lfc_network_gets_exactly_the_published_number_right():
    if not ANCHOR.is_file():
        pytest.skip("the published parameters are not beside this checkout")
    try:
        mnist = data.load("mnist")
    except DatasetMissingError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    with np.load(ANCHOR, allow_pickle=False) as arrays:
        graph = lower(lfc_graph(arrays))
    pixels = np.zeros((len(mnist.x_test), 832), dtype=np.int64)
    pixels[:, :784] = mnist.x_test >= 128
    classes = GoldenModel(graph).classes(pixels)
    assert int((classes == mnist.y_test).sum()) == PUBLISHED_CORRECT
