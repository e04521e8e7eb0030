"""One cell of a table: what people read, and the number behind it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell.

    Attributes
    ----------
    text
        As printed: rounded, grouped, with its unit.
    value
        The number that the table sorts by, in the unit of its column; None where the text itself is sorted.
    """

    text: str = ""
    value: float | None = None
