"""Many simulations at once: a net's values in 64 of them are the bits of one word."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Bits = NDArray[np.uint8]

WORD_LANES = 64

ALL_LANES = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
"""A 1 in every lane."""


def to_bits(numbers: NDArray[np.integer[Any]], width: int) -> Bits:
    """Bits of integers, least significant first, in a new last axis; two's complement below 0."""
    shifted = np.asarray(numbers, np.int64)[..., np.newaxis] >> np.arange(width)
    return (shifted & 1).astype(np.uint8)


def to_integers(bits: Bits, *, signed: bool = False) -> NDArray[np.int64]:
    """Undo :func:`to_bits` for up to 62 bits."""
    weights = np.int64(1) << np.arange(bits.shape[-1], dtype=np.int64)
    if signed:
        weights[-1] = -weights[-1]
    numbers: NDArray[np.int64] = bits.astype(np.int64) @ weights
    return numbers


def n_words(lanes: int) -> int:
    """Words that hold so many lanes."""
    return -(-lanes // WORD_LANES)


def pack(bits: Bits) -> Words:
    """Pack bits (lanes, n) of 0 and 1 into words (n, words)."""
    lanes, width = bits.shape
    padded = np.zeros((width, n_words(lanes) * WORD_LANES), np.uint8)
    padded[:, :lanes] = bits.T
    return np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64, copy=False)


def unpack(words: Words, lanes: int) -> Bits:
    """Undo :func:`pack`: words (n, words) to bits (lanes, n)."""
    octets = np.ascontiguousarray(words).astype("<u8", copy=False).view(np.uint8)
    bits: Bits = np.unpackbits(octets, axis=1, bitorder="little", count=lanes)
    return bits.T


def masks(bits: Bits) -> Words:
    """Words whose lanes are all 0 or all 1, as the bits are; same shape."""
    spread: Words = np.where(bits != 0, ALL_LANES, np.uint64(0))
    return spread


def select(tables: Words, inputs: Words) -> Words:
    """Look an index up in every lane, for several tables at once.

    Parameters
    ----------
    tables
        Entries (tables, 2**k, words or 1).
    inputs
        Index bits (k, tables, words), least significant first.

    Returns
    -------
    Entries (tables, words).
    """
    for bit in inputs:
        low, high = tables[:, 0::2], tables[:, 1::2]
        tables = low ^ ((low ^ high) & bit[:, np.newaxis])
    found: Words = np.broadcast_to(tables[:, 0], (len(tables), inputs.shape[-1] if len(inputs) else 1))
    return found
