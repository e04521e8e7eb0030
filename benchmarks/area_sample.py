"""The sample of the area benchmarks: blocks of every kind and whole networks, drawn at random by seed.

A block is one hardware operator (or the few that never stand alone, as a fork and what reads it) as an
accelerator of its own. A design is named by its kind and seed, which is all that it is made of.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.folding import Folding, divisors
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import (
    Add,
    Affine,
    ArgMax,
    Concat,
    Convolution,
    Decode,
    Dense,
    EncodeBitPlanes,
    Flatten,
    Fork,
    MaxPool,
    Mvtu,
    Op,
    Pad,
    PadPlanes,
    Pool,
    PoolKind,
    Rescale,
    Sign,
    SignOfZero,
    SlidingWindow,
    Threshold,
    Thresholds,
    Unflatten,
    WidthConverter,
    WindowPool,
)
from hbnn_hw.passes import FoldingRequest, lower
from hbnn_hw.types import Element, Integers, TensorType
from hbnn_hw.weights import WeightPlanes
from hbnn_hw.xor_encoding import FlattenLayout, FlattenOrder, XorEncoding


class Kind(Enum):
    """What a design is made of; the value is its name in the results."""

    BNN = "bnn"
    SCORES = "scores"
    HBNN_TILE = "hbnn-tile"
    HBNN_COLUMN = "hbnn-column"
    HBNN_ELEMENT = "hbnn-element"
    SLB = "slb"
    FLEXOR = "flexor"
    DEEP = "deep"
    INTEGERS = "integers"
    BORDERED = "bordered"
    UNROLLED_BNN = "unrolled-bnn"
    UNROLLED_HBNN = "unrolled-hbnn"
    UNROLLED_SLB = "unrolled-slb"
    CONVERTER = "converter"
    WINDOW = "window"
    PAD = "pad"
    PAD_PLANES = "pad-planes"
    POOL = "pool"
    WINDOW_POOL = "window-pool"
    THRESHOLD = "threshold"
    RESCALE = "rescale"
    ARG_MAX = "arg-max"
    DECODE = "decode"
    ADD = "add"
    CONCAT = "concat"
    NET_MLP = "net-mlp"
    NET_MAPS = "net-maps"
    NET_UNROLLED = "net-unrolled"
    NET_CNN = "net-cnn"
    NET_RESIDUAL = "net-residual"

    @property
    def is_network(self) -> bool:
        """Whether it is a whole network."""
        return self.value.startswith("net-")


@dataclass(frozen=True, slots=True)
class SampleSpec:
    """One design.

    Attributes
    ----------
    kind
        What is drawn.
    seed
        From which generator state.
    """

    kind: Kind
    seed: int

    @property
    def name(self) -> str:
        """Name in tables and results."""
        return f"{self.kind.value}-{self.seed}"


Rng = np.random.Generator


def _one(rng: Rng, values: Sequence[int]) -> int:
    return int(rng.choice(values))


# --- matrix units


def _map(rng: Rng, kind: Kind, rows: int, columns: int, planes: int) -> NDArray[np.int64]:
    """Draw the bits (rows, columns) of every entry: of columns side by side, of columns, of entries."""
    shares = np.array([0.65, 0.35]) if planes == 2 else np.array([0.6, 0.25, 0.15])
    cells = rows * columns if kind is Kind.HBNN_ELEMENT else columns
    edges = np.rint(np.cumsum(shares) * cells).astype(int)
    flat = 1 + np.searchsorted(edges, np.arange(cells), side="right")
    if kind is not Kind.HBNN_TILE:
        flat = rng.permutation(flat)
    return np.broadcast_to(flat.reshape(-1, columns), (rows, columns))


def _planes(rng: Rng, bit_map: NDArray[np.int64], planes: int) -> WeightPlanes:
    masks = (bit_map[np.newaxis] > np.arange(planes)[:, np.newaxis, np.newaxis]).astype(np.uint8)
    bits = rng.integers(0, 2, masks.shape, dtype=np.uint8) & masks
    return WeightPlanes.from_bits(bits, masks, [1 << p for p in reversed(range(planes))])


def _full(rng: Rng, rows: int, columns: int, planes: int = 1) -> WeightPlanes:
    return _planes(rng, np.full((rows, columns), planes), planes)


def _encoded(rng: Rng, rows: int, columns: int, folding: Folding, planes: int) -> WeightPlanes:
    """Draw the stored bits of a FleXOR layer, 8 for 10 weights or 16 for 20, with two taps each."""
    n_in, n_out = ((8, 10), (16, 20))[_one(rng, (0, 1))]
    layout = FlattenLayout(
        order=FlattenOrder.WORD, rows=rows, columns=columns, n_out=n_out, pe=folding.pe, simd=folding.simd
    )
    matrix = np.zeros((n_out, n_in), dtype=np.uint8)
    for taps in matrix:
        taps[rng.choice(n_in, 2, replace=False)] = 1
    stored = rng.integers(0, 2, (planes, layout.n_slices, n_in), dtype=np.uint8)
    encoding = XorEncoding.from_bits(stored, np.stack([matrix] * planes), layout)
    return WeightPlanes.from_encoding(encoding, [1 << p for p in reversed(range(planes))])


def _thresholds(rng: Rng, op: Mvtu, source: TensorType, levels: int) -> Thresholds:
    element = op.infer(source).element
    assert isinstance(element, Integers)
    spread = (element.high - element.low + 1) / 8
    table = np.sort(np.rint(rng.normal(0, spread, (op.weights.rows, levels))).astype(np.int64), axis=1)
    return Thresholds(table=table, inverted=rng.random(op.weights.rows) < 0.3)


def _matrix_unit(rng: Rng, kind: Kind) -> Graph:
    folding, rows, columns = _drawn_folding(rng, kind)
    planes = _one(rng, (2, 3)) if kind.value.startswith(("hbnn", "slb")) else 1
    if kind is Kind.FLEXOR:
        planes = _one(rng, (1, 2))
        weights = _encoded(rng, rows, columns, folding, planes)
    elif kind.value.startswith("hbnn"):
        weights = _planes(rng, _map(rng, kind, rows, columns, planes), planes)
    else:
        weights = _full(rng, rows, columns, planes)
    levels = 0 if kind is Kind.SCORES else _one(rng, (1, 1, 3))
    if kind is Kind.INTEGERS:
        bits = _one(rng, (3, 6, 8))
        source: Element = Integers(-(1 << bits - 1), (1 << bits - 1) - 1)
        return _unit(rng, weights, folding, TensorType((columns,), source), levels, ())
    encoder = Node("encode", EncodeBitPlanes(n_bits=_one(rng, (1, 1, 2, 4)), lanes=folding.simd), ("x",))
    codes = TensorType((columns,), Integers(0, (1 << encoder.op.n_bits) - 1))
    return _unit(rng, weights, folding, codes, levels, (encoder,))


def _drawn_folding(rng: Rng, kind: Kind) -> tuple[Folding, int, int]:
    if kind is Kind.DEEP:
        rows, columns = _one(rng, (64, 96, 128)), _one(rng, (128, 192, 256))
        return Folding(_one(rng, (4, 8)), _one(rng, (8, 16))), rows, columns
    rows, columns = _one(rng, (8, 12, 16, 24, 32, 48, 64)), _one(rng, (16, 24, 32, 48, 64, 96, 128))
    if kind is Kind.FLEXOR:
        rows, columns = _one(rng, (16, 32, 64)), _one(rng, (40, 80, 160))
        return Folding(_one(rng, (2, 4, 8)), _one(rng, (10, 20, 40))), rows, columns
    pe = _one(rng, [d for d in divisors(rows) if d <= 8])
    return Folding(pe, _one(rng, [d for d in divisors(columns) if 4 <= d <= 32])), rows, columns


def _unit(
    rng: Rng,
    weights: WeightPlanes,
    folding: Folding,
    codes: TensorType,
    levels: int,
    before: tuple[Node, ...],
) -> Graph:
    graph = Graph("net", "x", codes, before)
    source = graph.output_type if before else codes
    op = Mvtu(weights=weights, folding=folding)
    if levels:
        op = Mvtu(weights=weights, folding=folding, thresholds=_thresholds(rng, op, source, levels))
    return Graph("net", "x", codes, (*before, Node("fc", op, (before[-1].name if before else "x",))))


def _unrolled(rng: Rng, kind: Kind) -> Graph:
    rows, columns = _one(rng, (4, 8, 12, 16, 24)), _one(rng, (8, 16, 24, 32, 48))
    if kind is Kind.UNROLLED_HBNN:
        map_kind = Kind.HBNN_ELEMENT if rng.random() < 0.5 else Kind.HBNN_COLUMN
        planes = _one(rng, (2, 3))
        weights = _planes(rng, _map(rng, map_kind, rows, columns, planes), planes)
    else:
        weights = _full(rng, rows, columns, _one(rng, (2, 3)) if kind is Kind.UNROLLED_SLB else 1)
    bits = _one(rng, (1, 1, 2))
    encoder = Node("encode", EncodeBitPlanes(n_bits=bits, lanes=columns), ("x",))
    codes = TensorType((columns,), Integers(0, (1 << bits) - 1))
    folding = Folding(rows, columns, unrolled=True)
    return _unit(rng, weights, folding, codes, _one(rng, (0, 1, 1, 3)), (encoder,))


def _bordered(rng: Rng, kind: Kind) -> Graph:
    """Draw a convolution in a frame of nothing: frame, window, matrix unit."""
    channels, side = _one(rng, (4, 8, 16)), _one(rng, (6, 8, 12))
    lanes, rows = _one(rng, [d for d in (2, 4, 8) if d <= channels]), _one(rng, (8, 16))
    n_bits = _one(rng, (1, 2))
    image = TensorType((side, side, channels), Integers(0, (1 << n_bits) - 1))
    nodes: tuple[Node, ...] = (
        Node("encode", EncodeBitPlanes(n_bits=n_bits, lanes=lanes), ("x",)),
        Node("frame", PadPlanes(padding=(1, 1, 1, 1), lanes=lanes), ("encode",)),
        Node("window", SlidingWindow(kernel=(3, 3), stride=(1, 1), block=channels, lanes=lanes), ("frame",)),
    )
    source = Graph("net", "x", image, nodes).output_type
    weights = (
        _full(rng, rows, 9 * channels)
        if rng.random() < 0.5
        else _planes(rng, _map(rng, Kind.HBNN_ELEMENT, rows, 9 * channels, 2), 2)
    )
    op = Mvtu(weights=weights, folding=Folding(_one(rng, (2, 4)), lanes), window=9)
    op = Mvtu(
        weights=weights,
        folding=op.folding,
        window=9,
        thresholds=_thresholds(rng, op, source, _one(rng, (1, 3))),
    )
    return Graph("net", "x", image, (*nodes, Node("fc", op, ("window",))))


# --- operators on images and streams


def _element(rng: Rng) -> Integers:
    bits = _one(rng, (1, 2, 4, 8, 12))
    return (
        Integers(0, (1 << bits) - 1)
        if rng.random() < 0.5 or bits == 1
        else Integers(-(1 << bits - 1), 99 % (1 << bits - 1))
    )


def _image(rng: Rng) -> tuple[tuple[int, int, int], int]:
    """Draw an image's shape and the lanes of its beats."""
    shape = (_one(rng, (6, 8, 12, 16)), _one(rng, (6, 8, 12, 16)), _one(rng, (8, 16, 24, 32)))
    return shape, _one(rng, [d for d in divisors(shape[2]) if d <= 16])


