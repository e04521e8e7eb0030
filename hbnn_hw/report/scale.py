"""Axes of scattered points: from values to pixels, with a little room around them, and round ticks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, log10

from hbnn_hw.report.chart import Tick
from hbnn_hw.report.figures import THIN, significant, with_unit

LABELLED = (1, 2, 5)
"""First digits of an axis' labels; of a logarithmic one, where it has few decades."""

FEW_DECADES = 2

FINE = tuple(digit / 10 for digit in range(10, 100))
"""Numbers that a logarithmic axis is labelled with where it has less than two of the others."""

MOST_TICKS = 7


def short(value: float) -> str:
    """Print a round number, a large one with a prefix: 20 k."""
    return with_unit(value, "").rstrip() if value >= 1 else significant(value)


@dataclass(frozen=True, slots=True)
class LogScale:
    """A logarithmic axis: exponents of its ends, and their pixels."""

    low: float
    high: float
    first: float
    last: float

    @classmethod
    def over(cls, values: Sequence[float], first: float, last: float) -> LogScale:
        """Cover values, which are above 0."""
        logs = [log10(value) for value in values]
        room = max(0.05 * (max(logs) - min(logs)), 0.05)
        return cls(min(logs) - room, max(logs) + room, first, last)

    def __call__(self, value: float) -> float:
        """Place a value [px]."""
        share = (log10(value) - self.low) / (self.high - self.low)
        return round(self.first + share * (self.last - self.first), 1)

    def ticks(self) -> tuple[Tick, ...]:
        """Label powers of ten, and 2 and 5 times them where there are few."""
        values = self._round(LABELLED if self.high - self.low < FEW_DECADES else (1,))
        if len(values) < 2:
            fine = self._round(FINE)
            values = fine[:: -(-len(fine) // MOST_TICKS)]
        return tuple(Tick(self(value), short(value)) for value in values)

    def _round(self, digits: Sequence[float]) -> list[float]:
        decades = range(floor(self.low), ceil(self.high) + 1)
        values = [digit * 10.0**decade for decade in decades for digit in digits]
        return [value for value in values if self.low <= log10(value) <= self.high]


@dataclass(frozen=True, slots=True)
class LinearScale:
    """A linear axis: its ends, their pixels, and how values are printed: times a factor, with a unit."""

    low: float
    high: float
    first: float
    last: float
    factor: float = 1.0
    unit: str = ""

    @classmethod
    def over(cls, values: Sequence[float], first: float, last: float) -> LinearScale:
        """Cover values."""
        room = max(0.08 * (max(values) - min(values)), 0.001)
        return cls(min(values) - room, max(values) + room, first, last)

    @classmethod
    def of_shares(cls, values: Sequence[float], first: float, last: float) -> LinearScale:
        """Cover shares, 0 to 1, printed as percentages."""
        return replace(cls.over(values, first, last), factor=100.0, unit=f"{THIN}%")

    def __call__(self, value: float) -> float:
        """Place a value [px]."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.first + share * (self.last - self.first), 1)

    def ticks(self) -> tuple[Tick, ...]:
        """Label round numbers, with as many decimals as they need."""
        low, high = self.factor * self.low, self.factor * self.high
        power = floor(log10(high - low)) - 1
        steps = (digit * 10.0**exponent for exponent in (power, power + 1) for digit in LABELLED)
        step = next(step for step in steps if (high - low) / step < MOST_TICKS)
        decimals = max(0, -floor(log10(step)))
        return tuple(
            Tick(self(at * step / self.factor), f"{at * step:.{decimals}f}{self.unit}")
            for at in range(ceil(low / step), floor(high / step) + 1)
        )
