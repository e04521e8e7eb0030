"""Weights as files have them: only the bits that exist.

A plane's bits are stored for the entries that have it, and its map over the entries that have the plane
before it, so that a map that is full costs nothing. Encoded weights are stored as their encoding alone, and
their planes are decoded on reading. All streams are packed little-endian into octets, rows one after the
other, planes one after the other, without gaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.codec import Forms, Spend, StoredForm
from hbnn_hw.errors import GraphError
from hbnn_hw.planes import Bits, Words, pack, unpack, words_for
from hbnn_hw.weights import WeightPlanes
from hbnn_hw.xor_encoding import FlattenLayout, XorEncoding, channels_first

Octets = NDArray[np.uint8]
"""Packed bits, eight to a byte, the first in the least significant place."""


class MapForm(Enum):
    """What is stored of the map of one plane."""

    FULL = "full"
    """Nothing: all entries that have the plane before it have it, too; of the first plane, all entries."""
    NESTED = "nested"
    """One bit for each entry that has the plane before it; no other entry has the plane."""
    FREE = "free"
    """One bit for each entry of the matrix."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredEncoding:
    """See :class:`~hbnn_hw.xor_encoding.XorEncoding`.

    Attributes
    ----------
    layout
        Rows, columns, n_out and order.
    n_in
        Stored bits of a slice.
    bits
        Stored bits of all planes, slice after slice.
    matrices
        0/1 (planes, n_out, n_in).
    inverted
        (planes, rows); None where no row is.
    channels
        Channels of :func:`~hbnn_hw.xor_encoding.channels_first`, if the column order is that; else 1.
    column_order
        Any other order.
    """

    layout: FlattenLayout
    n_in: int
    bits: Octets
    matrices: Bits
    inverted: NDArray[np.bool_] | None = None
    channels: int = 1
    column_order: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredWeights:
    """See :class:`~hbnn_hw.weights.WeightPlanes`.

    Attributes
    ----------
    rows, columns
        Shape.
    coefficients
        One for each plane.
    maps
        What is stored of each plane's map; empty where the weights are encoded.
    map_bits
        The maps.
    bits
        The signs of the entries that have a plane.
    row_coefficients, encoding
        None where the weights have none.
    """

    rows: int
    columns: int
    coefficients: tuple[int, ...]
    maps: tuple[MapForm, ...] = ()
    map_bits: Octets | None = None
    bits: Octets | None = None
    row_coefficients: NDArray[np.int64] | None = None
    encoding: StoredEncoding | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeightsOfVersion1:
    """All bits and masks as packed words, as :class:`~hbnn_hw.weights.WeightPlanes` has them."""

    bits: Words
    masks: Words
    coefficients: tuple[int, ...]
    columns: int


