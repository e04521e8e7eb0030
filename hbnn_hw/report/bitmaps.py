"""How many weights of each layer have 0, 1, 2, 3 … bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hbnn_hw.graph import Graph
from hbnn_hw.ops import Mvtu


@dataclass(frozen=True, slots=True)
class BitHistogram:
    """Bit map statistics of one layer.

    Attributes
    ----------
    name
        The layer.
    counts
        Entries with 0, 1, 2 … bits.
    shares
        The same divided by all entries; sums to 1.
    average
        Mean bitwidth.
    """

    name: str
    counts: tuple[int, ...]
    shares: tuple[float, ...]
    average: float


def bit_histograms(graph: Graph) -> list[BitHistogram]:
    """Count the entries of every matrix unit by bitwidth; all histograms have the same length."""
    layers = [(node.name, node.op.weights) for node in graph.hardware_nodes if isinstance(node.op, Mvtu)]
    longest = max((weights.n_planes for _, weights in layers), default=0) + 1
    histograms = []
    for name, weights in layers:
        counts = np.zeros(longest, dtype=np.int64)
        counts[: weights.n_planes + 1] = weights.bitwidth_counts()
        shares = tuple(float(share) for share in counts / counts.sum())
        histograms.append(BitHistogram(name, tuple(int(c) for c in counts), shares, weights.average_bits()))
    return histograms


def network_average(graph: Graph) -> float:
    """Mean bitwidth over all weights of a network; 0 without weights."""
    layers = [node.op.weights for node in graph.hardware_nodes if isinstance(node.op, Mvtu)]
    entries = sum(weights.rows * weights.columns for weights in layers)
    return sum(float(weights.plane_populations().sum()) for weights in layers) / entries if entries else 0.0
