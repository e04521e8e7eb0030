"""Values between two steps of the golden model, in whichever form is at hand."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.ops import Tensor
from hbnn_hw.ops.base import Array
from hbnn_hw.planes import WORD_BITS, Words, code_to_bits, uniform_scales, words_for
from hbnn_hw.types import Integers, Planes, TensorType

EXACT_IN_FLOAT32 = 1 << 24
"""Integers below this magnitude, and all partial sums that stay below it, are exact in float32."""

EXACT_IN_FLOAT64 = 1 << 53
"""The same for float64; accumulators end at 32 bits, far below."""

Floats: TypeAlias = NDArray[np.floating[Any]]
"""float32 or float64 that hold integers."""


def float_type(largest: int) -> type[np.floating[Any]]:
    """Return the smaller float type that holds integers of magnitude up to ``largest`` exactly."""
    return np.float32 if largest < EXACT_IN_FLOAT32 else np.float64


def knows_all(node: object, *names: str) -> bool:
    """Whether all attributes of a dataclass but the named ones have their defaults, which change nothing."""
    if not is_dataclass(node):
        return False
    others = (field for field in fields(node) if field.name not in names)
    return all(
        field.default is not MISSING and bool(np.all(getattr(node, field.name) == field.default))
        for field in others
    )


def has_numbers(value: TensorType) -> bool:
    """Whether one number stands for each element, and the element's planes follow from it.

    That is so for integers in reach of the floats, and for planes of scales 1, 2, 4 and so on. Planes that
    carry anything beside their scales are not known here.
    """
    element = value.element
    if isinstance(element, Planes):
        return knows_all(element, "scales") and element.scales == uniform_scales(element.n_planes)
    return isinstance(element, Integers) and largest_of(element) < EXACT_IN_FLOAT64


def largest_of(element: Planes | Integers) -> int:
    """Return the largest magnitude of an element."""
    return element.largest if isinstance(element, Planes) else max(abs(element.low), abs(element.high))


class Value:
    """A batch of one IR value in one or more forms; the others are made when they are asked for.

    Parameters
    ----------
    kind
        The type.
    data
        The form that the IR documents: uint8 bits (batch, planes, *shape), int64 or float64
        (batch, *shape).
    numbers
        The integers as floats, (batch, *shape); only where :func:`has_numbers`.

    At least one form must be given.
    """

    __slots__ = ("_data", "_numbers", "type")

    def __init__(
        self,
        kind: TensorType,
        *,
        data: Array | None = None,
        numbers: Floats | None = None,
    ) -> None:
        self.type = kind
        self._data = data
        self._numbers = numbers

    @property
    def planes(self) -> Planes:
        """Element type of a value that is known to be planes."""
        assert isinstance(self.type.element, Planes)
        return self.type.element

    def data(self) -> Array:
        """Return the form that the IR documents."""
        if self._data is None:
            self._data = self._from_numbers()
        return self._data

    def tensor(self) -> Tensor:
        """Return the form that operators take."""
        return Tensor(self.type, self.data())

    def numbers(self) -> Floats:
        """Return the integers, (batch, *shape), in the smallest float type that holds them all."""
        if self._numbers is None:
            self._numbers = self._as_numbers(self.data())
        return self._numbers

    def words(self) -> Words:
        """Return the bits packed along the last axis, uint64 (batch, planes, *shape[:-1], words)."""
        return pack_bits(self.data())

    def __len__(self) -> int:
        """Return the number of samples in the batch."""
        return len(self.data() if self._numbers is None else self._numbers)

    def part(self, start: int, stop: int) -> Value:
        """Return some samples, as views; forms that are made of them are not kept here."""
        data, numbers = (None if form is None else form[start:stop] for form in (self._data, self._numbers))
        return Value(self.type, data=data, numbers=numbers)

    def reshaped(self, kind: TensorType) -> Value:
        """Return the same elements in the same order under another type, in the forms that keep both."""
        numbers = None if self._numbers is None else self._numbers.reshape(len(self), *kind.shape)
        if self._data is None:
            return Value(kind, numbers=numbers)
        leading = self._data.shape[: self._data.ndim - len(self.type.shape)]
        return Value(kind, data=self._data.reshape(*leading, *kind.shape), numbers=numbers)

    def _from_numbers(self) -> Array:
        assert self._numbers is not None
        element = self.type.element
        if not isinstance(element, Planes):
            return self._numbers.astype(np.int64)
        if element.n_planes == 1:
            return (self._numbers > 0).view(np.uint8)[:, np.newaxis]
        codes = (self._numbers.astype(np.int64) + element.largest) >> 1
        return code_to_bits(codes, element.n_planes)

    def _as_numbers(self, data: Array) -> Floats:
        element = self.type.element
        if not isinstance(element, Planes):
            assert isinstance(element, Integers)
            return data.astype(float_type(largest_of(element)))
        dtype = float_type(element.largest)
        if element.mask is not None:
            return element.values(data).astype(dtype)
        if element.scales == (1,):
            signs = np.left_shift(data[:, 0], 1).view(np.int8)  # bytes first: a quarter of the memory
            signs -= 1
            return signs.astype(dtype)
        numbers: Floats = np.multiply(data[:, 0], 2 * element.scales[0], dtype=dtype)
        for plane, scale in enumerate(element.scales[1:], start=1):
            numbers += np.multiply(data[:, plane], 2 * scale, dtype=dtype)
        numbers -= element.largest
        return numbers


def pack_bits(bits: Array) -> Words:
    """Pack bits that are known to be 0 and 1: (..., n) to uint64 (..., words); see :func:`planes.pack`."""
    n = bits.shape[-1]
    if n % WORD_BITS:
        octets = np.zeros((*bits.shape[:-1], 8 * words_for(n)), dtype=np.uint8)
        octets[..., : -(-n // 8)] = np.packbits(bits, axis=-1, bitorder="little")
    else:
        octets = np.packbits(bits.reshape(-1), bitorder="little").reshape(*bits.shape[:-1], n // 8)
    return octets.view("<u8").astype(np.uint64, copy=False)