class _BitStream:
    """Bits taken from octets one run after the other."""

    def __init__(self, octets: Octets | None) -> None:
        self._octets = np.empty(0, np.uint8) if octets is None else octets
        self._position = 0
        if self._octets.ndim != 1:
            raise GraphError(f"packed bits must be one run of octets, not of shape {self._octets.shape}")

    def take(self, n: int) -> Bits:
        """Return the next ``n`` bits, uint8 (n,)."""
        first, end = self._position, self._position + n
        if end > 8 * self._octets.size:
            raise GraphError(f"packed bits must hold {end} bits, not {8 * self._octets.size}")
        self._position = end
        octets = self._octets[first // 8 : -(-end // 8)]
        return np.unpackbits(octets, count=end - first // 8 * 8, bitorder="little")[first % 8 :]

    def finish(self) -> None:
        """Raise GraphError unless less than an octet of zeros is left."""
        left = 8 * self._octets.size - self._position
        if left > 7 or self.take(left).any():
            raise GraphError(
                f"packed bits must end with zeros up to the next octet, not with {left} bits more"
            )


def _octets(bits: list[Bits]) -> Octets:
    return np.packbits(np.concatenate(bits), bitorder="little")


def store_weights(weights: WeightPlanes) -> StoredWeights:
    """Return what a file holds of weights."""
    common = StoredWeights(
        rows=weights.rows,
        columns=weights.columns,
        coefficients=weights.coefficients,
        row_coefficients=weights.row_coefficients,
        encoding=None if weights.encoding is None else store_encoding(weights.encoding),
    )
    return common if weights.encoding else _with_planes(common, weights)


def _with_planes(common: StoredWeights, weights: WeightPlanes) -> StoredWeights:
    maps: list[MapForm] = []
    map_bits: list[Bits] = []
    bits: list[Bits] = []
    before = np.ones(weights.rows * weights.columns, dtype=np.bool_)
    for plane, signs in zip(weights.masks, weights.bits, strict=True):
        mask = unpack(plane, weights.columns).ravel().view(np.bool_)
        form = _form_of(mask, before)
        maps.append(form)
        if form is not MapForm.FULL:
            map_bits.append((mask[before] if form is MapForm.NESTED else mask).view(np.uint8))
        bits.append(unpack(signs, weights.columns).ravel()[mask])
        before = mask
    return StoredWeights(
        rows=common.rows,
        columns=common.columns,
        coefficients=common.coefficients,
        maps=tuple(maps),
        map_bits=_octets(map_bits) if map_bits else None,
        bits=_octets(bits),
        row_coefficients=common.row_coefficients,
    )


def _form_of(mask: NDArray[np.bool_], before: NDArray[np.bool_]) -> MapForm:
    if np.array_equal(mask, before):
        return MapForm.FULL
    return MapForm.FREE if (mask > before).any() else MapForm.NESTED


def restore_weights(stored: StoredWeights, spend: Spend) -> WeightPlanes:
    """Return the weights of a file.

    Raises
    ------
    GraphError
        If the parts do not fit, or would take more memory than ``spend`` allows.
    """
    rows, columns, n_planes = stored.rows, stored.columns, len(stored.coefficients)
    if min(rows, columns, n_planes) < 1:
        raise GraphError(f"weights must have planes, rows and columns, not {(n_planes, rows, columns)}")
    # Packed bits and masks, and a few arrays with an octet for each entry on the way.
    spend(16 * n_planes * rows * words_for(columns) + 4 * rows * columns)
    if stored.encoding is None:
        return _planes_of(stored)
    if stored.maps or stored.map_bits is not None or stored.bits is not None:
        raise GraphError("encoded weights must not be stored a second time, as planes")
    layout = stored.encoding.layout
    if (layout.rows, layout.columns) != (rows, columns):
        raise GraphError(f"the layout of encoded weights must be {rows} × {columns}, not {layout}")
    encoding = restore_encoding(stored.encoding, n_planes, spend)
    return WeightPlanes.from_encoding(encoding, stored.coefficients, stored.row_coefficients)


def _planes_of(stored: StoredWeights) -> WeightPlanes:
    rows, columns = stored.rows, stored.columns
    if len(stored.maps) != len(stored.coefficients):
        raise GraphError(f"{len(stored.coefficients)} planes must have as many maps, not {len(stored.maps)}")
    map_stream, bit_stream = _BitStream(stored.map_bits), _BitStream(stored.bits)
    mask = np.ones(rows * columns, dtype=np.bool_)
    bits: list[Words] = []
    masks: list[Words] = []
    for form in stored.maps:
        mask = _next_mask(form, mask, map_stream)
        signs = np.zeros(mask.shape, dtype=np.uint8)
        signs[mask] = bit_stream.take(int(np.count_nonzero(mask)))
        bits.append(pack(signs.reshape(rows, columns)))
        masks.append(pack(mask.reshape(rows, columns)))
    map_stream.finish()
    bit_stream.finish()
    return WeightPlanes(
        bits=np.stack(bits),
        masks=np.stack(masks),
        coefficients=stored.coefficients,
        columns=columns,
        row_coefficients=stored.row_coefficients,
    )


def _next_mask(form: MapForm, before: NDArray[np.bool_], stream: _BitStream) -> NDArray[np.bool_]:
    if form is MapForm.FULL:
        return before
    if form is MapForm.FREE:
        return stream.take(before.size).view(np.bool_)
    mask = np.zeros_like(before)
    mask[before] = stream.take(int(np.count_nonzero(before))).view(np.bool_)
    return mask


def store_encoding(encoding: XorEncoding) -> StoredEncoding:
    """Return what a file holds of an encoding."""
    bits = [encoding.encoded_bits(plane).ravel() for plane in range(encoding.n_planes)]
    channels = _channels_of(encoding.column_order)
    return StoredEncoding(
        layout=encoding.layout,
        n_in=encoding.n_in,
        bits=_octets(bits),
        matrices=encoding.matrices,
        inverted=encoding.inverted if encoding.inverted.any() else None,
        channels=channels or 1,
        column_order=None if channels else encoding.column_order,
    )


def _channels_of(order: NDArray[np.int64] | None) -> int | None:
    """Return the channels whose order it is; 1 for none; None if the order is another one."""
    if order is None:
        return 1
    # Behind the first channel's value of the first pixel stands the second channel's.
    pixels = int(order[1]) if order.size > 1 else 1
    channels = order.size // pixels if pixels and order.size % pixels == 0 else 1
    return channels if np.array_equal(order, channels_first(order.size, channels)) else None


def restore_encoding(stored: StoredEncoding, n_planes: int, spend: Spend) -> XorEncoding:
    """Return the encoding of a file; raise GraphError if its parts do not fit or are too large."""
    layout, n_in = stored.layout, stored.n_in
    if min(layout.rows, layout.columns, layout.n_out, n_in) < 1 or stored.channels < 1:
        raise GraphError(f"an encoding must have extents from 1, not {layout}, {n_in}, {stored.channels}")
    n_bits = layout.n_slices * n_in
    # The stored bits and what they decode to, each with an octet for a bit.
    spend(n_planes * n_bits + layout.n_slices * (n_in + layout.n_out))
    bits = _BitStream(stored.bits)
    words = np.stack([pack(bits.take(n_bits)) for _ in range(n_planes)])
    bits.finish()
    upright = np.zeros((n_planes, layout.rows), np.bool_)
    return XorEncoding(
        words=words,
        matrices=stored.matrices,
        layout=layout,
        inverted=upright if stored.inverted is None else stored.inverted,
        column_order=_order_of(stored),
    )


def _order_of(stored: StoredEncoding) -> NDArray[np.int64] | None:
    if stored.channels == 1:
        return stored.column_order
    if stored.column_order is not None or stored.layout.columns % stored.channels:
        raise GraphError(
            f"the channels of an encoding must divide {stored.layout.columns} columns and give their only "
            f"order, not {stored.channels}"
        )
    return channels_first(stored.layout.columns, stored.channels)


def _restore_version_1(stored: WeightsOfVersion1, spend: Spend) -> WeightPlanes:
    del spend
    return WeightPlanes(
        bits=stored.bits, masks=stored.masks, coefficients=stored.coefficients, columns=stored.columns
    )


FORMS: dict[int, Forms] = {
    1: {WeightPlanes: StoredForm(WeightsOfVersion1, None, _restore_version_1)},
    2: {WeightPlanes: StoredForm(StoredWeights, store_weights, restore_weights)},
}
"""Stored forms by the version of the file format."""
