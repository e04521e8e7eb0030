"""Ways to build an unrolled layer, and those that the search tries."""

from __future__ import annotations

from dataclasses import dataclass

from hbnn_hw.backends.rtl.unrolled.pairs import PAIRS


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Structure:
    """A way to build a layer.

    Attributes
    ----------
    group_size
        Rows that may share sub-sums, or :data:`PAIRS` for any two rows.
    has_total
        Whether the rows are recoded against a total that they share (:mod:`.terms`).
    """

    group_size: int
    has_total: bool = True

    def __str__(self) -> str:
        """Name it among others."""
        return f"{self.group_size or 'pairs'}{'' if self.has_total else ' without a total'}"

    @property
    def sentence(self) -> str:
        """Say which rows share what."""
        total = "" if self.has_total else ", without a total"
        if self.group_size == PAIRS:
            return f"any two rows share sub-sums{total}"
        if self.group_size > 1:
            return f"up to {self.group_size} rows share sub-sums{total}"
        return "rows share their total alone" if self.has_total else "rows share nothing"


STRUCTURES = tuple(Structure(group_size=size) for size in (1, 2, 3, 4, 6, 8, PAIRS))
"""Structures that the search builds."""

FEW_STRUCTURES = tuple(Structure(group_size=size, has_total=False) for size in (4, 8, PAIRS))
"""Structures that it builds besides for few rows."""

FEW_ROWS = 32
"""Most rows whose total may cost more than it saves."""