def _alone(shape: tuple[int, ...], element: Integers, op: Op) -> Graph:
    return Graph("net", "x", TensorType(shape, element), (Node("op", op, ("x",)),))


def _behind_planes(shape: tuple[int, ...], n_bits: int, lanes: int, *ops: Op) -> Graph:
    nodes = [Node("encode", EncodeBitPlanes(n_bits=n_bits, lanes=lanes), ("x",))]
    for at, op in enumerate(ops):
        nodes.append(Node(f"op{at}", op, (nodes[-1].name,)))
    return Graph("net", "x", TensorType(shape, Integers(0, (1 << n_bits) - 1)), tuple(nodes))


def _converter(rng: Rng, kind: Kind) -> Graph:
    narrow, ratio = _one(rng, (2, 4, 8)), _one(rng, (2, 3, 4, 8))
    lanes = (narrow, narrow * ratio) if rng.random() < 0.5 else (narrow * ratio, narrow)
    element = Integers(0, (1 << _one(rng, (1, 2, 4))) - 1)
    return _alone((4 * narrow * ratio,), element, WidthConverter(lanes_from=lanes[0], lanes_to=lanes[1]))


def _window(rng: Rng, kind: Kind) -> Graph:
    shape, lanes = _image(rng)
    kernel, stride = _one(rng, (2, 3, 3, 5)), _one(rng, (1, 1, 2))
    op = SlidingWindow(kernel=(kernel, kernel), stride=(stride, stride), block=shape[2], lanes=lanes)
    return _behind_planes(shape, _one(rng, (1, 2, 4)), lanes, op)


