"""Weights of another average bitwidth for a network that is trained: what hardware would have to hold.

A layer's shape stays, and so do its trained signs wherever it has the plane. Signs of planes that it does not
have are drawn, since the signs of a residual are close to balanced and independent. The bit map is drawn with
the shares asked for. Thresholds grow with the sums. Such a network computes nothing useful; its area, cycles
and energy are those that a network trained with these bits would have, up to what training puts where.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.analysis.weighted_nodes import Weighted
from hbnn_hw.bit_distribution import Distribution, Sharing, entry_counts
from hbnn_hw.explore.point import SLICE_OUTPUTS, Drawn, Method
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Flatten, MaxPool, Mvtu, Op, Pad, Rescale, SumPool, Threshold, Thresholds
from hbnn_hw.planes import Words, pack, popcount, words_for
from hbnn_hw.weights import WeightPlanes, full_masks
from hbnn_hw.xor_encoding import FlattenLayout, FlattenOrder, XorEncoding

SEED = 2018
"""Of all draws; every layer continues it with its place, so that a layer's draws depend on nothing else."""

TAPS = 2
"""Stored bits that every weight bit of a drawn FleXOR layer is the XOR of. Source: Lee et al. 2020, N_tap."""

Growth = NDArray[np.float64]
"""How much larger the numbers of each channel are than in the trained network, float64 (channels,)."""


def redrawn(graph: Graph, drawn: Drawn) -> Graph:
    """Give every layer with weights of a simplified graph the bits of a point.

    Parameters
    ----------
    graph
        Integer operators without a choice of hardware (:func:`hbnn_hw.passes.simplify`).
    drawn
        Method, shares of the bitwidths, and which entries share one.

    Returns
    -------
    Graph
        The same operators of the same shapes; equal arguments give equal graphs.
    """
    growths: dict[str, Growth] = {}
    nodes: list[Node] = []
    for place, node in enumerate(graph.nodes):
        op, growth = node.op, growths.get(node.inputs[0]) if node.inputs else None
        if isinstance(op, Weighted):
            weights = drawn_weights(op.weights, drawn, np.random.default_rng((SEED, place)))
            growth = _growth(op.weights, weights) * (1.0 if growth is None else _typical(growth))
            op = replace(op, weights=weights)
        op, left = _grown(op, growth)
        if left is not None:
            growths[node.name] = left
        nodes.append(Node(node.name, op, node.inputs))
    return Graph(graph.name, graph.input_name, graph.input_type, tuple(nodes))


def drawn_weights(old: WeightPlanes, drawn: Drawn, rng: np.random.Generator) -> WeightPlanes:
    """Return planes of the same shape (rows, columns) with a point's method and bit map."""
    if drawn.slice_bits:
        return _encoded(old, drawn, rng)
    masks = _masks(old, drawn, rng)
    return WeightPlanes(
        bits=_signs(old, drawn.n_planes, rng) & masks,
        masks=masks,
        coefficients=_coefficients(old, drawn),
        columns=old.columns,
    )


def _coefficients(old: WeightPlanes, drawn: Drawn) -> tuple[int, ...]:
    """Scales of the planes: the trained ones of a bit map, powers of two where there are none."""
    n_planes = drawn.n_planes
    if n_planes == 1:
        return (1,)
    if drawn.method is Method.SLB:
        return tuple(1 << plane for plane in range(n_planes))
    if old.row_coefficients is None and old.n_planes >= n_planes:
        return old.coefficients[:n_planes]
    # Each further residual of HBNN is smaller: the first plane weighs most.
    return tuple(1 << plane for plane in reversed(range(n_planes)))


def _signs(old: WeightPlanes, n_planes: int, rng: np.random.Generator) -> Words:
    """Trained signs where there are any, uint64 (planes, rows, words); others drawn."""
    shape = (n_planes, old.rows, words_for(old.columns))
    signs: Words = rng.integers(0, 1 << 64, shape, dtype=np.uint64) & full_masks(shape, old.columns)
    kept = min(n_planes, old.n_planes)
    signs[:kept] = (signs[:kept] & ~old.masks[:kept]) | old.bits[:kept]
    return signs


def _masks(old: WeightPlanes, drawn: Drawn, rng: np.random.Generator) -> Words:
    """Draw a bit map with a point's shares, packed, uint64 (planes, rows, words)."""
    shape = (drawn.n_planes, old.rows, words_for(old.columns))
    if drawn.is_uniform:
        return full_masks(shape, old.columns)
    bits = bit_map((old.rows, old.columns), drawn, rng)
    return np.stack([pack((bits > plane).astype(np.uint8)) for plane in range(drawn.n_planes)])


