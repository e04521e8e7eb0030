"""Random networks in IR form, for tests of every level: small, adversarial, reproducible by seed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Affine, Dense, EncodeBitPlanes, Sign, SignOfZero
from hbnn_hw.types import Integers, TensorType
from hbnn_hw.weights import WeightPlanes


def random_weights(
    rng: np.random.Generator,
    rows: int,
    columns: int,
    coefficients: Sequence[int] = (1,),
    shared_columns: bool = False,
    zero_bit: bool = False,
) -> WeightPlanes:
    """Random planes under a random bit map; ``shared_columns`` gives all rows of a column one bitwidth."""
    n_planes = len(coefficients)
    shape = (1, columns) if shared_columns else (rows, columns)
    bit_map = np.broadcast_to(rng.integers(0 if zero_bit else 1, n_planes + 1, shape), (rows, columns))
    masks = (bit_map[np.newaxis] > np.arange(n_planes)[:, np.newaxis, np.newaxis]).astype(np.uint8)
    bits = rng.integers(0, 2, masks.shape, dtype=np.uint8) & masks
    return WeightPlanes.from_bits(bits, masks, coefficients)


def random_affine(rng: np.random.Generator, channels: int, spread: float) -> Affine:
    """Slopes of both signs and some zeros; offsets that put many thresholds exactly on a tie."""
    alpha = rng.choice([-0.5, 0.25, 1.0, 0.0, 0.1], channels, p=[0.25, 0.25, 0.25, 0.05, 0.2]).astype(
        np.float32
    )
    ties = -alpha * np.round(rng.normal(0, spread, channels))
    return Affine(alpha=alpha, beta=ties.astype(np.float32))


def random_mlp(
    seed: int,
    sizes: Sequence[int],
    n_bits: int = 3,
    coefficients: Sequence[int] = (1,),
    shared_columns: bool = False,
    zero: SignOfZero = SignOfZero.PLUS,
) -> Graph:
    """Build an unlowered MLP: encoder, dense + affine + sign per hidden layer, dense + affine at the end."""
    rng = np.random.default_rng(seed)
    nodes = [Node("encode", EncodeBitPlanes(n_bits=n_bits), ("x",))]
    for index, (columns, rows) in enumerate(pairwise(sizes), start=1):
        weights = random_weights(rng, rows, columns, coefficients, shared_columns)
        nodes.append(Node(f"fc{index}", Dense(weights=weights), (nodes[-1].name,)))
        nodes.append(Node(f"bn{index}", random_affine(rng, rows, columns**0.5), (f"fc{index}",)))
        if index < len(sizes) - 1:
            nodes.append(Node(f"sign{index}", Sign(zero=zero), (f"bn{index}",)))
    return Graph("random_mlp", "x", TensorType((sizes[0],), Integers(0, 2**n_bits - 1)), tuple(nodes))


def random_inputs(graph: Graph, batch: int, seed: int) -> np.ndarray:
    """Random codes (batch, n), with the all-smallest and the all-largest sample first."""
    element = graph.input_type.element
    assert isinstance(element, Integers)
    codes = np.random.default_rng(seed).integers(
        element.low, element.high + 1, (batch, *graph.input_type.shape)
    )
    codes[0] = element.low
    if batch > 1:
        codes[1] = element.high
    return codes
