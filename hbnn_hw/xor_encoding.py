"""FleXOR's stored form of weight planes: fewer bits than weights, a fixed XOR matrix, and an order.

``y = M⊕ x`` over GF(2) makes n_out weight bits of every slice x of n_in stored bits; a layout tells which
weight each of them is. This is the one home of that arithmetic: training, the IR, its files and the golden
model of the hardware decode here. Source: Lee et al., NeurIPS 2020 (arXiv 2009.04126), eq. 2, section 4.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.planes import Bits, Words, pack, tail_is_clear, unpack, words_for

_CHUNK = 1 << 22
"""Numbers of a product that are in memory at once."""


def decode(encoded: Bits, matrix: Bits) -> Bits:
    """Decode slices over GF(2): uint8 (..., n_in) through (n_out, n_in) to uint8 (..., n_out).

    Source: eq. 2. Bit 1 is +1 and bit 0 is -1: the parity (-1)^(n - 1) of the sign form makes a product of
    n signs the XOR of their bits, without any inversion.
    """
    n_out, n_in = matrix.shape
    slices = encoded.reshape(-1, n_in)
    result = np.empty((len(slices), n_out), np.uint8)
    taps = matrix.T.astype(np.float32)
    step = max(1, _CHUNK // (n_in + n_out))
    for first in range(0, len(slices), step):
        # Counts of at most n_in ones are exact in float32, whose products are the fastest.
        ones = slices[first : first + step].astype(np.float32) @ taps
        result[first : first + step] = ones.astype(np.int32) & 1
    return result.reshape(*encoded.shape[:-1], n_out)


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

    def positions(self, of_rows: slice = slice(None)) -> NDArray[np.int64]:
        """Return the place of every weight of some rows in the stream, int64 (rows, columns)."""
        r, c = np.ogrid[: self.rows, : self.columns]
        r = r[of_rows]
        if self.order is FlattenOrder.PAPER:
            return np.asarray(c * self.rows + r, np.int64)
        if self.order is FlattenOrder.ROW_MAJOR:
            return np.asarray(r * self.columns + c, np.int64)
        word = (r // self.pe) * (self.columns // self.simd) + c // self.simd
        bit = (r % self.pe) * self.simd + c % self.simd
        return np.asarray(word * self.slices_per_word * self.n_out + bit, np.int64)

    def arranged(self, decoded: Bits) -> Bits:
        """Bring decoded slices, uint8 (slices, n_out), into the matrix, uint8 (rows, columns).

        The same as ``decoded.ravel()[positions()]`` without an index for every weight.
        """
        words = decoded.reshape(self.n_words, -1)[:, : self.word_bits]
        if self.order is FlattenOrder.PAPER:
            return words.reshape(self.columns, self.rows).T
        if self.order is FlattenOrder.ROW_MAJOR:
            return words.reshape(self.rows, self.columns)
        tiles = words.reshape(self.rows // self.pe, self.columns // self.simd, self.pe, self.simd)
        return tiles.transpose(0, 2, 1, 3).reshape(self.rows, self.columns)


def channels_first(columns: int, channels: int) -> NDArray[np.int64]:
    """Return the column order of an image or kernel that the encoding has channels first, int64 (columns,).

    The IR's column ``pixel · channels + k`` is the encoding's column ``k · pixels + pixel``.
    """
    return np.arange(columns, dtype=np.int64).reshape(channels, -1).T.ravel()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class XorEncoding:
    """The stored bits of all planes of one weight matrix, and how they become the planes.

    Attributes
    ----------
    words
        uint64 (planes, words): the stored bits of each plane, slice after slice, packed.
    matrices
        uint8 (planes, n_out, n_in) of 0 and 1: M⊕, row i holds the taps of output i.
    layout
        Which weight each decoded bit is.
    inverted
        bool (planes, rows): rows whose decoded bits are turned over, where deployment has moved the sign of a
        scale into the weights.
    column_order
        int64 (columns,): for every column of the IR its column in the layout, a permutation; None where they
        are the same. The IR has channels innermost: see :func:`channels_first`.
    """

    words: Words
    matrices: Bits
    layout: FlattenLayout
    inverted: NDArray[np.bool_]
    column_order: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        layout, matrices = self.layout, self.matrices
        if matrices.dtype != np.uint8 or matrices.ndim != 3 or not matrices.size:
            raise ShapeError(
                f"XOR matrices must be uint8 (planes, n_out, n_in), not {matrices.dtype} {matrices.shape}"
            )
        if matrices.max() > 1:
            raise RangeError("an XOR matrix must hold 0 and 1 only")
        if min(layout.rows, layout.columns) < 1 or layout.n_out != self.n_out:
            raise ShapeError(f"the layout of XOR matrices with {self.n_out} outputs must fit, not {layout}")
        words = (self.n_planes, words_for(layout.n_slices * self.n_in))
        if self.words.dtype != np.uint64 or self.words.shape != words:
            raise ShapeError(
                f"encoded bits must be uint64 (planes, words) = {words}, "
                f"not {self.words.dtype} {self.words.shape}"
            )
        if not tail_is_clear(self.words, layout.n_slices * self.n_in):
            raise RangeError("encoded bits must be 0 above the last slice")
        if self.inverted.dtype != np.bool_ or self.inverted.shape != (self.n_planes, layout.rows):
            raise ShapeError(
                f"inverted rows must be bool (planes, rows) = {(self.n_planes, layout.rows)}, "
                f"not {self.inverted.dtype} {self.inverted.shape}"
            )
        self._check_order()

    def _check_order(self) -> None:
        order, columns = self.column_order, self.layout.columns
        if order is None:
            return
        if order.dtype != np.int64 or order.shape != (columns,):
            raise ShapeError(f"the column order must be int64 ({columns},), not {order.dtype} {order.shape}")
        if not np.array_equal(np.sort(order), np.arange(columns)):
            raise RangeError(f"the column order must be a permutation of {columns} columns")

    @classmethod
    def from_bits(
        cls,
        encoded: ArrayLike,
        matrices: Bits,
        layout: FlattenLayout,
        *,
        inverted: NDArray[np.bool_] | None = None,
        column_order: NDArray[np.int64] | None = None,
    ) -> XorEncoding:
        """Pack stored bits, 0/1 (planes, slices, n_in); no row is inverted unless told."""
        bits = np.asarray(encoded)
        if bits.ndim != 3 or bits.shape[1:] != (layout.n_slices, matrices.shape[-1]):
            expected = (len(matrices), layout.n_slices, matrices.shape[-1])
            raise ShapeError(f"encoded bits must be (planes, slices, n_in) = {expected}, not {bits.shape}")
        same = column_order is None or np.array_equal(column_order, np.arange(layout.columns))
        return cls(
            words=pack(bits.reshape(len(bits), -1)),
            matrices=matrices,
            layout=layout,
            inverted=np.zeros((len(bits), layout.rows), np.bool_) if inverted is None else inverted,
            column_order=None if same else column_order,
        )

    @property
    def n_planes(self) -> int:
        """Number of planes."""
        return len(self.matrices)

    @property
    def n_in(self) -> int:
        """Stored bits of a slice."""
        return int(self.matrices.shape[2])

    @property
    def n_out(self) -> int:
        """Weight bits of a slice."""
        return int(self.matrices.shape[1])

    @property
    def stored_bits(self) -> int:
        """Stored bits of all planes [bit], those of dropped outputs included."""
        return self.n_planes * self.layout.n_slices * self.n_in

    @property
    def average_bits(self) -> float:
        """Stored bits for each weight [bit]; at least planes · n_in / n_out."""
        return self.stored_bits / (self.layout.rows * self.layout.columns)

    def encoded_bits(self, plane: int) -> Bits:
        """Return the stored bits of a plane, uint8 (slices, n_in)."""
        n_slices = self.layout.n_slices
        return unpack(self.words[plane], n_slices * self.n_in).reshape(n_slices, self.n_in)

    def decode(self) -> Words:
        """Return the bits of the weight planes in the IR's order, uint64 (planes, rows, words)."""
        return np.stack([pack(self._decode_plane(plane)) for plane in range(self.n_planes)])

    def _decode_plane(self, plane: int) -> Bits:
        bits = self.layout.arranged(decode(self.encoded_bits(plane), self.matrices[plane]))
        if self.column_order is not None:
            bits = np.take(bits, self.column_order, axis=1)
        return bits ^ self.inverted[plane, :, np.newaxis]
