"""Random networks in IR form, for tests of every level: small, adversarial, reproducible by seed."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from itertools import pairwise

import numpy as np

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import (
    Affine,
    Convolution,
    Dense,
    EncodeBitPlanes,
    Flatten,
    MaxPool,
    Op,
    Sign,
    SignOfZero,
    Unflatten,
)
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


class PoolAt(Enum):
    """Where a max-pooling stands in a convolutional layer."""

    NOWHERE = 0
    ACCUMULATORS = 1
    REALS = 2
    SIGNS = 3


def random_convolution(
    rng: np.random.Generator,
    shape: Sequence[int],
    *,
    outputs: int,
    kernel: tuple[int, int] = (3, 3),
    coefficients: Sequence[int] = (1,),
    groups: int = 1,
    **options: tuple[int, ...] | int,
) -> Convolution:
    """Random kernels for images of ``shape`` (rows, columns, channels); ``outputs`` of each group."""
    columns = kernel[0] * kernel[1] * (shape[2] // groups)
    weights = random_weights(rng, outputs * groups, columns, coefficients, zero_bit=True)
    return Convolution(weights=weights, kernel=kernel, groups=groups, **options)


def random_cnn(
    seed: int,
    shape: tuple[int, int, int],
    pools: Sequence[PoolAt],
    n_bits: int = 3,
    coefficients: Sequence[int] = (1,),
    zero: SignOfZero = SignOfZero.PLUS,
) -> Graph:
    """Build an unlowered CNN: 3x3 convolutions with random borders and poolings, and two dense layers."""
    rng = np.random.default_rng(seed)
    n_inputs = int(np.prod(shape))
    graph = Graph("random_cnn", "x", TensorType((n_inputs,), Integers(0, 2**n_bits - 1)), ())

    def add(name: str, op: Op) -> TensorType:
        nonlocal graph
        source = graph.nodes[-1].name if graph.nodes else "x"
        nodes = (*graph.nodes, Node(name, op, (source,)))
        graph = Graph(graph.name, "x", graph.input_type, nodes)
        return graph.output_type

    def add_pool(index: int, wanted: PoolAt) -> None:
        if pools[index] is wanted:
            add(f"pool{index}", MaxPool(kernel=(2, 2), stride=(2, 2)))

    add("image", Unflatten(shape=shape))
    kind = add("encode", EncodeBitPlanes(n_bits=n_bits))
    for i, _ in enumerate(pools):
        op = random_convolution(
            rng,
            kind.shape,
            outputs=int(rng.integers(1, 6)),
            coefficients=coefficients,
            padding=(1, 1, 1, 1),
            border=int(rng.integers(-1, 2)),
        )
        channels = add(f"conv{i}", op).shape[2]
        add_pool(i, PoolAt.ACCUMULATORS)
        add(f"bn{i}", random_affine(rng, channels, op.weights.columns**0.5))
        add_pool(i, PoolAt.REALS)
        add(f"sign{i}", Sign(zero=zero))
        add_pool(i, PoolAt.SIGNS)
        kind = graph.output_type
    features = add("flatten", Flatten()).n_elements
    add("fc1", Dense(weights=random_weights(rng, 7, features, coefficients)))
    add("bn_fc1", random_affine(rng, 7, features**0.5))
    add("sign_fc1", Sign(zero=zero))
    add("fc2", Dense(weights=random_weights(rng, 4, 7, coefficients)))
    add("scale", random_affine(rng, 4, 2.0))
    return graph
