"""Piecewise functions of an integer, one per channel: what its operators share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.types import TensorType

PRODUCT_LIMIT = 1 << 52
"""No product plus offset may reach this magnitude: float64 holds them all, and so do 64-bit registers."""

Knees = NDArray[np.int64]
"""First integer of every piece but the first, int64 (pieces - 1, channels), ascending."""


def check_pieces(knees: Knees, **constants: NDArray[Any]) -> None:
    """Raise an error unless the constants (pieces, channels) and the knees between them fit.

    Raises
    ------
    ShapeError
        If shapes or dtypes differ.
    RangeError
        If knees do not ascend.
    """
    shapes = {name: array.shape for name, array in constants.items()}
    first = next(iter(shapes.values()))
    if len(first) != 2 or min(first) < 1 or any(shape != first for shape in shapes.values()):
        raise ShapeError(f"the constants of all pieces must be (pieces, channels), not {shapes}")
    if knees.dtype != np.int64 or knees.shape != (first[0] - 1, first[1]):
        raise ShapeError(
            f"{first[0]} pieces of {first[1]} channels need int64 knees {(first[0] - 1, first[1])}, "
            f"not {knees.dtype} {knees.shape}"
        )
    if (np.diff(knees, axis=0) < 0).any():
        raise RangeError("knees must ascend from piece to piece")


def check_channels(source: TensorType, channels: int) -> None:
    """Raise ShapeError unless a value's last axis has ``channels`` entries."""
    if source.shape[-1:] != (channels,):
        raise ShapeError(f"constants of {channels} channels do not fit a value of {source.shape}")


def piece_of(x: NDArray[np.int64], knees: Knees) -> NDArray[np.int64]:
    """Return the index of the piece of every integer (..., channels), same shape."""
    index = np.zeros(x.shape, dtype=np.int64)
    for knee in knees:
        index += x >= knee
    return index


def chosen(constants: NDArray[Any], index: NDArray[np.int64]) -> NDArray[Any]:
    """Pick the constants (pieces, channels) of every element's piece, (..., channels)."""
    if len(constants) == 1:
        only: NDArray[Any] = constants[0]
        return only
    picked: NDArray[Any] = constants[index, np.arange(constants.shape[1])]
    return picked


def ends_of_pieces(low: int, high: int, knees: Knees) -> NDArray[np.int64]:
    """Return integers (points, channels) among which a piecewise affine function has its extremes."""
    low_high = np.broadcast_to(np.array([[low], [high]]), (2, knees.shape[1]))
    points: NDArray[np.int64] = np.clip(np.concatenate([low_high, knees - 1, knees]), low, high)
    return points
