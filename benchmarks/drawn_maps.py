"""Layers with drawn bit maps: random maps over a trained network's signs, for :mod:`hbnn_area`.

Signs are those of ``mnist_hbnn.pt`` where it has the plane, drawn where it has not; plane scales are 4, 2, 1,
and thresholds the trained ones, scaled to the layer's sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import models
from hbnn_hw.capture.model import capture_file
from hbnn_hw.folding import Folding
from hbnn_hw.graph import Graph
from hbnn_hw.ops import Mvtu
from hbnn_hw.ops.threshold import Thresholds
from hbnn_hw.passes import lower
from hbnn_hw.types import Planes, TensorType
from hbnn_hw.weights import WeightPlanes

CHECKPOINT = Path(models.__file__).parent / "mnist_hbnn.pt"
MIXES: dict[float, tuple[float, ...]] = {
    1.0: (1.0,),
    1.2: (0.85, 0.1, 0.05),
    1.4: (0.7, 0.2, 0.1),
    2.0: (0.0, 1.0),
    3.0: (0.0, 0.0, 1.0),
}
PLANES = 3
COEFFICIENTS = (4, 2, 1)
SEED = 2018

Layer = tuple[str, Mvtu, TensorType]


def hidden_layers(graph: Graph) -> Iterator[Layer]:
    """Matrix layers with thresholds that read planes: name, operator, type of its input."""
    for node in graph.hardware_nodes:
        source = graph.source_type(node)
        if (
            isinstance(node.op, Mvtu)
            and node.op.thresholds is not None
            and isinstance(source.element, Planes)
        ):
            yield node.name, node.op, source


def bit_map(kind: str, mix: Sequence[float], shape: tuple[int, int], seed: int) -> NDArray[np.int64]:
    """Draw the bits of all entries (rows, columns) with exactly the asked shares, up to rounding."""
    rows, columns = shape
    cells = {"element": rows * columns, "column": columns, "row": rows}[kind]
    edges = np.rint(np.cumsum(mix) * cells)
    drawn = 1 + np.searchsorted(edges, np.random.default_rng(seed).permutation(cells), side="right")
    form = {"element": shape, "column": (1, columns), "row": (rows, 1)}[kind]
    return np.broadcast_to(drawn.reshape(form), shape).astype(np.int64)


def all_signs(weights: WeightPlanes, rows: int) -> NDArray[np.uint8]:
    """Signs of three planes (planes, rows, columns): the trained ones, drawn where there are none."""
    drawn = np.random.default_rng(SEED).integers(0, 2, (PLANES, rows, weights.columns), dtype=np.uint8)
    masks, bits = weights.unpacked_masks()[:PLANES, :rows], weights.unpacked_bits()[:PLANES, :rows]
    drawn[: len(masks)] = np.where(masks, bits, drawn[: len(masks)])
    return drawn


def with_map(op: Mvtu, kind: str, mix: Sequence[float], n_rows: int) -> Mvtu:
    """Give the first rows of a layer a map of another average."""
    assert op.thresholds is not None
    signs = all_signs(op.weights, n_rows)
    bits = bit_map(kind, mix, (n_rows, op.weights.columns), SEED)
    masks = (bits > np.arange(PLANES).reshape(-1, 1, 1)).astype(np.uint8)
    weights = WeightPlanes.from_bits(signs & masks, masks, COEFFICIENTS)
    old, new = op.weights.values()[:n_rows], weights.values()
    scale = np.sqrt((new**2).sum(axis=1) / (old**2).sum(axis=1))
    table = np.rint(op.thresholds.table[:n_rows] * scale[:, np.newaxis]).astype(np.int64)
    return Mvtu(
        weights=weights,
        thresholds=Thresholds(table=table, inverted=op.thresholds.inverted[:n_rows]),
        folding=Folding(n_rows, op.weights.columns, unrolled=True),
    )


def drawn_layers(kind: str, average: float, n_rows: int) -> list[Layer]:
    """Return the first rows of the checkpoint's hidden layers, with drawn maps."""
    layers = hidden_layers(lower(capture_file(CHECKPOINT).graph))
    return [(name, with_map(op, kind, MIXES[average], n_rows), source) for name, op, source in layers]
