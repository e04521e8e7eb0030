"""Weights as bit-planes with a bit map: one node for all four training methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.planes import Bits, Words, pack, popcount, tail_is_clear, unpack, words_for


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeightPlanes:
    """A weight matrix ``W[r, j] = sum_p coefficients[p] * s_p[r, j]`` with ``s_p`` in {-1, 0, +1}.

    ``s_p[r, j]`` is 0 where the bit map says that the entry has no bit p. Source: HBNN eq. 5; a BNN
    matrix is one full plane.

    Attributes
    ----------
    bits
        uint64 (planes, rows, words): the signs, packed along the columns; 0 where the mask is 0.
    masks
        uint64 (planes, rows, words): 1 where the entry has the plane; ``M[r, j]`` is the sum over planes.
    coefficients
        c_p >= 1, one per plane.
    columns
        Length of the reduction axis.
    """

    bits: Words
    masks: Words
    coefficients: tuple[int, ...]
    columns: int

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
        if any(c < 1 for c in self.coefficients):
            raise RangeError(f"plane coefficients must be positive integers, not {self.coefficients}")

    @classmethod
    def from_bits(cls, bits: ArrayLike, masks: ArrayLike, coefficients: Sequence[int]) -> WeightPlanes:
        """Pack unpacked planes; ``bits`` and ``masks`` are 0/1 arrays (planes, rows, columns)."""
        array = np.asarray(bits)
        return cls(
            bits=pack(array),
            masks=pack(np.asarray(masks)),
            coefficients=tuple(int(c) for c in coefficients),
            columns=array.shape[-1],
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

    def unpacked_bits(self) -> Bits:
        """Signs as uint8 (planes, rows, columns)."""
        return unpack(self.bits, self.columns)

    def unpacked_masks(self) -> Bits:
        """Masks as uint8 (planes, rows, columns)."""
        return unpack(self.masks, self.columns)

    def bit_map(self) -> NDArray[np.int64]:
        """Bits per entry, int64 (rows, columns)."""
        bits: NDArray[np.int64] = self.unpacked_masks().sum(axis=0, dtype=np.int64)
        return bits

    def average_bits(self) -> float:
        """Mean bitwidth over all entries."""
        return float(self.plane_populations().sum() / (self.rows * self.columns))

    def plane_populations(self) -> NDArray[np.int64]:
        """Entries present, int64 (planes, rows): popcount of each masked row."""
        return popcount(self.masks)

    def values(self) -> NDArray[np.int64]:
        """The integer matrix, int64 (rows, columns)."""
        signs = self.unpacked_masks().astype(np.int64) * (2 * self.unpacked_bits().astype(np.int64) - 1)
        values: NDArray[np.int64] = np.tensordot(
            np.asarray(self.coefficients, dtype=np.int64), signs, axes=(0, 0)
        )
        return values

    def row_magnitudes(self) -> NDArray[np.int64]:
        """Largest possible ``|sum_j W[r, j] * s_j|`` over bipolar s: int64 (rows,)."""
        magnitudes: NDArray[np.int64] = np.abs(self.values()).sum(axis=1)
        return magnitudes

    def row_offsets(self, plane_scales: Sequence[int]) -> NDArray[np.int64]:
        """Constant K with ``dot = 2 * agreement - K``: int64 (rows,).

        The agreement sum counts equal bits, ``sum_p sum_q c_p a_q popcount(~(W_p ^ A_q) & m_p)``, which is
        what popcount hardware accumulates; ``K = sum_p c_p popcount(m_p) * sum_q a_q``.
        """
        weighted = np.asarray(self.coefficients, dtype=np.int64) @ self.plane_populations()
        offsets: NDArray[np.int64] = weighted * int(sum(plane_scales))
        return offsets
