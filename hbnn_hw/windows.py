"""Windows that slide over images: at how many places one fits, and what its elements see.

Images are (..., rows, columns, channels); places are counted from the upper left corner.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import ShapeError

Scalar = TypeVar("Scalar", bound=np.generic)


def places(size: int, kernel: int, stride: int) -> int:
    """Return at how many places a window of ``kernel`` fits along ``size`` pixels, padding included.

    Raises
    ------
    ShapeError
        If it fits nowhere.
    """
    if kernel > size:
        raise ShapeError(
            f"a window of {kernel} pixels must fit into the image, which has {size} with padding"
        )
    return (size - kernel) // stride + 1


def span(kernel: int, dilation: int) -> int:
    """Return how many pixels a window reaches over whose elements are ``dilation`` pixels apart."""
    return (kernel - 1) * dilation + 1


def output_sides(
    sides: tuple[int, int],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...] = (0,) * 4,
    dilation: tuple[int, ...] = (1, 1),
) -> tuple[int, int]:
    """Return (rows, columns) of what windows make of an image of ``sides`` (rows, columns).

    ``padding`` is (top, bottom, left, right). Raises ShapeError if no window fits.
    """
    top, bottom, left, right = padding
    rows = places(sides[0] + top + bottom, span(kernel[0], dilation[0]), stride[0])
    return rows, places(sides[1] + left + right, span(kernel[1], dilation[1]), stride[1])


def ceiling_padding(
    sides: tuple[int, int], kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the padding (top, bottom, left, right) with which whole windows reach every pixel.

    PyTorch's ``ceil_mode``: one more window where pixels are left over, if it begins inside the image or in
    the padding before it.
    """
    top, bottom, left, right = padding
    rows = _overhang(sides[0], top, bottom, kernel[0], stride[0])
    return top, bottom + rows, left, right + _overhang(sides[1], left, right, kernel[1], stride[1])


def _overhang(size: int, before: int, after: int, kernel: int, stride: int) -> int:
    left_over = (size + before + after - kernel) % stride
    begin = size + before + after - kernel - left_over + stride
    return stride - left_over if left_over and begin < size + before else 0


def seen_by(
    image: NDArray[Scalar], element: tuple[int, int], stride: tuple[int, ...], sides: tuple[int, int]
) -> NDArray[Scalar]:
    """Return the pixel that one element (row, column) of the window sees at every place, as a view.

    ``sides`` is the number of places; (..., rows, columns, channels) becomes (..., *sides, channels).
    """
    rows, columns = (
        slice(first, first + step * (n - 1) + 1, step)
        for first, step, n in zip(element, stride, sides, strict=True)
    )
    return image[..., rows, columns, :]


def pad(image: NDArray[Scalar], padding: tuple[int, ...], value: int) -> NDArray[Scalar]:
    """Put ``value`` around images (batch, rows, columns, channels); padding is (top, bottom, left, right)."""
    top, bottom, left, right = padding
    return np.pad(image, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=value)


def check_sizes(name: str, sizes: tuple[Any, ...], length: int, smallest: int) -> None:
    """Raise ShapeError unless ``sizes`` are ``length`` numbers from ``smallest``."""
    if len(sizes) != length or min(sizes) < smallest:
        raise ShapeError(f"{name} must be {length} numbers from {smallest}, not {sizes}")