def _pad(rng: Rng, kind: Kind) -> Graph:
    shape, lanes = _image(rng)
    extra = (0, shape[2]) if rng.random() < 0.3 else (0, 0)
    size = _one(rng, (1, 2))
    return _alone(shape, _element(rng), Pad(padding=(size, size, size, size), channels=extra, lanes=lanes))


def _pad_planes(rng: Rng, kind: Kind) -> Graph:
    shape, lanes = _image(rng)
    n_bits, size = _one(rng, (1, 2, 3)), _one(rng, (1, 2))
    frame = tuple(rng.integers(0, 2, n_bits).tolist())
    return _behind_planes(shape, n_bits, lanes, PadPlanes(padding=(size,) * 4, frame=frame, lanes=lanes))


def _pool(rng: Rng, kind: Kind) -> Graph:
    shape, lanes = _image(rng)
    size = _one(rng, (2, 2, 3))
    pooled = PoolKind.SUM if rng.random() < 0.4 else PoolKind.MAX
    op = Pool(kind=pooled, kernel=(size, size), stride=(size, size), lanes=lanes)
    if rng.random() < 0.5:
        return _behind_planes(shape, _one(rng, (1, 2)), lanes, op)
    return _alone(shape, _element(rng), op)


def _window_pool(rng: Rng, kind: Kind) -> Graph:
    shape, lanes = _image(rng)
    size = _one(rng, (2, 3))
    window = SlidingWindow(kernel=(size, size), stride=(2, 2), block=lanes, lanes=lanes)
    pooled = PoolKind.SUM if rng.random() < 0.4 else PoolKind.MAX
    pool = WindowPool(kind=pooled, window=size * size, block=lanes, lanes=lanes)
    return _behind_planes(shape, _one(rng, (1, 2)), lanes, window, pool)


