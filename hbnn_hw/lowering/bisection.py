"""Integer thresholds of monotone functions, found by evaluating the functions themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.ops import Thresholds

Codes = Callable[[NDArray[np.int64]], NDArray[np.int64]]
"""Integers (batch, channels) to output codes (batch, channels), monotone in every channel."""


def bisect_thresholds(codes: Codes, low: int, high: int, channels: int, levels: int) -> Thresholds:
    """Find the thresholds of monotone functions of an integer, all channels at once.

    Parameters
    ----------
    codes
        The function, evaluated exactly as the float model evaluates it; per channel it must be monotone,
        ascending or descending.
    low, high
        Reachable integers, inclusive.
    channels, levels
        Number of channels, and of thresholds per channel.

    Returns
    -------
    Thresholds
        Equal to the function for every integer in ``low … high``. Level ``low`` means always and
        ``high + 1`` never.
    """
    at_low = codes(np.full((1, channels), low, dtype=np.int64))[0]
    at_high = codes(np.full((1, channels), high, dtype=np.int64))[0]
    inverted = at_high < at_low
    # Descending channels lose their levels from the top, so that the table ascends for them as well.
    level = np.arange(levels, dtype=np.int64)[:, np.newaxis]
    wanted = np.where(inverted, levels - level, level + 1)
    table = _first_changes(codes, low, high, wanted, inverted).T
    return Thresholds(table=np.ascontiguousarray(table), inverted=inverted)


def _first_changes(
    codes: Codes, low: int, high: int, wanted: NDArray[np.int64], inverted: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Smallest integers at which ``(code >= wanted) != inverted`` holds; ``high + 1`` if nowhere.

    ``wanted`` and the result are (levels, channels).
    """
    first = np.full(wanted.shape, low, dtype=np.int64)
    last = np.full(wanted.shape, high + 1, dtype=np.int64)
    while (first < last).any():
        middle = (first + last) // 2
        holds = (codes(np.minimum(middle, high)) >= wanted) != inverted
        active = first < last
        last = np.where(active & holds, middle, last)
        first = np.where(active & ~holds, middle + 1, first)
    return first
