"""FleXOR's stored bits in context: the entropy of the weight bits, Huffman coding, and what decoders cost.

FleXOR stores fewer bits than weights by training weights that an XOR matrix can make of them. Plain
compression of trained bits is what it has to be held against: no prefix code of symbols takes fewer bits than
their entropy (Shannon 1948), and Huffman's code less than one bit a symbol more (Huffman 1952).

Decoders are counted from first principles, as LUTs of six inputs; no synthesis stands behind them here
(``benchmarks/flexor_area.py`` synthesizes FleXOR's).
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Mvtu
from hbnn_hw.planes import Bits
from hbnn_hw.xor_encoding import XorEncoding
from hbnn_hw.xor_wiring import XorWiring, decoder_columns, xor_wirings

LARGEST_SYMBOL = 16
LENGTH_BITS = 5
"""A canonical code is stored as one length for each possible symbol; optimal lengths stay below 2^5 here."""

DECODED_SYMBOL = 8
"""Bits of the symbols whose Huffman decoder is counted, whatever size codes best: a byte, as is usual."""

LUT_INPUTS, LUT_WORDS = 6, 64


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


def entropy_bits(counts: NDArray[np.int64]) -> float:
    """Return the entropy of a string from the counts of its symbols [bit]: no prefix code takes fewer.

    ``-Σ n_s log2(n_s / n)``, the empirical entropy of a symbol times their number.
    """
    used = counts[counts > 0].astype(np.float64)
    return float(-(used * np.log2(used / used.sum())).sum()) + 0.0


def symbol_counts(bits: Bits, symbol_bits: int) -> NDArray[np.int64]:
    """Count the symbols of a bit string, uint8 (n,), cut from its start; int64 (2^symbol_bits,)."""
    whole = len(bits) - len(bits) % symbol_bits
    symbols = bits[:whole].reshape(-1, symbol_bits).astype(np.int64) @ (1 << np.arange(symbol_bits))
    return np.bincount(symbols, minlength=1 << symbol_bits)


def huffman_size(bits: Bits, symbol_bits: int) -> HuffmanSize:
    """Code a bit string, uint8 (n,) of 0 and 1, in symbols of ``symbol_bits`` bits."""
    counts = symbol_counts(bits, symbol_bits)
    coded = int((counts * code_lengths(counts)).sum()) + len(bits) % symbol_bits
    return HuffmanSize(symbol_bits, coded, LENGTH_BITS << symbol_bits)


def smallest_size(bits: Bits) -> HuffmanSize:
    """Return the best of all symbol sizes up to :data:`LARGEST_SYMBOL`."""
    sizes = (huffman_size(bits, symbol_bits) for symbol_bits in range(1, LARGEST_SYMBOL + 1))
    return min(sizes, key=lambda size: size.total_bits)


def gates_of_inputs(n_inputs: int) -> int:
    """LUTs of an XOR of ``n`` inputs, or what splits like it: 0 for a wire, else ``ceil((n - 1) / 5)``."""
    return 0 if n_inputs < 2 else -(-(n_inputs - 1) // (LUT_INPUTS - 1))


def xor_decoder_luts(encoding: XorEncoding, wiring: XorWiring, pe: int) -> int:
    """LUTs of FleXOR's decoder for the lanes of ``pe`` processing elements; equal outputs are made once.

    A lane reads its taps; where planes differ, those of all planes, and which plane it is.
    """
    taps = decoder_columns(encoding, wiring)
    outputs = np.unique(taps.reshape(-1, taps.shape[-1]), axis=1).reshape(*taps.shape[:2], -1)
    choices = (encoding.n_planes - 1).bit_length()
    inputs = outputs.any(axis=0).sum(axis=0) + choices * (outputs != outputs[0]).any(axis=(0, 1))
    one = sum(gates_of_inputs(int(n)) for n in inputs)
    return pe // wiring.group_pes * one


def huffman_decoder_luts(lengths: NDArray[np.int64], symbol_bits: int) -> int:
    """LUTs of a decoder of a canonical code that gives a symbol at every clock.

    A window of L bits, L the longest code: a shifter of L bits by up to L places (four-way choices, one LUT
    each), a comparison of the window with the first code of every length in use (two bits a LUT), a
    subtraction for the symbol's index, and the table of symbols in order of their codes.
    """
    longest, used = int(lengths.max()), np.unique(lengths[lengths > 0])
    places = longest.bit_length()
    shifter = longest * -(-places // 2)
    comparisons = sum(-(-int(length) // 2) for length in used)
    table = -(-int((lengths > 0).sum()) // LUT_WORDS) * symbol_bits
    return shifter + comparisons + longest + table


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCompression:
    """One encoded layer.

    Attributes
    ----------
    name
        The layer.
    weight_bits
        Decoded bits: planes x weights.
    stored_bits
        FleXOR's stored bits, without the XOR matrices, which layers may share.
    memory_bits
        Bits of the hardware's weight memory; above ``stored_bits`` where the folding cannot be fed by whole
        slices, and 0 for an unrolled unit.
    entropy_bits
        Entropy of the decoded bits in the symbols of the Huffman code.
    huffman
        The smallest Huffman code of the decoded bits.
    decoder_luts
        FleXOR's decoder; 0 where the memory holds the weights themselves.
    huffman_luts
        As many Huffman decoders of :data:`DECODED_SYMBOL` bits as give the same lanes at every clock, each
        with a stream of its own; 0 for an unrolled unit.
    """

    name: str
    weight_bits: int
    stored_bits: int
    memory_bits: int
    entropy_bits: float
    huffman: HuffmanSize
    decoder_luts: int
    huffman_luts: int


def network_compression(graph: Graph) -> tuple[LayerCompression, ...]:
    """Describe every layer of a scheduled graph that has encoded weights, in order."""
    return tuple(
        _layer(node, node.op, node.op.weights.encoding)
        for node in graph.hardware_nodes
        if isinstance(node.op, Mvtu) and node.op.weights.encoding is not None
    )


def _layer(node: Node, op: Mvtu, encoding: XorEncoding) -> LayerCompression:
    bits = op.weights.unpacked_bits()
    strings = (bits.ravel(), np.swapaxes(bits, 1, 2).ravel())
    sizes = [smallest_size(string) for string in strings]
    best = min(range(2), key=lambda at: sizes[at].total_bits)
    counts = symbol_counts(strings[best], sizes[best].symbol_bits)
    fold = op.scheduled_folding
    wiring = None if fold.unrolled else next(xor_wirings(encoding, fold), None)
    lanes = 0 if fold.unrolled else fold.pe * fold.simd
    lengths = code_lengths(symbol_counts(strings[best], DECODED_SYMBOL))
    decoders = -(-lanes // DECODED_SYMBOL)
    steps = 0 if fold.unrolled else op.schedule().n_steps
    memory = lanes if wiring is None else fold.pe // wiring.group_pes * wiring.n_slots * encoding.n_in
    return LayerCompression(
        name=node.name,
        weight_bits=bits.size,
        stored_bits=encoding.stored_bits,
        memory_bits=steps * memory,
        entropy_bits=entropy_bits(counts),
        huffman=sizes[best],
        decoder_luts=0 if wiring is None else xor_decoder_luts(encoding, wiring, fold.pe),
        huffman_luts=decoders * huffman_decoder_luts(lengths, DECODED_SYMBOL),
    )


def compression_text(layers: Sequence[LayerCompression]) -> str:
    """Print the layers, a line each; nothing without any."""
    if not layers:
        return ""
    lines = ["compression of weight bits: stored by FleXOR, their entropy, Huffman with its table"]
    for layer in layers:
        share = [
            100 * part / layer.weight_bits
            for part in (layer.stored_bits, layer.entropy_bits, layer.huffman.total_bits)
        ]
        lines.append(
            f"  {layer.name}: {layer.weight_bits} bits; stored {layer.stored_bits} ({share[0]:.0f} %), "
            f"entropy {layer.entropy_bits:.0f} ({share[1]:.1f} %), Huffman {layer.huffman.total_bits} "
            f"({share[2]:.1f} %, symbols of {layer.huffman.symbol_bits}); "
            f"in memory {layer.memory_bits}; decoder ~{layer.decoder_luts} LUT, "
            f"Huffman's ~{layer.huffman_luts}"
        )
    return "\n".join(lines) + "\n"
