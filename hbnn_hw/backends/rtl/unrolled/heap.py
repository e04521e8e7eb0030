"""Bit heaps: sums of weighted bits that are not added up yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hbnn_hw.backends.rtl.unrolled.netlist import ONE, Bit


@dataclass(slots=True)
class Heap:
    """``constant + sum 2**column * bit``.

    Attributes
    ----------
    columns
        Bits by the exponent of their weight; no list is empty.
    constant
        What is added to the bits.
    low, high
        Bounds of the sum of the bits, without the constant.
    """

    columns: dict[int, list[Bit]] = field(default_factory=dict)
    constant: int = 0
    low: int = 0
    high: int = 0

    @classmethod
    def of_bits(cls, bits: Iterable[tuple[int, Bit]]) -> Heap:
        """Collect independent (column, bit) pairs."""
        heap = cls()
        for column, bit in bits:
            heap.put(column, bit)
            heap.high += 1 << column
        return heap

    @property
    def n_bits(self) -> int:
        """Number of bits."""
        return sum(map(len, self.columns.values()))

    @property
    def top(self) -> int:
        """Smallest column above all bits."""
        return max(self.columns, default=-1) + 1

    def copy(self) -> Heap:
        """Return a heap of its own with the same bits."""
        columns = {column: list(bits) for column, bits in self.columns.items()}
        return Heap(columns, self.constant, self.low, self.high)

    def put(self, column: int, bit: Bit) -> None:
        """Place a bit; the bounds are the caller's concern. Two constant ones become one, a column above."""
        if bit.is_constant and bit in self.columns.get(column, ()):
            self.take(column, bit)
            self.put(column + 1, bit)
            return
        self.columns.setdefault(column, []).append(bit)

    def take(self, column: int, bit: Bit) -> None:
        """Remove a bit."""
        bits = self.columns[column]
        bits.remove(bit)
        if not bits:
            del self.columns[column]

    def add(self, other: Heap, shift: int = 0, negative: bool = False) -> None:
        """Add ``±2**shift`` times another heap: ``-bit = ~bit - 1``."""
        total = 0
        for column, bits in other.columns.items():
            total += len(bits) << column
            for net, inverted in bits:
                self.put(column + shift, Bit(net, inverted != negative))
        low, high = (total - other.high, total - other.low) if negative else (other.low, other.high)
        self.constant += _shifted(-other.constant - total if negative else other.constant, shift)
        self.low += _shifted(low, shift)
        self.high += _shifted(high, shift)

    def add_multiple(self, other: Heap, factor: int) -> None:
        """Add an integer multiple of another heap, by the fewest shifted copies."""
        for shift, negative in signed_digits(factor):
            self.add(other, shift, negative)

    def materialize(self, constant: int) -> None:
        """Place the ones of a constant >= 0 as bits."""
        for column in range(constant.bit_length()):
            if constant >> column & 1:
                self.put(column, Bit(ONE))
        self.low += constant
        self.high += constant


def _shifted(value: int, shift: int) -> int:
    """Multiply by ``2**shift``; what a negative shift drops is 0."""
    return value << shift if shift >= 0 else value >> -shift


def signed_digits(value: int) -> list[tuple[int, bool]]:
    """Write an integer with the fewest digits of ±1 (canonical signed digits): (exponent, negative) pairs."""
    digits = []
    exponent = 0
    while value:
        if value & 1:
            negative = value & 3 == 3
            digits.append((exponent, negative))
            value += 1 if negative else -1
        value >>= 1
        exponent += 1
    return digits
