"""Weights as bit-planes with a bit map: one node for all four training methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.planes import Bits, Words, pack, popcount, tail_is_clear, unpack, words_for
from hbnn_hw.xor_encoding import FlattenLayout, XorEncoding

LARGEST_COEFFICIENT = (1 << 31) - 1
"""No coefficient may be larger: sums of 2^32 of them still fit int64."""

_CHUNK = 1 << 20
"""Entries that are unpacked to numbers at once."""


# Without slots, for the cached property.
@dataclass(frozen=True, kw_only=True, eq=False)
class WeightPlanes:
    """A weight matrix ``W[r, j] = sum_p c[p, r] * s_p[r, j]`` with ``s_p`` in {-1, 0, +1}.

    ``s_p[r, j]`` is 0 where the bit map says that the entry has no bit p. Source: HBNN eq. 5; a BNN
    matrix is one full plane. Most methods have one coefficient for each plane, ``c[p, r] = coefficients[p]``;
    FleXOR with several planes has a scale for each plane and output, ``c[p, r] = row_coefficients[p, r]``.

    Attributes
    ----------
    bits
        uint64 (planes, rows, words): the signs, packed along the columns; 0 where the mask is 0.
    masks
        uint64 (planes, rows, words): 1 where the entry has the plane; ``M[r, j]`` is the sum over planes.
    coefficients
        c_p >= 1, one per plane; all 1 where rows have their own.
    columns
        Length of the reduction axis.
    row_coefficients
        int64 (planes, rows), c[p, r] >= 0; None where all rows of a plane share one coefficient.
    encoding
        The stored form that the bits are decoded from (FleXOR), or None. Its planes are full.
    """

    bits: Words
    masks: Words
    coefficients: tuple[int, ...]
    columns: int
    row_coefficients: NDArray[np.int64] | None = None
    encoding: XorEncoding | None = None

    def __post_init__(self) -> None:
        expected = (
            len(self.coefficients),
            self.bits.shape[1] if self.bits.ndim == 3 else 0,
            words_for(self.columns),
        )
        for name in ("bits", "masks"):
            array: Words = getattr(self, name)
            if array.dtype != np.uint64 or array.shape != expected or min(expected) < 1:
                raise ShapeError(
                    f"weight {name} must be uint64 (planes, rows, words) = {expected}, "
                    f"not {array.dtype} {array.shape}"
                )
            if not tail_is_clear(array, self.columns):
                raise RangeError(f"weight {name} must be 0 above column {self.columns}")
        if (self.bits & ~self.masks).any():
            raise RangeError("weight bits must be 0 where the mask is 0")
        self._check_coefficients()
        self._check_encoding()

    def _check_coefficients(self) -> None:
        if any(not 1 <= c <= LARGEST_COEFFICIENT for c in self.coefficients):
            raise RangeError(
                f"plane coefficients must be positive integers below 2^31, not {self.coefficients!s:.60}"
            )
        rows = self.row_coefficients
        if rows is None:
            return
        if rows.dtype != np.int64 or rows.shape != (self.n_planes, self.rows):
            raise ShapeError(
                f"row coefficients must be int64 (planes, rows) = {(self.n_planes, self.rows)}, "
                f"not {rows.dtype} {rows.shape}"
            )
        if rows.min() < 0 or rows.max() > LARGEST_COEFFICIENT:
            raise RangeError(
                f"row coefficients must lie in 0 … 2^31 - 1, not {int(rows.min())} … {int(rows.max())}"
            )
        if any(c != 1 for c in self.coefficients):
            raise RangeError(
                f"plane coefficients must be 1 where rows have their own, not {self.coefficients}"
            )

    def _check_encoding(self) -> None:
        if self.encoding is None:
            return
        layout, shape = self.encoding.layout, (self.n_planes, self.rows, self.columns)
        if (self.encoding.n_planes, layout.rows, layout.columns) != shape:
            raise ShapeError(
                f"the encoding must be of {shape} planes, rows and columns, "
                f"not {(self.encoding.n_planes, layout.rows, layout.columns)}"
            )
        if not self.is_homogeneous or not np.array_equal(self.encoding.decode(), self.bits):
            raise RangeError("encoded weights must have full planes, with the bits that the encoding gives")

    @classmethod
    def from_bits(
        cls,
        bits: ArrayLike,
        masks: ArrayLike,
        coefficients: Sequence[int] | None = None,
        row_coefficients: NDArray[np.int64] | None = None,
    ) -> WeightPlanes:
        """Pack unpacked planes.

        Parameters
        ----------
        bits, masks
            0/1 arrays (planes, rows, columns).
        coefficients
            c_p; 1 for every plane unless told.
        row_coefficients
            int64 (planes, rows), c[p, r], where the rows of a plane differ.
        """
        array = np.asarray(bits)
        return cls(
            bits=pack(array),
            masks=pack(np.asarray(masks)),
            coefficients=(1,) * len(array) if coefficients is None else tuple(int(c) for c in coefficients),
            columns=array.shape[-1],
            row_coefficients=row_coefficients,
        )

    @classmethod
    def from_encoding(
        cls,
        encoding: XorEncoding,
        coefficients: Sequence[int] | None = None,
        row_coefficients: NDArray[np.int64] | None = None,
    ) -> WeightPlanes:
        """Decode the full planes of a stored form; see :meth:`from_bits` for the coefficients."""
        bits = encoding.decode()
        return cls(
            bits=bits,
            masks=full_masks(bits.shape, encoding.layout.columns),
            coefficients=(1,) * len(bits) if coefficients is None else tuple(int(c) for c in coefficients),
            columns=encoding.layout.columns,
            row_coefficients=row_coefficients,
            encoding=encoding,
        )

    def with_encoding(
        self,
        encoded: ArrayLike,
        matrices: Bits,
        layout: FlattenLayout,
        column_order: NDArray[np.int64] | None = None,
    ) -> WeightPlanes:
        """Return the same weights with the stored form that they were decoded from.

        Which rows deployment has turned over, because their scale was negative, is found by comparison.

        Parameters
        ----------
        encoded
            Stored bits, 0/1 (planes, slices, n_in).
        matrices
            uint8 (planes, n_out, n_in), M⊕.
        layout
            Order of the decoded bits.
        column_order
            int64 (columns,): for every column of the IR its column in the layout; None if the same.

        Raises
        ------
        RangeError
            If the stored bits do not give these planes.
        """
        upright = XorEncoding.from_bits(encoded, matrices, layout, column_order=column_order)
        decoded = upright.decode()
        if decoded.shape != self.bits.shape:
            raise ShapeError(f"the encoding must give planes of {self.bits.shape} words, not {decoded.shape}")
        inverted = ((decoded[..., 0] ^ self.bits[..., 0]) & np.uint64(1)).astype(np.bool_)
        encoding = XorEncoding(
            words=upright.words,
            matrices=matrices,
            layout=layout,
            inverted=inverted,
            column_order=upright.column_order,
        )
        return WeightPlanes(
            bits=self.bits,
            masks=self.masks,
            coefficients=self.coefficients,
            columns=self.columns,
            row_coefficients=self.row_coefficients,
            encoding=encoding,
        )

    @property
    def n_planes(self) -> int:
        """Number of planes, the largest bitwidth of any entry."""
        return len(self.coefficients)

    @property
    def rows(self) -> int:
        """Number of rows (outputs)."""
        return int(self.bits.shape[1])

    @property
    def is_homogeneous(self) -> bool:
        """Whether every entry has every plane, so that no mask has to be stored."""
        return int(popcount(self.masks).sum()) == self.n_planes * self.rows * self.columns

    def coefficient_table(self) -> NDArray[np.int64]:
        """Return c[p, r] of every plane and row, int64 (planes, rows)."""
        if self.row_coefficients is not None:
            return self.row_coefficients
        shared = np.asarray(self.coefficients, dtype=np.int64)[:, np.newaxis]
        return np.broadcast_to(shared, (self.n_planes, self.rows))

    def unpacked_bits(self) -> Bits:
        """Signs as uint8 (planes, rows, columns)."""
        return unpack(self.bits, self.columns)

    def unpacked_masks(self) -> Bits:
        """Masks as uint8 (planes, rows, columns)."""
        return unpack(self.masks, self.columns)

    def bit_map(self) -> NDArray[np.int64]:
        """Bits per entry, int64 (rows, columns)."""
        bits = np.empty((self.rows, self.columns), dtype=np.int64)
        for rows in self._row_chunks():
            unpack(self.masks[:, rows], self.columns).sum(axis=0, dtype=np.int64, out=bits[rows])
        return bits

    def bitwidth_counts(self) -> NDArray[np.int64]:
        """Entries with 0, 1, 2 … bits, int64 (planes + 1,)."""
        counts = np.zeros(self.n_planes + 1, dtype=np.int64)
        for rows in self._row_chunks():
            bitwidths = unpack(self.masks[:, rows], self.columns).sum(axis=0, dtype=np.uint8)
            counts += np.bincount(bitwidths.ravel(), minlength=len(counts))
        return counts

    def average_bits(self) -> float:
        """Mean bitwidth over all entries."""
        return float(self.plane_populations().sum() / (self.rows * self.columns))

    def stored_average_bits(self) -> float:
        """Mean number of stored bits an entry, without maps: below :meth:`average_bits` where encoded."""
        return self.average_bits() if self.encoding is None else self.encoding.average_bits

    def plane_populations(self) -> NDArray[np.int64]:
        """Entries present, int64 (planes, rows): popcount of each masked row."""
        return popcount(self.masks)

    def values(self) -> NDArray[np.int64]:
        """The integer matrix, int64 (rows, columns)."""
        values = np.empty((self.rows, self.columns), dtype=np.int64)
        for rows in self._row_chunks():
            values[rows] = self._row_values(rows)
        return values

    def row_magnitudes(self) -> NDArray[np.int64]:
        """Largest possible ``|sum_j W[r, j] * s_j|`` over bipolar s: int64 (rows,)."""
        return self._row_magnitudes

    @cached_property
    def _row_magnitudes(self) -> NDArray[np.int64]:
        # Kept, because every check of a graph asks for the range of every sum.
        magnitudes = np.empty(self.rows, dtype=np.int64)
        for rows in self._row_chunks():
            magnitudes[rows] = np.abs(self._row_values(rows)).sum(axis=1, dtype=np.int64)
        magnitudes.flags.writeable = False
        return magnitudes

    def row_sums(self) -> NDArray[np.int64]:
        """Sum of each row's integers, ``sum_j W[r, j]``: int64 (rows,), without unpacking anything."""
        sums: NDArray[np.int64] = (
            self.coefficient_table() * (2 * popcount(self.bits) - self.plane_populations())
        ).sum(axis=0)
        return sums

    def row_offsets(self, plane_scales: Sequence[int]) -> NDArray[np.int64]:
        """Constant K with ``dot = 2 * agreement - K``: int64 (rows,).

        The agreement sum counts equal bits, ``sum_p sum_q c[p, r] a_q popcount(~(W_p ^ A_q) & m_p)``, which
        is what popcount hardware accumulates; ``K = sum_p c[p, r] popcount(m_p) * sum_q a_q``.
        """
        weighted = (self.coefficient_table() * self.plane_populations()).sum(axis=0)
        offsets: NDArray[np.int64] = weighted * int(sum(plane_scales))
        return offsets

    def _row_chunks(self) -> Iterator[slice]:
        """Cut the rows so that no chunk takes much memory as plain numbers."""
        step = max(1, _CHUNK // self.columns)
        for first in range(0, self.rows, step):
            yield slice(first, first + step)

    def _row_values(self, rows: slice) -> NDArray[np.signedinteger]:
        """Return the integers of some rows, (rows, columns), in the narrowest type that computes fast."""
        table = self.coefficient_table()[:, rows]
        narrow = int(table.sum(axis=0).max()) <= LARGEST_COEFFICIENT
        total = np.zeros((table.shape[1], self.columns), dtype=np.int32 if narrow else np.int64)
        for bits, masks, coefficients in zip(self.bits[:, rows], self.masks[:, rows], table, strict=True):
            # 2 · bit - mask is the sign, and 0 without the plane, because the bit is 0 there.
            signs = unpack(bits, self.columns).view(np.int8)
            signs += signs
            signs -= unpack(masks, self.columns).view(np.int8)
            total += signs * coefficients[:, np.newaxis].astype(total.dtype)
        return total


def full_masks(shape: tuple[int, ...], columns: int) -> Words:
    """Return masks (planes, rows, words) of planes that every entry has."""
    return np.broadcast_to(pack(np.ones(columns, dtype=np.uint8)), shape).copy()
