"""Whether the planes of a larger code are a larger number: then pooling commutes with quantizing."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.planes import code_to_bits

Mask: TypeAlias = NDArray[np.uint8]
"""Which elements have which planes, (planes, *shape)."""


def is_same_everywhere(mask: Mask | None) -> bool:
    """Tell whether all pixels of an image have one map; None is the map in which every element has all."""
    return mask is None or bool((mask == mask[:, :1, :1]).all())


def spread(mask: Mask | None, shape: tuple[int, ...]) -> Mask | None:
    """Return the mask of an image of another size, from one that is the same at every pixel.

    Parameters
    ----------
    mask
        (planes, rows, columns, channels), or None.
    shape
        (rows, columns, channels) of the other image.
    """
    if mask is None:
        return None
    return np.ascontiguousarray(np.broadcast_to(mask[:, :1, :1], (len(mask), *shape)))


def planes_rise(scales: tuple[int, ...], mask: Mask | None, reached: NDArray[np.bool_]) -> bool:
    """Tell whether a larger code never has a smaller value, and equal values have equal bits.

    The largest value is then that of the largest code, bit for bit.

    Parameters
    ----------
    scales
        Factor of every plane, least significant bit of the code first.
    mask
        (planes, rows, columns, channels), the same at every pixel; None where all have all planes.
    reached
        bool (codes, channels): the codes that occur.
    """
    n_planes, n_codes = len(scales), 1 << len(scales)
    codes = code_to_bits(np.arange(n_codes), n_planes).astype(np.int64)
    for channel in range(reached.shape[1]):
        present = np.ones(n_planes, dtype=np.int64) if mask is None else mask[:, 0, 0, channel]
        bits = codes[reached[:, channel]] & present
        values = ((2 * bits - 1) * present) @ np.asarray(scales, dtype=np.int64)
        steps, changes = np.diff(values), np.diff(bits, axis=0).any(axis=1)
        if ((steps < 0) | ((steps == 0) & changes)).any():
            return False
    return True
