"""Huffman coding of weight bits: the plain compression that FleXOR is compared with.

The reviewers of FleXOR asked whether its bits could not be had by compressing a binary network. So the
signs of every weight plane are cut into symbols of ``s`` bits and coded with the optimal prefix code of
their own frequencies; the code lengths that a decoder needs are counted.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from hbnn_hw import nn as hnn

Bits = NDArray[np.uint8]
LARGEST_SYMBOL = 16
LENGTH_BITS = 5
"""A canonical code is stored as one length for each possible symbol; optimal lengths stay below 2^5 here."""


@dataclass(frozen=True, slots=True)
class HuffmanSize:
    """Size of a coded bit string.

    Attributes
    ----------
    symbol_bits
        s, bits of one symbol.
    coded_bits
        Sum of the code lengths of all symbols, and of the bits that fill no symbol [bit].
    table_bits
        Stored code lengths: ``LENGTH_BITS · 2^s`` [bit].
    """

    symbol_bits: int
    coded_bits: int
    table_bits: int

    @property
    def total_bits(self) -> int:
        """Everything that a decoder needs [bit]."""
        return self.coded_bits + self.table_bits


def code_lengths(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the code length of every symbol, int64 (symbols,) [bit]; 0 where the count is 0.

    A single used symbol gets 1 bit. Source: Huffman 1952.
    """
    lengths = np.zeros(len(counts), np.int64)
    order = itertools.count()
    heap = [(int(counts[s]), next(order), [int(s)]) for s in np.flatnonzero(counts)]
    heapq.heapify(heap)
    if len(heap) == 1:
        lengths[heap[0][2]] = 1
    while len(heap) > 1:
        first, _, left = heapq.heappop(heap)
        second, _, right = heapq.heappop(heap)
        lengths[left + right] += 1
        heapq.heappush(heap, (first + second, next(order), left + right))
    return lengths


def huffman_size(bits: Bits, symbol_bits: int) -> HuffmanSize:
    """Code a bit string, uint8 (n,) of 0 and 1, in symbols of ``symbol_bits`` bits."""
    whole = len(bits) - len(bits) % symbol_bits
    symbols = bits[:whole].reshape(-1, symbol_bits).astype(np.int64) @ (1 << np.arange(symbol_bits))
    counts = np.bincount(symbols, minlength=1 << symbol_bits)
    coded = int((counts * code_lengths(counts)).sum()) + len(bits) - whole
    return HuffmanSize(symbol_bits, coded, LENGTH_BITS << symbol_bits)


def smallest_size(bits: Bits) -> HuffmanSize:
    """Return the best of all symbol sizes up to :data:`LARGEST_SYMBOL`."""
    sizes = (huffman_size(bits, symbol_bits) for symbol_bits in range(1, LARGEST_SYMBOL + 1))
    return min(sizes, key=lambda size: size.total_bits)


def weight_bits(layer: hnn.QuantizedLayer) -> tuple[Bits, Bits]:
    """Return the signs of all planes as bits (1 is +1) in both natural orders: inputs or outputs fastest.

    Entries that a plane does not have are left out; their bit map is not counted.
    """
    signs = layer.planes().signs.numpy().astype(np.int8)
    matrices = signs.reshape(signs.shape[0], signs.shape[1], -1)
    strings = (matrices.ravel(), matrices.transpose(0, 2, 1).ravel())
    rows, columns = ((string[string != 0] > 0).astype(np.uint8) for string in strings)
    return rows, columns


def huffman_bits(model: nn.Module) -> int:
    """Return the size of all quantized weights, each layer with the better order and its own code [bit]."""
    layers = [module for module in model.modules() if isinstance(module, hnn.QuantizedLayer)]
    return sum(min(smallest_size(bits).total_bits for bits in weight_bits(layer)) for layer in layers)
