"""Long tables of cases: the usual run has some rows, ``make table`` has all."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def rows(cases: Iterable[Any], usual: Callable[..., bool]) -> list[Any]:
    """Mark the rows that only the whole table has; ``usual`` is told the values of a row."""
    listed = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [case if usual(*case) else pytest.param(*case, marks=pytest.mark.table) for case in listed]
