"""Bit-planes in memory: the one law of bit order.

A bipolar plane stores +1 as bit 1 and -1 as bit 0. Bits are packed little-endian along the last
(reduction) axis into 64-bit words: element ``j`` is bit ``j % 64`` of word ``j // 64``. Tail bits of the
last word are 0. Packing is a storage format only; every operator is defined on shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hbnn_hw.errors import RangeError, ShapeError

WORD_BITS = 64

Bits = NDArray[np.uint8]
"""Unpacked bits, one 0 or 1 per element."""

Words = NDArray[np.uint64]
"""Packed bits, little-endian along the last axis."""


def words_for(n: int) -> int:
    """Return how many 64-bit words hold ``n`` bits."""
    return -(-n // WORD_BITS)


def pack(bits: ArrayLike) -> Words:
    """Pack bits along the last axis.

    Parameters
    ----------
    bits
        Array (..., n) of 0 and 1, any integer or bool dtype.

    Returns
    -------
    Words
        uint64 array (..., ceil(n / 64)); tail bits are 0.

    Raises
    ------
    RangeError
        If an entry is neither 0 nor 1.
    """
    array = np.asarray(bits)
    if array.size and not _are_bits(array):
        raise RangeError("bits must be 0 or 1 before they are packed")
    n = array.shape[-1]
    packed = np.packbits(array.astype(np.uint8, copy=False), axis=-1, bitorder="little")
    padded = np.zeros((*array.shape[:-1], words_for(n) * 8), dtype=np.uint8)
    padded[..., : packed.shape[-1]] = packed
    # '<u8' fixes the byte order, so that the same words come out on a big-endian machine.
    return padded.view("<u8").astype(np.uint64, copy=False)


def _are_bits(array: NDArray[Any]) -> bool:
    if array.dtype.kind in "bui":
        # Integers have nothing between 0 and 1, and their extremes need no memory of the array's size.
        return bool(array.min() >= 0 and array.max() <= 1)
    return bool(((array == 0) | (array == 1)).all())


def unpack(words: Words, n: int) -> Bits:
    """Undo :func:`pack`: uint64 (..., words) to uint8 (..., n).

    Raises
    ------
    ShapeError
        If the last axis is not ``words_for(n)`` long.
    """
    if words.shape[-1] != words_for(n):
        raise ShapeError(f"{n} bits need {words_for(n)} words, not {words.shape[-1]}")
    octets = np.ascontiguousarray(words.astype("<u8", copy=False)).view(np.uint8)
    return np.unpackbits(octets, axis=-1, count=n, bitorder="little")


def tail_is_clear(words: Words, n: int) -> bool:
    """Tell whether all bits at and above position ``n`` are 0, as the format demands."""
    if n % WORD_BITS == 0 or not words.size:
        return True
    return not bool((words[..., -1] >> np.uint64(n % WORD_BITS)).any())


def popcount(words: Words) -> NDArray[np.int64]:
    """Count the ones along the last axis: uint64 (..., words) to int64 (...)."""
    ones: NDArray[np.int64] = np.bitwise_count(words).sum(axis=-1, dtype=np.int64)
    return ones


def to_bipolar(bits: Bits) -> NDArray[np.int64]:
    """Map bit 1 to +1 and bit 0 to -1 (int64, same shape)."""
    return 2 * bits.astype(np.int64) - 1


def decode(bits: Bits, scales: Sequence[int]) -> NDArray[np.int64]:
    """Sum bipolar planes: ``value = sum_p scales[p] * (2 * bits[:, p] - 1)``.

    Parameters
    ----------
    bits
        uint8 (batch, planes, ...).
    scales
        Integer scale per plane.

    Returns
    -------
    NDArray
        int64 (batch, ...).
    """
    return np.tensordot(to_bipolar(bits), np.asarray(scales, dtype=np.int64), axes=(1, 0))


def uniform_scales(n_bits: int) -> tuple[int, ...]:
    """Return the plane scales 1, 2, 4, … of an ``n_bits`` uniform code.

    With them ``sum_p 2**p * (2*b_p - 1) = 2*code - (2**n_bits - 1)``.
    """
    return tuple(1 << p for p in range(n_bits))


def code_to_bits(codes: NDArray[np.int64], n_bits: int) -> Bits:
    """Split unsigned codes (batch, ...) into bits (batch, n_bits, ...), least significant plane first."""
    planes = [(codes >> p) & 1 for p in range(n_bits)]
    return np.stack(planes, axis=1).astype(np.uint8)


def to_hex(bits: Bits) -> str:
    """Print a bit vector (n,) as hexadecimal digits, element 0 in the least significant place."""
    value = int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")
    return f"{value:0{max(1, -(-len(bits) // 4))}x}"
