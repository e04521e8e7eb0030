"""What a data set is once it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import ShapeError

Labels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]

LARGEST_CODE = 255
"""Of the 8-bit codes that real features become."""


class DatasetName(StrEnum):
    """The data sets that :func:`~hbnn_hw.data.load` knows."""

    DIGITS = "digits"
    MNIST = "mnist"
    FASHION = "fashion"
    LETTER = "letter"
    PENBASED = "penbased"
    SATIMAGE = "satimage"
    MAGIC = "magic"
    TEXTURE = "texture"
    SEGMENT = "segment"
    CIFAR10 = "cifar10"


class Check(Enum):
    """How far the arrays of a data set were checked on loading; the value says it in words."""

    DIGESTS = "digests right"
    STRUCTURE = "sizes and labels right, no digests known"


@dataclass(frozen=True, slots=True, eq=False)
class AffineCodes:
    """8-bit codes of real features: ``round(255 · (x - low) / (high - low))``, clipped to 0 .. 255.

    Computed in float64, halves to even. A feature with ``high == low`` has code 0 always.

    Attributes
    ----------
    low, high
        float64 (features,): the values of codes 0 and 255.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def fit(cls, rows: NDArray[np.floating[Any]]) -> AffineCodes:
        """Take each feature's smallest and largest value in ``rows`` (samples, features).

        Fit on training rows alone: test rows beyond the range are clipped, as they will be in the field.

        Raises
        ------
        ShapeError
            If ``rows`` is not a table with at least one row.
        """
        if rows.ndim != 2 or not len(rows):
            raise ShapeError(f"rows must be (samples, features) with at least 1 sample, not {rows.shape}")
        return cls(rows.min(axis=0).astype(np.float64), rows.max(axis=0).astype(np.float64))

    def encode(self, rows: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
        """Give the codes of ``rows`` (samples, features), uint8 of the same shape.

        Raises
        ------
        ShapeError
            If the number of features is another than at the fit.
        """
        if rows.ndim != 2 or rows.shape[1] != len(self.low):
            raise ShapeError(f"rows must be (samples, {len(self.low)}), not {rows.shape}")
        span = self.high - self.low
        share = (rows - self.low) / np.where(span > 0, span, np.inf)
        return (share * LARGEST_CODE).round().clip(0, LARGEST_CODE).astype(np.uint8)


class Parts(NamedTuple):
    """What a reader decodes: the four arrays of :class:`Dataset`, and how real features were coded."""

    x_train: NDArray[np.uint8]
    y_train: NDArray[np.uint8]
    x_test: NDArray[np.uint8]
    y_test: NDArray[np.uint8]
    coding: AffineCodes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Images or rows of a table as integer codes with their labels, read-only, in a fixed order.

    Attributes
    ----------
    name
        A :class:`DatasetName`, or the name of a user's image folder.
    x_train, x_test
        uint8 (samples, ``n_features``): codes 0 .. ``levels`` - 1. One image is one flat row, channel by
        channel, each row by row: what ``nn.Unflatten(1, (channels, *image_shape))`` undoes.
    y_train, y_test
        (samples,): classes 0 .. ``n_classes`` - 1; uint8, or uint16 for more than 256 classes.
    image_shape
        (rows, columns) of one image; (1, features) for a table.
    n_classes
        Number of classes.
    levels
        Number of different codes that a pixel or feature can take.
    source
        Publisher and licence.
    channels
        1, or 3 for red, green, blue.
    class_names
        What the publisher calls class 0, 1, ...
    check
        How far the arrays were checked.
    coding
        How the codes came from real features; None where the publisher's features are the codes.
    """

    name: str
    x_train: NDArray[np.uint8]
    y_train: Labels
    x_test: NDArray[np.uint8]
    y_test: Labels
    image_shape: tuple[int, int]
    n_classes: int
    levels: int
    source: str
    channels: int = 1
    class_names: tuple[str, ...] = ()
    check: Check = Check.STRUCTURE
    coding: AffineCodes | None = None

    @property
    def input_bits(self) -> int:
        """Bits that hold every code: 8 for 256 levels, 5 for 17."""
        return (self.levels - 1).bit_length()

    @property
    def n_features(self) -> int:
        """Numbers in one row: channels · rows · columns."""
        return self.channels * self.image_shape[0] * self.image_shape[1]