def _channels(rng: Rng) -> tuple[int, int]:
    channels = _one(rng, (16, 32, 64))
    return channels, _one(rng, (1, 2, 4, 8, 16))


def _threshold(rng: Rng, kind: Kind) -> Graph:
    channels, lanes = _channels(rng)
    bits = _one(rng, (6, 8, 10, 14))
    limit = 1 << bits - 1
    table = np.sort(rng.integers(-limit, limit, (channels, _one(rng, (1, 1, 3)))), axis=1).astype(np.int64)
    thresholds = Thresholds(table=table, inverted=rng.random(channels) < 0.3)
    return _alone((channels,), Integers(-limit, limit - 1), Threshold(thresholds=thresholds, lanes=lanes))


def _rescale(rng: Rng, kind: Kind) -> Graph:
    channels, lanes = _channels(rng)
    lanes = min(lanes, 8)
    pieces, limit = _one(rng, (1, 1, 2)), 1 << _one(rng, (7, 9, 11))
    op = Rescale(
        multipliers=rng.integers(-9000, 9000, (pieces, channels)),
        offsets=rng.integers(-9999, 9999, (pieces, channels)),
        knees=np.sort(rng.integers(-limit // 2, limit // 2, (pieces - 1, channels)), axis=0),
        shift=_one(rng, (6, 8, 10)),
        lanes=lanes,
    )
    return _alone((channels,), Integers(-limit, limit - 1), op)


def _arg_max(rng: Rng, kind: Kind) -> Graph:
    classes = _one(rng, (10, 12, 16, 20))
    lanes = _one(rng, [d for d in divisors(classes) if d <= 10])
    limit = 1 << _one(rng, (6, 9, 11))
    offsets = rng.integers(-50, 50, classes) if rng.random() < 0.5 else np.zeros(classes, dtype=np.int64)
    return _alone((classes,), Integers(-limit, limit - 1), ArgMax(offsets=offsets, lanes=lanes))


def _decode(rng: Rng, kind: Kind) -> Graph:
    channels, lanes = _channels(rng)
    return _behind_planes((channels,), _one(rng, (1, 2, 3, 4)), lanes, Decode(lanes=lanes))


def _forked(rng: Rng, joint: Callable[[int], Op]) -> Graph:
    """Draw a fork, two rescalings and what joins them."""
    channels, lanes = _one(rng, (16, 32)), _one(rng, (2, 4, 8))
    limit = 1 << _one(rng, (3, 5, 7))
    table = np.sort(rng.integers(-limit, limit, (channels, 3)), axis=1)
    thresholds = Thresholds(table=table, inverted=np.zeros(channels, dtype=np.bool_))
    nodes = (
        Node("fork", Fork(lanes=lanes), ("x",)),
        Node("codes", Threshold(thresholds=thresholds, lanes=lanes), ("fork",)),
        Node("numbers", Decode(lanes=lanes), ("codes",)),
        Node("joint", joint(lanes), ("numbers", "fork")),
    )
    return Graph("net", "x", TensorType((4, 4, channels), Integers(-limit, limit - 1)), nodes)


def _add(rng: Rng, kind: Kind) -> Graph:
    return _forked(rng, lambda lanes: Add(lanes=lanes))


def _concat(rng: Rng, kind: Kind) -> Graph:
    return _forked(rng, lambda lanes: Concat(lanes=lanes))


# --- networks


class _Network:
    """A network that is being drawn, operator behind operator."""

    def __init__(self, rng: Rng, shape: tuple[int, ...], n_bits: int) -> None:
        self.rng = rng
        n_inputs = int(np.prod(shape))
        self.graph = Graph("net", "x", TensorType((n_inputs,), Integers(0, (1 << n_bits) - 1)), ())
        self.name = "x"
        if len(shape) > 1:
            self.add(Unflatten(shape=shape))
        self.add(EncodeBitPlanes(n_bits=n_bits))

    def add(self, op: Op, *others: str) -> str:
        """Put an operator behind the last one; return its name."""
        name = f"n{len(self.graph.nodes)}"
        nodes = (*self.graph.nodes, Node(name, op, (self.name, *others)))
        self.graph = Graph("net", "x", self.graph.input_type, nodes)
        self.name = name
        return name

    def activate(self, channels: int, spread: float) -> str:
        """Add batch norm and sign."""
        alpha = self.rng.choice([-0.5, 0.5, 1.0], channels).astype(np.float32)
        beta = np.round(self.rng.normal(0, spread, channels)).astype(np.float32)
        self.add(Affine(alpha=alpha, beta=beta))
        return self.add(Sign(zero=SignOfZero.PLUS))

    def dense(self, rows: int, weights: Callable[[int, int], WeightPlanes], *, last: bool = False) -> None:
        """Add a dense layer, with an activation unless it is the last."""
        columns = self.graph.output_type.shape[-1]
        self.add(Dense(weights=weights(rows, columns)))
        if not last:
            self.activate(rows, columns**0.5)

    def convolution(self, rows: int, border: int) -> str:
        """Add a 3 x 3 convolution with an activation."""
        columns = 9 * self.graph.output_type.shape[-1]
        weights = _full(self.rng, rows, columns)
        self.add(Convolution(weights=weights, kernel=(3, 3), padding=(1, 1, 1, 1), border=border))
        return self.activate(rows, columns**0.5)


def _hidden(rng: Rng) -> list[int]:
    return [_one(rng, (32, 48, 64, 96)) for _ in range(_one(rng, (1, 2)))]


def _mlp(rng: Rng, kind: Kind) -> Graph:
    net = _Network(rng, (_one(rng, (48, 64, 96)),), _one(rng, (1, 2, 4)))
    planes = _one(rng, (1, 1, 2))
    for rows in _hidden(rng):
        net.dense(rows, lambda r, c: _full(rng, r, c, planes))
    net.dense(10, lambda r, c: _full(rng, r, c), last=True)
    return lower(net.graph, FoldingRequest(pe=_one(rng, (2, 4, 8)), simd=_one(rng, (8, 16))))


def _maps(rng: Rng, kind: Kind) -> Graph:
    net = _Network(rng, (_one(rng, (48, 64, 96)),), _one(rng, (1, 2, 4)))
    map_kind = (Kind.HBNN_TILE, Kind.HBNN_COLUMN, Kind.HBNN_ELEMENT)[_one(rng, (0, 1, 2))]
    planes = _one(rng, (2, 3))
    for rows in _hidden(rng):
        net.dense(rows, lambda r, c: _planes(rng, _map(rng, map_kind, r, c, planes), planes))
    net.dense(10, lambda r, c: _full(rng, r, c), last=True)
    request = FoldingRequest(pe=_one(rng, (2, 4, 8)), simd=_one(rng, (8, 16)))
    return lower(net.graph, request, arg_max=rng.random() < 0.5)


def _unrolled_network(rng: Rng, kind: Kind) -> Graph:
    net = _Network(rng, (_one(rng, (24, 32, 48)),), _one(rng, (1, 2)))
    net.dense(_one(rng, (12, 16, 24)), lambda r, c: _full(rng, r, c))
    net.dense(10, lambda r, c: _full(rng, r, c), last=True)
    return lower(net.graph, FoldingRequest(unroll=True))


def _cnn(rng: Rng, kind: Kind) -> Graph:
    net = _Network(rng, (8, 8, _one(rng, (1, 2, 3))), _one(rng, (2, 4)))
    net.convolution(_one(rng, (8, 16)), _one(rng, (-1, 0)))
    net.add(MaxPool(kernel=(2, 2), stride=(2, 2)))
    net.convolution(16, _one(rng, (-1, 0)))
    net.add(Flatten())
    net.dense(10, lambda r, c: _full(rng, r, c), last=True)
    return lower(net.graph, FoldingRequest(pe=_one(rng, (2, 4)), simd=8))


def _residual(rng: Rng, kind: Kind) -> Graph:
    net = _Network(rng, (8, 8, 4), 2)
    channels = _one(rng, (8, 16))
    stem = net.convolution(channels, -1)
    body = net.convolution(channels, -1)
    del body
    joined = net.add(Add(), stem)
    del joined
    net.activate(channels, 1.0)
    net.add(MaxPool(kernel=(2, 2), stride=(2, 2)))
    net.add(Flatten())
    net.dense(10, lambda r, c: _full(rng, r, c), last=True)
    return lower(net.graph, FoldingRequest(pe=_one(rng, (2, 4)), simd=8))


BUILDERS: dict[Kind, Callable[[Rng, Kind], Graph]] = {
    **dict.fromkeys(
        (
            Kind.BNN,
            Kind.SCORES,
            Kind.HBNN_TILE,
            Kind.HBNN_COLUMN,
            Kind.HBNN_ELEMENT,
            Kind.SLB,
            Kind.FLEXOR,
            Kind.DEEP,
            Kind.INTEGERS,
        ),
        _matrix_unit,
    ),
    Kind.BORDERED: _bordered,
    **dict.fromkeys((Kind.UNROLLED_BNN, Kind.UNROLLED_HBNN, Kind.UNROLLED_SLB), _unrolled),
    Kind.CONVERTER: _converter,
    Kind.WINDOW: _window,
    Kind.PAD: _pad,
    Kind.PAD_PLANES: _pad_planes,
    Kind.POOL: _pool,
    Kind.WINDOW_POOL: _window_pool,
    Kind.THRESHOLD: _threshold,
    Kind.RESCALE: _rescale,
    Kind.ARG_MAX: _arg_max,
    Kind.DECODE: _decode,
    Kind.ADD: _add,
    Kind.CONCAT: _concat,
    Kind.NET_MLP: _mlp,
    Kind.NET_MAPS: _maps,
    Kind.NET_UNROLLED: _unrolled_network,
    Kind.NET_CNN: _cnn,
    Kind.NET_RESIDUAL: _residual,
}


def build(spec: SampleSpec) -> Graph:
    """Build a design: lowered and scheduled."""
    of_kind = zlib.crc32(spec.kind.value.encode())
    return BUILDERS[spec.kind](np.random.default_rng([of_kind, spec.seed]), spec.kind)
