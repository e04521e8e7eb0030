"""Pictures with a palette as PNG files."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import RangeError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PALETTE = 3
"""Colour type of pixels that are places in a palette (PNG specification, section 11.2.1)."""

MOST_STORED = 0xFFFF
"""Bytes of a block that is not compressed (RFC 1951, section 3.2.4)."""

Colour = tuple[int, int, int]
"""Red, green and blue, 0 … 255."""


def _chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def _stored(content: bytes) -> bytes:
    """Wrap bytes as a zlib stream without compression, since compressors differ between versions."""
    starts = range(0, len(content), MOST_STORED)
    blocks = [content[start : start + MOST_STORED] for start in starts]
    parts = [b"\x78\x01"]
    for at, block in enumerate(blocks):
        is_last, size = at == len(blocks) - 1, len(block)
        parts += [struct.pack("<BHH", is_last, size, size ^ 0xFFFF), block]
    return b"".join((*parts, struct.pack(">I", zlib.adler32(content))))


def _depth(colours: int) -> int:
    """Bits of a pixel, of those that PNG knows."""
    return next(bits for bits in (1, 2, 4, 8) if colours <= 1 << bits)


def png(pixels: NDArray[np.integer], palette: Sequence[Colour]) -> bytes:
    """Return a PNG file.

    Parameters
    ----------
    pixels
        Places in the palette, (height, width).
    palette
        1 to 256 colours.

    Raises
    ------
    RangeError
        If a pixel is none of the palette's.
    """
    if not 1 <= len(palette) <= 256 or not pixels.size:
        raise RangeError(
            f"a picture must have pixels and 1 to 256 colours, not {pixels.shape} and {len(palette)}"
        )
    if pixels.min() < 0 or pixels.max() >= len(palette):
        raise RangeError(f"pixels must be 0 … {len(palette) - 1}, not {pixels.min()} … {pixels.max()}")
    height, width = pixels.shape
    depth = _depth(len(palette))
    places = np.arange(depth - 1, -1, -1)
    bits = (pixels.astype(np.uint8)[:, :, np.newaxis] >> places) & 1
    lines = np.packbits(bits.reshape(height, width * depth).astype(np.uint8), axis=1)
    unfiltered = np.zeros((height, 1), dtype=np.uint8)
    header = struct.pack(">IIBBBBB", width, height, depth, PALETTE, 0, 0, 0)
    return b"".join(
        (
            SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", bytes(part for colour in palette for part in colour)),
            _chunk(b"IDAT", _stored(np.hstack([unfiltered, lines]).tobytes())),
            _chunk(b"IEND", b""),
        )
    )
