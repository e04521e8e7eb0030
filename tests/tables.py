"""Long tables of cases: the usual run has some rows, ``make table`` has all."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def rows(cases: Iterable[Any], usual: Callable[..., bool]) -> list[Any]:
    """Mark the rows that only the whole table has; ``usual`` is told the values of a row."""
    marked = []
    for case in cases:
        row = case if isinstance(case, tuple) else (case,)
        marked.append(case if usual(*row) else pytest.param(*row, marks=pytest.mark.table))
    return marked
