"""The fixed XOR network of FleXOR, and the order in which its outputs become weights.

Source: Lee et al., NeurIPS 2020 (arXiv 2009.04126). Everything here is NumPy and plain: the golden model
that the training layer is tested against.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import combinations
from math import comb, prod

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint8]
"""Values 0 and 1."""

ENUMERATED_ROWS = 4096
"""Up to so many possible rows of fixed weight are listed and drawn from without repetition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XorScheme:
    """How the matrices M⊕ of a layer are drawn: ``y = M⊕ x`` over GF(2) makes n_out weight bits of n_in.

    Attributes
    ----------
    n_in, n_out
        Stored bits and weight bits of one slice, ``1 <= n_in <= n_out``.
    n_taps
        Ones in each row, at random places (2 for the paper's CIFAR-10 and ImageNet networks); 0 for rows of
        independent fair bits (its MNIST network).
    seed
        Of the random matrix. Layers with the same scheme have the same matrix.
    """

    n_in: int = 8
    n_out: int = 10
    n_taps: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.n_in <= self.n_out:
            raise ValueError(f"an XOR matrix must have 1 <= n_in <= n_out, not {self.n_in}, {self.n_out}")
        if not 0 <= self.n_taps <= self.n_in:
            raise ValueError(f"n_taps must lie in 0..{self.n_in}, not {self.n_taps!r}")
        if self.seed < 0:
            raise ValueError(f"the seed of an XOR matrix must not be negative, not {self.seed!r}")

    def draw(self, n_planes: int) -> Bits:
        """Draw one matrix for each plane, uint8 (planes, n_out, n_in).

        Rows of fixed weight repeat only when all have been used, because the paper asks for rows that differ
        in many places. Rows of fair bits are drawn again if they are all zero: such a weight is a constant.
        """
        rng = np.random.default_rng(self.seed)
        rows = self._tapped if self.n_taps else self._fair
        return np.stack([rows(rng) for _ in range(n_planes)])

    def _fair(self, rng: np.random.Generator) -> Bits:
        matrix = rng.integers(0, 2, (self.n_out, self.n_in), dtype=np.uint8)
        while (empty := ~matrix.any(axis=1)).any():
            matrix[empty] = rng.integers(0, 2, (int(empty.sum()), self.n_in), dtype=np.uint8)
        return matrix

    def _tapped(self, rng: np.random.Generator) -> Bits:
        matrix = np.zeros((self.n_out, self.n_in), np.uint8)
        if comb(self.n_in, self.n_taps) <= ENUMERATED_ROWS:
            every = np.array(list(combinations(range(self.n_in), self.n_taps)))
            rounds = -(-self.n_out // len(every))
            order = np.concatenate([rng.permutation(len(every)) for _ in range(rounds)])[: self.n_out]
            np.put_along_axis(matrix, every[order], 1, axis=1)
        else:
            for row in matrix:
                row[rng.choice(self.n_in, self.n_taps, replace=False)] = 1
        return matrix


def rank(matrix: Bits) -> int:
    """Return the rank over GF(2) of a 0/1 matrix (rows, columns): how many stored bits can matter.

    At most n_in - 1 if every row has an even number of taps: then inverting all inputs changes nothing.
    """
    rows = [int("".join(map(str, row)), 2) for row in matrix.tolist()]
    found = 0
    while rows:
        pivot = rows.pop()
        if pivot:
            found += 1
            low = pivot & -pivot
            rows = [row ^ pivot if row & low else row for row in rows]
    return found


def minimum_row_distance(matrix: Bits) -> int:
    """Return the smallest Hamming distance of two rows; 0 if rows repeat, n_in + 1 for a single row."""
    n_rows, n_in = matrix.shape
    pairs = combinations(range(n_rows), 2)
    return min((int((matrix[a] != matrix[b]).sum()) for a, b in pairs), default=n_in + 1)


def decode(encoded: Bits, matrix: Bits) -> Bits:
    """Decode slices over GF(2): uint8 (..., n_in) through (n_out, n_in) to uint8 (..., n_out).

    Source: eq. 2. Bit 1 is +1 and bit 0 is -1: the parity (-1)^(n - 1) of the sign form makes a product of
    n signs the XOR of their bits, without any inversion.
    """
    ones = encoded.astype(np.int64) @ matrix.T.astype(np.int64)
    return (ones & 1).astype(np.uint8)


class FlattenOrder(Enum):
    """In which order the decoded bits, slice after slice, are the weights of a matrix W (out, in).

    PAPER runs through [in, out], output fastest. ROW_MAJOR runs through [out, in], input fastest. WORD
    follows the hardware: see :class:`FlattenLayout`.

    The weights (out, in / groups, height, width) of a convolution are a matrix too, with one row for each
    output channel; :meth:`columns` tells the order of its columns. With it PAPER is the paper's [k, k, C_in,
    C_out] (section 4.3) and ROW_MAJOR the re-implementation's [C_out, C_in, k, k]. In the columns of PAPER
    and WORD all channels of one pixel stand side by side, as a sliding window streams them, so that hardware
    decodes whole words of pe · simd weights in the order in which it needs them.
    """

    PAPER = "paper"
    ROW_MAJOR = "row_major"
    WORD = "word"

    def columns(self, channels: int, *kernel: int) -> NDArray[np.int64]:
        """Return the column of every weight of one output.

        Parameters
        ----------
        channels
            Inputs; for a convolution input channels of one group.
        kernel
            (height, width) of a convolution, nothing for a linear layer.

        Returns
        -------
        int64 (channels, *kernel)
            ROW_MAJOR: ``(c · height + i) · width + j`` for channel c and pixel (i, j). PAPER and WORD:
            ``(i · width + j) · channels + c``. For a linear layer ``c``.
        """
        if self is FlattenOrder.ROW_MAJOR:
            return np.arange(channels * prod(kernel)).reshape(channels, *kernel)
        return np.moveaxis(np.arange(channels * prod(kernel)).reshape(*kernel, channels), -1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlattenLayout:
    """Where each weight is in the stream of decoded bits; the stream has whole slices of ``n_out`` bits.

    Attributes
    ----------
    order
        See :class:`FlattenOrder`.
    rows, columns
        Shape (out, in) of the weights; of a convolution (out, in / groups · height · width), see
        :meth:`FlattenOrder.columns`.
    n_out
        Bits of one slice.
    pe, simd
        Folding of order WORD; ``pe`` divides the rows and ``simd`` the columns. Otherwise 1.

    Notes
    -----
    PAPER: ``position(r, c) = c · rows + r``. ROW_MAJOR: ``position(r, c) = r · columns + c``.

    WORD: hardware reads weights in words of pe · simd bits; W[r, c] is in word
    ``(r // pe) · (columns // simd) + c // simd`` at bit ``(r % pe) · simd + c % simd``. Every word starts at
    a slice of its own, so that it is decoded from ``ceil(pe · simd / n_out)`` slices and nothing else::

        position(r, c) = word · ceil(pe · simd / n_out) · n_out + bit

    What is left of a word's last slice (of the last slice of all, in the other orders) is dropped; nothing
    is lost where n_out divides pe · simd.
    """

    order: FlattenOrder
    rows: int
    columns: int
    n_out: int
    pe: int = 1
    simd: int = 1

    def __post_init__(self) -> None:
        if self.pe < 1 or self.simd < 1 or self.rows % self.pe or self.columns % self.simd:
            raise ValueError(
                f"PE must divide {self.rows} rows and SIMD {self.columns} columns, not {self.pe}, {self.simd}"
            )
        if self.order is not FlattenOrder.WORD and (self.pe, self.simd) != (1, 1):
            raise ValueError(f"PE and SIMD are for order 'word' only, and must be 1 for {self.order.value!r}")

    @property
    def word_bits(self) -> int:
        """Weights that are decoded together: pe · simd, or all of them."""
        return self.pe * self.simd if self.order is FlattenOrder.WORD else self.rows * self.columns

    @property
    def slices_per_word(self) -> int:
        """Slices that one word is decoded from."""
        return -(-self.word_bits // self.n_out)

    @property
    def n_words(self) -> int:
        """Words of the matrix."""
        return self.rows * self.columns // self.word_bits

    @property
    def n_slices(self) -> int:
        """Slices of one plane."""
        return self.n_words * self.slices_per_word

    def positions(self) -> NDArray[np.int64]:
        """Return the place of every weight in the stream, int64 (rows, columns)."""
        r, c = np.ogrid[: self.rows, : self.columns]
        if self.order is FlattenOrder.PAPER:
            return np.asarray(c * self.rows + r, np.int64)
        if self.order is FlattenOrder.ROW_MAJOR:
            return np.asarray(r * self.columns + c, np.int64)
        word = (r // self.pe) * (self.columns // self.simd) + c // self.simd
        bit = (r % self.pe) * self.simd + c % self.simd
        return np.asarray(word * self.slices_per_word * self.n_out + bit, np.int64)


def decode_weights(encoded: Bits, matrices: Bits, layout: FlattenLayout) -> Bits:
    """Decode the weight bits of a layer.

    Parameters
    ----------
    encoded
        uint8 (planes, slices, n_in): the stored bits.
    matrices
        uint8 (planes, n_out, n_in).
    layout
        Order of the decoded bits.

    Returns
    -------
    uint8 (planes, rows, columns); 1 is +1, 0 is -1. Those of a convolution, (planes, out, in / groups,
    height, width), are ``decode_weights(...)[:, :, order.columns(in // groups, height, width)]``.
    """
    streams = [decode(bits, matrix).ravel() for bits, matrix in zip(encoded, matrices, strict=True)]
    return np.stack(streams)[:, layout.positions()]
