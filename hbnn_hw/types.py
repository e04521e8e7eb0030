"""Types of IR values: a shape and an element type that says exactly what the numbers mean."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hbnn_hw.errors import RangeError, ShapeError

LARGEST_MASK = 1 << 26
"""Entries of the largest activation map: types are inferred from files, which may promise anything."""


def check_mask_size(n_entries: int) -> None:
    """Raise RangeError before an activation map is made that would be too large."""
    if n_entries > LARGEST_MASK:
        raise RangeError(f"an activation map must have at most {LARGEST_MASK} entries, not {n_entries}")


@dataclass(frozen=True, slots=True)
class PlaneMask:
    """Which elements have which planes: an activation map, part of a value's type.

    Attributes
    ----------
    shape
        (planes, *shape of the value).
    packed
        Its bits, 1 where the element has the plane, in C order, little-endian within a byte.
    """

    shape: tuple[int, ...]
    packed: bytes

    @classmethod
    def of(cls, present: ArrayLike) -> PlaneMask | None:
        """Pack an array (planes, *shape) of 0 and 1; None if every element has every plane."""
        array = np.asarray(present)
        check_mask_size(array.size)
        array = array.astype(bool)
        if array.all():
            return None
        return cls(array.shape, np.packbits(array, bitorder="little").tobytes())

    def present(self) -> NDArray[np.uint8]:
        """Unpack to uint8 (planes, *shape)."""
        octets = np.frombuffer(self.packed, dtype=np.uint8)
        return np.unpackbits(octets, count=prod(self.shape), bitorder="little").reshape(self.shape)

    def average_bits(self) -> float:
        """Mean bits per element."""
        return float(self.present().sum() / prod(self.shape[1:]))


@dataclass(frozen=True, slots=True)
class Planes:
    """Bipolar bit-planes; an element's value is ``sum_p scales[p] * s_p`` with ``s_p`` in {-1, +1}.

    At run time: uint8 bits (batch, planes, *shape).

    Attributes
    ----------
    scales
        Integer factor of each plane, from 1.
    mask
        Which elements have which planes: ``s_p`` is 0, and so is its bit, where one does not. None where
        every element has all of them.
    """

    scales: tuple[int, ...]
    mask: PlaneMask | None = None

    def __post_init__(self) -> None:
        if not self.scales or any(scale < 1 for scale in self.scales):
            raise RangeError(f"plane scales must be positive integers, not {self.scales}")
        if self.mask is not None and self.mask.shape[0] != len(self.scales):
            raise ShapeError(f"{len(self.scales)} planes need as many masks, not {self.mask.shape[0]}")

    def values(self, bits: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Decode uint8 bits (batch, planes, *shape) to int64 (batch, *shape)."""
        signs = 2 * bits.astype(np.int64) - 1
        if self.mask is not None:
            signs *= self.mask.present()
        return np.tensordot(signs, np.asarray(self.scales, dtype=np.int64), axes=(1, 0))

    @property
    def n_planes(self) -> int:
        """Number of planes, which is also the number of bits per element."""
        return len(self.scales)

    @property
    def bits(self) -> int:
        """Bits per element on a stream."""
        return self.n_planes

    @property
    def largest(self) -> int:
        """Largest magnitude that an element can take."""
        return sum(self.scales)


@dataclass(frozen=True, slots=True)
class Bordered:
    """Planes of an image in a frame of nothing: elements of the frame count as 0.

    At run time: uint8 bits (batch, planes + 1, *shape); the last is 1 in the frame, where the others are 0.
    On a stream, one such bit a beat tells that the beat lies in the frame.

    Attributes
    ----------
    planes
        Element type inside the frame; every element has every plane.
    """

    planes: Planes

    def __post_init__(self) -> None:
        if self.planes.mask is not None:
            raise RangeError("a frame of nothing needs planes that every element has, not planes with a map")

    def values(self, bits: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Decode uint8 bits (batch, planes + 1, *shape) to int64 (batch, *shape)."""
        return self.planes.values(bits[:, :-1]) * (1 - bits[:, -1].astype(np.int64))

    @property
    def bits(self) -> int:
        """Bits per element on a stream, without the one that the elements of a beat share."""
        return self.planes.n_planes


@dataclass(frozen=True, slots=True)
class Integers:
    """Integers in ``low <= value <= high``. At run time: int64 (batch, *shape)."""

    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise RangeError(f"an integer range must not be empty, not [{self.low}, {self.high}]")

    @property
    def signed(self) -> bool:
        """Whether negative values occur."""
        return self.low < 0

    @property
    def bits(self) -> int:
        """Smallest two's complement (signed) or plain (unsigned) width that holds the range."""
        if not self.signed:
            return max(1, self.high.bit_length())
        return max(self.high.bit_length(), (-self.low - 1).bit_length()) + 1


@dataclass(frozen=True, slots=True)
class Reals:
    """Real numbers, float64 (batch, *shape) at run time; never inside the hardware."""

    @property
    def bits(self) -> int:
        """Real values have no width in hardware; asking for one is an error of the caller."""
        raise RangeError("real values have no width in hardware; lower the graph first")


Element = Planes | Bordered | Integers | Reals


@dataclass(frozen=True, slots=True)
class TensorType:
    """Shape (without the batch axis) and element type of one IR value."""

    shape: tuple[int, ...]
    element: Element

    def __post_init__(self) -> None:
        if any(extent < 1 for extent in self.shape):
            raise ShapeError(f"every extent of a shape must be at least 1, not {self.shape}")
        mask = self.element.mask if isinstance(self.element, Planes) else None
        if mask is not None and mask.shape[1:] != self.shape:
            raise ShapeError(f"a mask of {mask.shape[1:]} does not fit a value of {self.shape}")

    @property
    def n_elements(self) -> int:
        """Number of elements of one sample."""
        return prod(self.shape)
