"""Pictures of bit maps: which weights of a layer have 0, 1, 2, 3 … bits.

A pixel is a weight, rows from top to bottom as the outputs, columns from left to right as the inputs. Where
the maps of a network have more weights than ``MOST_PIXELS``, the pixels of the large ones are blocks of
weights and their colours means, so that a page stays small for any network.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.graph import Graph
from hbnn_hw.ops import Mvtu
from hbnn_hw.report.png import Colour, png
from hbnn_hw.weights import WeightPlanes

MOST_PIXELS = 1 << 19
"""Pixels of all pictures of a page: 100 to 350 kB."""

LEVELS = 16
"""Shades of a picture of means."""

SHADES: tuple[Colour, ...] = (
    (0xD5, 0xDB, 0xE2),
    (0xB9, 0xCD, 0xEB),
    (0x6F, 0x9A, 0xD6),
    (0x24, 0x57, 0xA6),
    (0x14, 0x31, 0x5F),
)
"""Colours of 0, 1, 2, 3 and more bits: ``--bit0`` to ``--bit4`` of ``templates/report/style.css``."""

WIDEST, TALLEST, LARGEST_ZOOM = 1056, 160, 12
"""Zoomed pictures are no wider and no taller [px], and no pixel is larger [px]."""


@dataclass(frozen=True, slots=True)
class BitPicture:
    """Picture of one layer's map.

    Attributes
    ----------
    name
        The layer.
    rows, columns
        Of the weights.
    block
        Rows and columns of the weights that a pixel stands for.
    width
        On the page [px].
    address
        The PNG file as a ``data:`` address.
    """

    name: str
    rows: int
    columns: int
    block: tuple[int, int]
    width: int
    address: str

    @property
    def detail(self) -> str:
        """Say what a pixel is."""
        rows, columns = self.block
        if self.block == (1, 1):
            return f"{self.rows} × {self.columns}, a pixel a weight"
        return f"{self.rows} × {self.columns}, a pixel the mean of {rows} × {columns} weights"


def _shade(bits: float) -> Colour:
    """Colour of a mean number of bits, between those of whole numbers."""
    place = min(bits, len(SHADES) - 1)
    low = min(int(place), len(SHADES) - 2)
    share = place - low
    red, green, blue = (
        round((1 - share) * a + share * b) for a, b in zip(SHADES[low], SHADES[low + 1], strict=True)
    )
    return red, green, blue


def _means(bit_map: NDArray[np.int64], block: tuple[int, int]) -> NDArray[np.float64]:
    """Mean of every block, float64; blocks at the edges may be smaller."""
    starts = [np.arange(0, size, step) for size, step in zip(bit_map.shape, block, strict=True)]
    sums = np.add.reduceat(np.add.reduceat(bit_map, starts[0], axis=0), starts[1], axis=1)
    sizes = [np.diff(np.append(start, size)) for start, size in zip(starts, bit_map.shape, strict=True)]
    means: NDArray[np.float64] = sums / np.outer(*sizes)
    return means


def bit_map_png(weights: WeightPlanes, block: tuple[int, int] = (1, 1)) -> bytes:
    """Draw a bit map; every pixel is the mean of a block of (rows, columns) weights."""
    bits, most = weights.bit_map(), weights.n_planes
    if block == (1, 1):
        return png(bits, [_shade(count) for count in range(most + 1)])
    pixels = np.rint(_means(bits, block) * (LEVELS - 1) / most).astype(np.int64)
    return png(pixels, [_shade(level * most / (LEVELS - 1)) for level in range(LEVELS)])


def _block(rows: int, columns: int, most: int) -> tuple[int, int]:
    """Smallest nearly square block that leaves no more than ``most`` pixels."""
    side = 1
    while -(-rows // side) * -(-columns // side) > most:
        side += 1
    return min(side, rows), min(side, columns)


def _shares(sizes: Sequence[int], most: int) -> list[int]:
    """Pixels of every picture: small ones whole, the rest split evenly among the large ones."""
    shares = [0] * len(sizes)
    left = most
    for done, at in enumerate(sorted(range(len(sizes)), key=lambda at: sizes[at])):
        shares[at] = max(1, min(sizes[at], left // (len(sizes) - done)))
        left -= shares[at]
    return shares


def _width(pixels: tuple[int, int]) -> int:
    """Width on the page: small pictures are enlarged by whole numbers."""
    rows, columns = pixels
    zoom = min(WIDEST // columns, TALLEST // rows, LARGEST_ZOOM)
    return columns * max(1, zoom)


def is_mixed(weights: WeightPlanes) -> bool:
    """Whether the entries differ in their bits, so that there is something to see."""
    return int(np.count_nonzero(weights.bitwidth_counts())) > 1


def bit_pictures(graph: Graph, most: int = MOST_PIXELS) -> tuple[BitPicture, ...]:
    """Draw the maps of all layers whose weights differ in their bits, with ``most`` pixels in all."""
    layers = [
        (node.name, node.op.weights)
        for node in graph.hardware_nodes
        if isinstance(node.op, Mvtu) and is_mixed(node.op.weights)
    ]
    shares = _shares([weights.rows * weights.columns for _, weights in layers], most)
    return tuple(
        _picture(name, weights, share) for (name, weights), share in zip(layers, shares, strict=True)
    )


def _picture(name: str, weights: WeightPlanes, most: int) -> BitPicture:
    block = _block(weights.rows, weights.columns, most)
    pixels = -(-weights.rows // block[0]), -(-weights.columns // block[1])
    content = base64.b64encode(bit_map_png(weights, block)).decode()
    return BitPicture(
        name, weights.rows, weights.columns, block, _width(pixels), f"data:image/png;base64,{content}"
    )
