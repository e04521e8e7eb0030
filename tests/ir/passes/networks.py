"""Random small networks of every topology, built straight from operators; reproducible by seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import (
    Add,
    Concat,
    Convolution,
    Dense,
    EncodeBitPlanes,
    Flatten,
    MaxPool,
    Op,
    Pad,
    PiecewiseAffine,
    Quantize,
    Rescale,
    Sign,
    SignOfZero,
    SumPool,
    Unflatten,
)
from hbnn_hw.ops.base import integers_of, range_of
from hbnn_hw.types import Integers, TensorType
from tests.graphs import random_affine, random_weights

LARGEST = 1 << 9
"""Integers beyond this are quantized next, so that no sum leaves 32 bits."""

SCALES = [(1,), (1,), (1, 2), (1, 2, 4), (2, 5), (5, 2), (3, 3)]
"""Plane scales, least significant bit of the code first; the values of the last two do not rise."""


def only(graph: Graph, kind: type[Op]) -> list[Op]:
    """All operators of a kind, in order."""
    return [node.op for node in graph.nodes if isinstance(node.op, kind)]


def chain(kind: TensorType, *ops: Op) -> Graph:
    """One operator behind the other; they are called after their kind and place, ``max_pool`` ``pool1``."""
    nodes: list[Node] = []
    for index, op in enumerate(ops):
        source = nodes[-1].name if nodes else "x"
        nodes.append(Node(f"{type(op).__name__.lower()}{index}", op, (source,)))
    return Graph("chain", "x", kind, tuple(nodes))


def bent(rng: np.random.Generator, values: np.ndarray) -> PiecewiseAffine:
    """Continuous functions of one to three pieces that rise or fall throughout, some flat in places.

    Knees and zeros lie at some of the ``values`` (..., channels) that really occur.
    """
    pieces, channels = int(rng.integers(1, 4)), values.shape[-1]
    some = rng.permuted(values.reshape(-1, channels), axis=0)
    knees, zeros = np.sort(np.resize(some, (pieces - 1, channels)), axis=0), some[0]
    alpha = rng.choice([0.0, 0.25, 0.5, 1.0, 3.0], (pieces, channels), p=[0.15, 0.25, 0.2, 0.25, 0.15])
    alpha *= rng.choice([-1.0, 1.0], channels)
    beta = np.zeros((pieces, channels))
    beta[0] = -alpha[0] * zeros
    for k in range(1, pieces):
        beta[k] = beta[k - 1] + (alpha[k - 1] - alpha[k]) * knees[k - 1]
    return PiecewiseAffine(alpha=alpha.astype(np.float32), beta=beta.astype(np.float32), knees=knees)


def random_quantizer(
    rng: np.random.Generator, shape: tuple[int, ...], spread: float, rising: bool = False
) -> Sign | Quantize:
    """A sign, or a quantizer of whole and half boundaries with a map that may differ from pixel to pixel.

    A ``rising`` one commutes with maxima: its values rise with its codes, and it has one map at all pixels.
    """
    if rng.random() < 0.3:
        return Sign(zero=SignOfZero(int(rng.choice([-1, 1]))))
    scales = SCALES[rng.integers(len(SCALES) - (2 if rising else 0))]
    levels = 2 ** len(scales) - 1
    boundaries = np.sort(np.round(rng.normal(0, spread, levels) * 2) / 2)
    if rng.random() < 0.2:
        boundaries[-1] = np.inf
    return Quantize(
        boundaries=boundaries,
        inclusive=rng.integers(0, 2, levels).astype(np.bool_),
        scales=scales,
        mask=random_mask(rng, len(scales), shape, per_pixel=not rising),
    )


def random_mask(
    rng: np.random.Generator, planes: int, shape: tuple[int, ...], per_pixel: bool
) -> np.ndarray | None:
    """No map, one that is the same at every pixel, or one of its own for every element."""
    kind = rng.integers(4 if per_pixel else 3)
    if kind < 2:
        return None
    sides = (1,) * (len(shape) - 1) if kind == 2 else shape[:-1]
    first = rng.integers(0, planes + 1, (*sides, shape[-1]))
    # The most significant planes stay, as in a residual binarization.
    present = np.arange(planes).reshape(-1, *[1] * len(shape)) >= first
    return np.ascontiguousarray(np.broadcast_to(present, (planes, *shape)).astype(np.uint8))


class Builder:
    """Grows a graph by random operators."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        rng = self.rng
        shape = (int(rng.integers(3, 8)), int(rng.integers(3, 7)), int(rng.integers(1, 4)))
        self.n_bits = int(rng.integers(1, 4))
        kind = TensorType((int(np.prod(shape)),), Integers(0, 2**self.n_bits - 1))
        self.graph = Graph("random_network", "x", kind, ())
        self.add(Unflatten(shape=shape))
        if rng.random() < 0.8:
            self.add(EncodeBitPlanes(n_bits=self.n_bits))
        self.branches = [self.name]
        self.codes = rng.integers(0, 2**self.n_bits, (8, *kind.shape))

    @property
    def name(self) -> str:
        return self.graph.nodes[-1].name if self.graph.nodes else "x"

    @property
    def kind(self) -> TensorType:
        return self.graph.output_type

    def add(self, op: Op, *inputs: str) -> None:
        name = f"{type(op).__name__.lower()}{len(self.graph.nodes)}"
        node = Node(name, op, inputs or (self.name,))
        self.graph = Graph(self.graph.name, "x", self.graph.input_type, (*self.graph.nodes, node))

    def magnitude(self) -> int:
        reached = range_of(self.kind)
        return max(-reached.low, reached.high)

    def values(self) -> np.ndarray:
        """What the value is for a few inputs, so that thresholds lie where it is decided."""
        return integers_of(self.graph.run(self.codes))

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def window(self) -> dict[str, tuple[int, ...]]:
        """Kernel, stride and padding of a window that fits."""
        rows, columns, _ = self.kind.shape
        kernel = tuple(int(self.rng.integers(1, min(3, side) + 1)) for side in (rows, columns))
        stride = tuple(int(s) for s in self.rng.integers(1, 3, 2))
        padding = tuple(int(self.rng.integers(0, k)) if self.chance(0.5) else 0 for k in np.repeat(kernel, 2))
        return {"kernel": kernel, "stride": stride, "padding": padding}

    def add_frame(self) -> None:
        padding = tuple(int(p) for p in self.rng.integers(0, 2, 4))
        channels = (0, int(self.rng.integers(0, 2))) if self.chance(0.3) else (0, 0)
        self.add(Pad(padding=padding, channels=channels, value=int(self.rng.integers(-1, 2))))

    def add_convolution(self) -> None:
        if self.chance(0.5):
            self.add_frame()
        rows, columns, channels = self.kind.shape
        dilation = tuple(int(d) for d in self.rng.integers(1, 3, 2))
        kernel = tuple(
            int(self.rng.integers(1, 3)) if side > d else 1
            for side, d in zip((rows, columns), dilation, strict=True)
        )
        groups = channels if self.chance(0.3) else 1
        coefficients = [(1,), (2, 1), (4, 2, 1)][self.rng.integers(3)]
        weights = random_weights(
            self.rng,
            groups * int(self.rng.integers(1, 3 if groups > 1 else 5)),
            kernel[0] * kernel[1] * (channels // groups),
            coefficients,
            zero_bit=True,
        )
        padded = self.chance(0.4)
        op = Convolution(
            weights=weights,
            kernel=kernel,
            stride=tuple(int(s) for s in self.rng.integers(1, 3, 2)),
            padding=tuple(int(p) for p in self.rng.integers(0, 2, 4)) if padded else (0, 0, 0, 0),
            border=int(self.rng.integers(-1, 2)),
            groups=groups,
            dilation=dilation,
        )
        self.add(op)

    def add_pool(self, share: float) -> bool:
        """Max-pooling by chance."""
        pools = self.chance(share)
        if pools:
            self.add(MaxPool(**self.window()))
        return pools

    def add_activation(self) -> None:
        """Pooling, normalization, pooling, quantizer, pooling; each pooling may be missing."""
        self.add_pool(0.4)
        self.add_quantizer(pooled=0.2)
        self.add_pool(0.3)

    def add_quantizer(self, pooled: float = 0.0) -> None:
        """A normalization and a quantizer, with poolings of reals between them by chance."""
        values = self.values()
        spread = max(0.5, float(values.std()))
        if self.chance(0.5):
            self.add(bent(self.rng, values))
        else:
            self.add(random_affine(self.rng, self.kind.shape[-1], spread))
        pools = [pooled > 0 and self.add_pool(pooled) for _ in range(2)]
        self.add(random_quantizer(self.rng, self.kind.shape, spread, rising=any(pools)))

    def add_rescale(self) -> None:
        reached, channels = range_of(self.kind), self.kind.shape[-1]
        pieces = int(self.rng.integers(1, 4))
        self.add(
            Rescale(
                multipliers=self.rng.choice([-5, -3, -1, 0, 1, 2, 4], (pieces, channels)),
                offsets=self.rng.integers(-9, 10, (pieces, channels)),
                knees=np.sort(
                    self.rng.integers(reached.low, reached.high + 1, (pieces - 1, channels)), axis=0
                ),
                shift=int(self.rng.integers(0, 3)),
            )
        )

    def add_join(self) -> None:
        """Come together with a branch of the same shape, or with the value itself."""
        shape = self.kind.shape
        others = [name for name in self.branches if self.graph.types[name].shape[:-1] == shape[:-1]]
        other = others[self.rng.integers(len(others))] if others else self.name
        if self.graph.types[other].shape == shape and self.chance(0.5):
            self.add(Add(), self.name, other)
        else:
            self.add(Concat(), self.name, other)

    def add_step(self) -> None:
        """Add something; a step behind which all inputs look alike would prove nothing and is taken back."""
        self.unless_alike(self.add_anything)

    def unless_alike(self, step: Callable[[], None]) -> None:
        before = self.graph
        step()
        if len(np.unique(self.values().reshape(len(self.codes), -1), axis=0)) < 3:
            self.graph = before

    def add_anything(self) -> None:
        if self.magnitude() > LARGEST or self.chance(0.35):
            self.add_activation()
            return
        steps = [self.add_convolution, self.add_convolution, self.add_join, self.add_rescale, self.add_frame]
        steps += [lambda: self.add_pool(1.0), lambda: self.add(SumPool(**self.window())), self.add_join]
        steps[self.rng.integers(len(steps))]()

    def finish(self) -> Graph:
        self.add(Flatten())
        if self.magnitude() > LARGEST or self.chance(0.5):
            self.unless_alike(self.add_quantizer)
        weights = random_weights(self.rng, 9, self.kind.shape[0], (2, 1), zero_bit=True)
        self.add(Dense(weights=weights))
        if self.chance(0.5):
            self.add(random_affine(self.rng, 9, 2.0))
        return self.graph


def random_network(seed: int, steps: int) -> Graph:
    """Build a captured network: branches, sums, frames, poolings, quantizers of several levels with maps."""
    builder = Builder(seed)
    for _ in range(steps):
        builder.add_step()
        if builder.chance(0.5):
            builder.branches.append(builder.name)
    return builder.finish()
