"""Windows, frames and poolings with random images, as words of their streams; for both simulators."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from hbnn_hw.backends.rtl import pad, pad_planes, pool, sliding_window, window_pool
from hbnn_hw.backends.rtl.rom import concatenate
from hbnn_hw.folding import divisors
from hbnn_hw.ops import Pad, PadPlanes, Pool, PoolKind, SlidingWindow, Tensor, WindowPool
from hbnn_hw.ops.base import StreamOp
from hbnn_hw.types import Bordered, Integers, Planes, TensorType

MODULES: dict[type[StreamOp], ModuleType] = {
    Pad: pad,
    PadPlanes: pad_planes,
    Pool: pool,
    SlidingWindow: sliding_window,
    WindowPool: window_pool,
}

BIT, CODE, LEVELS, TIES = Planes((1,)), Planes((1, 2)), Planes((3, 2, 1)), Planes((1, 1))
BYTE, COUNT, WORD = Integers(-128, 127), Integers(0, 10), Integers(-(2**31), 2**31 - 1)
SCALES = [(1,), (3,), (1, 2), (1, 2, 4), (2, 1), (1, 1), (3, 2, 1), (5, 1, 1, 2), (1,) * 7]
RANGES = [(0, 1), (-1, 0), (0, 0), (-4, 3), (-5, 9), (3, 17), (-(2**31), 2**31 - 1), (-9, -2), (0, 700)]


@dataclass(frozen=True)
class Case:
    """An operator and the type of its input."""

    op: StreamOp
    source: TensorType

    def unit(self):
        """A new unit of the operator."""
        return MODULES[type(self.op)].build(self.op, self.source)

    def words(self, n: int, seed: int = 0) -> tuple[list[int], list[int]]:
        """Beats of ``n`` random images, and those that have to come out."""
        data = random_data(np.random.default_rng(seed), self.source, self.op.lanes, n)
        result = self.op.run(Tensor(self.source, data))
        return beats(self.source, data, self.op.lanes), beats(result.type, result.data, self.op.lanes)


def random_data(rng, value: TensorType, lanes: int, n: int) -> np.ndarray:
    """Run-time data of a type; the ends of a range, equal elements and beats in a frame are frequent."""
    match value.element:
        case Integers(low, high):
            drawn = rng.integers(low, high + 1, (n, *value.shape))
            ends = rng.choice([low, high], (n, *value.shape))
            return np.where(rng.random((n, *value.shape)) < 0.4, ends, drawn)
        case Planes() as planes:
            return rng.integers(0, 2, (n, planes.n_planes, *value.shape), dtype=np.uint8)
        case Bordered(planes):
            bits = rng.integers(0, 2, (n, planes.n_planes, *value.shape), dtype=np.uint8)
            beat = (n, 1, *value.shape[:2], value.shape[2] // lanes)
            frame = np.repeat(rng.random(beat) < 0.6, lanes, axis=-1).astype(np.uint8)
            return np.concatenate([bits & (1 - frame), frame], axis=1)
    raise AssertionError(value)


def beats(value: TensorType, data: np.ndarray, lanes: int) -> list[int]:
    """Join the elements of every beat, lane 0 first, and the mark of a frame above them."""
    if isinstance(value.element, Integers):
        bits = value.element.bits
        return [concatenate([(one, bits) for one in row]) for row in data.reshape(-1, lanes).tolist()]
    n_planes = value.element.bits
    rows = np.moveaxis(data, 1, -1).reshape(-1, lanes, data.shape[1])
    words = [concatenate([(bit, 1) for bit in row.reshape(-1)]) for row in rows[:, :, :n_planes]]
    marks = rows[:, 0, n_planes] if isinstance(value.element, Bordered) else np.zeros(len(rows), dtype=int)
    return [word | int(mark) << lanes * n_planes for word, mark in zip(words, marks, strict=True)]


def window(shape, element, kernel, stride=(1, 1), dilation=(1, 1), *, block, lanes) -> Case:
    op = SlidingWindow(kernel=kernel, stride=stride, dilation=dilation, block=block, lanes=lanes)
    return Case(op, TensorType(shape, element))


def pooling(shape, element, kernel, stride=None, kind=PoolKind.MAX, smallest=None, *, lanes) -> Case:
    op = Pool(kind=kind, kernel=kernel, stride=stride or kernel, smallest=smallest, lanes=lanes)
    return Case(op, TensorType(shape, element))


def window_pooling(shape, element, n, kind=PoolKind.MAX, smallest=None, *, lanes) -> Case:
    """A pooling of windows of ``n`` elements over an image of ``shape``."""
    op = WindowPool(kind=kind, window=n, block=lanes, smallest=smallest, lanes=lanes)
    return Case(op, TensorType((*shape[:2], shape[2] * n), element))


# --- random cases


def random_element(rng, *kinds: type):
    """An element type of one of some kinds."""
    kind = kinds[rng.integers(len(kinds))]
    if kind is Integers:
        return Integers(*RANGES[rng.integers(len(RANGES))])
    planes = Planes(SCALES[rng.integers(len(SCALES))])
    return Bordered(planes) if kind is Bordered else planes


def random_shape(rng) -> tuple[int, ...]:
    return (*map(int, rng.integers(1, 8, 2)), int(rng.choice([1, 2, 3, 4, 6])))


def random_lanes(rng, channels: int) -> int:
    return int(rng.choice(divisors(channels)))


def random_window(rng) -> Case:
    shape = random_shape(rng)
    kernel, dilation = [], []
    for side in shape[:2]:
        dilation.append(int(rng.integers(1, 4)))
        kernel.append(int(rng.integers(1, min(4, (side - 1) // dilation[-1] + 1) + 1)))
    stride = tuple(map(int, rng.integers(1, 4, 2)))
    block = random_lanes(rng, shape[2])
    element = random_element(rng, Planes, Bordered, Integers)
    lanes = random_lanes(rng, block)
    return window(shape, element, tuple(kernel), stride, tuple(dilation), block=block, lanes=lanes)


def random_frame(rng) -> Case:
    shape, padding = random_shape(rng), tuple(map(int, rng.integers(0, 3, 4)))
    shape = (min(shape[0], 4), min(shape[1], 5), shape[2])
    lanes = random_lanes(rng, shape[2])
    if rng.random() < 0.5:
        element = random_element(rng, Planes)
        frame = None if rng.random() < 0.5 else tuple(map(int, rng.integers(0, 2, element.n_planes)))
        return Case(PadPlanes(padding=padding, frame=frame, lanes=lanes), TensorType(shape, element))
    channels = tuple(int(count) * lanes for count in rng.integers(0, 3, 2))
    value = int(rng.choice([0, -1, 1, 300, -300, -(2**33)]))
    source = TensorType(shape, random_element(rng, Planes, Bordered, Integers))
    return Case(Pad(padding=padding, channels=channels, value=value, lanes=lanes), source)


def random_smallest(rng, kind: PoolKind, channels: int):
    return None if kind is PoolKind.SUM or rng.random() < 0.4 else rng.random(channels) < 0.5


def random_pooling(rng) -> Case:
    shape, kind = random_shape(rng), list(PoolKind)[rng.integers(2)]
    kernel = tuple(int(rng.integers(1, min(side, 3) + 1)) for side in shape[:2])
    stride = tuple(side + int(rng.choice([0, 0, 1, 3])) for side in kernel)
    smallest, element = random_smallest(rng, kind, shape[2]), random_element(rng, Planes, Integers)
    return pooling(shape, element, kernel, stride, kind, smallest, lanes=random_lanes(rng, shape[2]))


def random_window_pooling(rng) -> Case:
    rows, columns, channels = random_shape(rng)
    kind, n = list(PoolKind)[rng.integers(2)], int(rng.integers(1, 6))
    smallest = random_smallest(rng, kind, channels)
    element = random_element(rng, Planes, Bordered, Integers)
    return window_pooling(
        (min(rows, 3), min(columns, 3), channels),
        element,
        n,
        kind,
        smallest,
        lanes=random_lanes(rng, channels),
    )
