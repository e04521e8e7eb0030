"""Typed values as the beats of a stream, and back."""

import numpy as np

from hbnn_hw.backends.rtl.rom import concatenate
from hbnn_hw.ops import Op, Tensor
from hbnn_hw.types import Bordered, Integers, PlaneMask, Planes, TensorType


def random_values(rng: np.random.Generator, value: TensorType, n: int) -> np.ndarray:
    """A batch of a type, in the form of :mod:`hbnn_hw.types`; the ends of an integer range are frequent."""
    match value.element:
        case Integers(low, high):
            drawn = rng.integers(low, high + 1, (n, *value.shape))
            ends = rng.choice([low, high], (n, *value.shape))
            return np.where(rng.random((n, *value.shape)) < 0.3, ends, drawn)
        case Planes() as planes:
            bits = rng.integers(0, 2, (n, planes.n_planes, *value.shape), dtype=np.uint8)
            return bits if planes.mask is None else bits & planes.mask.present()
        case Bordered(planes):
            bits = rng.integers(0, 2, (n, planes.n_planes, *value.shape), dtype=np.uint8)
            # All channels of a pixel lie in the frame, or none.
            frame = rng.random((n, 1, *value.shape[:-1], 1)) < 0.4
            frame = np.broadcast_to(frame, (n, 1, *value.shape)).astype(np.uint8)
            return np.concatenate([bits & (1 - frame), frame], axis=1)
    raise AssertionError(value)


def beats_of(value: TensorType, data: np.ndarray, lanes: int) -> list[int]:
    """Words of a batch, sample after sample, ``lanes`` elements each."""
    element = value.element
    if isinstance(element, Integers):
        rows = data.reshape(-1, lanes).tolist()
        return [concatenate([(number, element.bits) for number in row]) for row in rows]
    bits = np.moveaxis(data, 1, -1).reshape(-1, lanes, data.shape[1])
    if not isinstance(element, Bordered):
        return [concatenate([(bit, 1) for bit in row]) for row in bits.reshape(len(bits), -1).tolist()]
    assert (bits[:, :, -1] == bits[:, :1, -1]).all(), "a beat lies in the frame or outside"
    marked = np.concatenate([bits[:, :, :-1].reshape(len(bits), -1), bits[:, 0, -1:]], axis=1)
    return [concatenate([(bit, 1) for bit in row]) for row in marked.tolist()]


def random_mask(
    rng: np.random.Generator, n_planes: int, shape: tuple[int, ...], by_channel: bool
) -> np.ndarray:
    """Nested planes under a random bit map, entries without planes included."""
    bits = np.broadcast_to(rng.integers(0, n_planes + 1, shape[-1:] if by_channel else shape), shape)
    return (bits[np.newaxis] > np.arange(n_planes).reshape(-1, *(1 for _ in shape))).astype(np.uint8)


def random_planes(rng: np.random.Generator, shape: tuple[int, ...], n_planes: int) -> TensorType:
    """Planes of random scales, with a mask or without."""
    scales = tuple(map(int, rng.choice([1, 1, 2, 3, 4, 7, 8], n_planes)))
    if rng.random() < 0.3:
        scales = tuple(1 << plane for plane in range(n_planes))
    masked = rng.random() < 0.5
    mask = PlaneMask.of(random_mask(rng, n_planes, shape, bool(rng.integers(2)))) if masked else None
    return TensorType(shape, Planes(scales, mask))


def operation(
    op: Op, sources: list[TensorType], batches: list[np.ndarray], lanes: list[int]
) -> tuple[list[list[int]], list[int]]:
    """Words of every input, and of the output by the operator's plain meaning; the last lanes are its own."""
    tensors = [Tensor(source, batch) for source, batch in zip(sources, batches, strict=True)]
    words = [beats_of(s, b, n) for s, b, n in zip(sources, batches, lanes, strict=False)]
    return words, beats_of(op.infer(*sources), op.compute(*tensors), lanes[-1])
