"""The fixed XOR network of FleXOR: how its matrix is drawn, and what it makes of stored bits.

Source: Lee et al., NeurIPS 2020 (arXiv 2009.04126). Everything here is NumPy and plain: the golden model
that the training layer is tested against. Decoding itself and the order of the weights are the IR's, too,
and stand in :mod:`hbnn_hw.xor_encoding`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from hbnn_hw.planes import Bits
from hbnn_hw.xor_encoding import FlattenLayout, FlattenOrder, decode

__all__ = [
    "FlattenLayout",
    "FlattenOrder",
    "XorScheme",
    "decode",
    "decode_weights",
    "minimum_row_distance",
    "rank",
]

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