def bit_map(shape: tuple[int, int], drawn: Drawn, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw the bits of every entry, uint8 (rows, columns), with exactly the shares up to rounding.

    Shares are counted in what shares a bitwidth: entries, columns, rows, or tiles, the last row and column
    of which may be cut off.
    """
    rows, columns = shape
    match drawn.sharing:
        case Sharing.ELEMENT:
            return _draw(drawn.distribution, shape, rng)
        case Sharing.COLUMN:
            return np.broadcast_to(_draw(drawn.distribution, (1, columns), rng), shape)
        case Sharing.ROW:
            return np.broadcast_to(_draw(drawn.distribution, (rows, 1), rng), shape)
        case Sharing.TILE:
            pe, simd = drawn.tile
            tiles = _draw(drawn.distribution, (-(-rows // pe), -(-columns // simd)), rng)
            return tiles.repeat(pe, axis=0)[:rows].repeat(simd, axis=1)[:, :columns]


def _draw(distribution: Distribution, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
    counts = entry_counts(distribution, shape[0] * shape[1])
    bits = np.repeat(np.array([bits for bits, _ in distribution], dtype=np.uint8), counts)
    rng.shuffle(bits)
    return bits.reshape(shape)


def _encoded(old: WeightPlanes, drawn: Drawn, rng: np.random.Generator) -> WeightPlanes:
    """Draw stored bits and XOR matrices of FleXOR; the planes are what they decode to."""
    n_planes = drawn.n_planes
    matrices = np.zeros((n_planes, SLICE_OUTPUTS, drawn.slice_bits), dtype=np.uint8)
    for row in matrices.reshape(-1, drawn.slice_bits):
        row[rng.choice(drawn.slice_bits, min(TAPS, drawn.slice_bits), replace=False)] = 1
    layout = FlattenLayout(
        order=FlattenOrder.ROW_MAJOR, rows=old.rows, columns=old.columns, n_out=SLICE_OUTPUTS
    )
    stored = rng.integers(0, 2, (n_planes, layout.n_slices, drawn.slice_bits), dtype=np.uint8)
    return WeightPlanes.from_encoding(
        XorEncoding.from_bits(stored, matrices, layout), _coefficients(old, drawn)
    )


def _growth(old: WeightPlanes, new: WeightPlanes) -> Growth:
    """Ratio of the weights' root mean squares, row by row, taking the signs of the planes as independent."""
    before, after = (
        (weights.coefficient_table().astype(np.float64) ** 2 * popcount(weights.masks)).sum(axis=0)
        for weights in (old, new)
    )
    ratio: Growth = np.sqrt(after / np.maximum(before, 1.0))
    # A row without any weight has sums of 0 whatever its thresholds are.
    return np.where((before > 0) & (after > 0), ratio, 1.0)


def _grown(op: Op, growth: Growth | None) -> tuple[Op, Growth | None]:
    """Fit an operator to an input that has grown; return how much its value grows, None for not at all."""
    if growth is None:
        return op, None
    match op:
        case Mvtu() if op.thresholds is not None:
            return replace(op, thresholds=_scaled(op.thresholds, growth)), None
        case Threshold():
            return replace(op, thresholds=_scaled(op.thresholds, growth)), None
        case Rescale():
            factors = _of_channels(growth, op.multipliers.shape[1])
            return replace(
                op,
                multipliers=np.rint(op.multipliers / factors).astype(np.int64),
                knees=np.rint(op.knees * factors).astype(np.int64),
            ), None
        case MaxPool() | SumPool() | Flatten() | Pad():
            return op, growth
        case _:
            return op, growth if isinstance(op, Weighted) else None


def _scaled(thresholds: Thresholds, growth: Growth) -> Thresholds:
    factors = _of_channels(growth, thresholds.channels)
    table = np.rint(thresholds.table * factors[:, np.newaxis]).astype(np.int64)
    return replace(thresholds, table=table)


def _of_channels(growth: Growth, channels: int) -> Growth:
    """Repeat the growth of channels for the pixels of a flattened image, channels innermost."""
    if channels % len(growth):
        # A frame has added channels: all grow as they do on average.
        return np.full(channels, _typical(growth))
    return np.tile(growth, channels // len(growth))


def _typical(growth: Growth) -> float:
    """Root mean square over the channels."""
    return sqrt(float((growth**2).mean()))
