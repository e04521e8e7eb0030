"""Truth tables as integers."""

from __future__ import annotations

from collections.abc import Callable


def truth_table(n_inputs: int, function: Callable[..., int]) -> int:
    """Tabulate a function of bits: bit ``i`` holds its value where input ``k`` is bit ``k`` of ``i``."""
    return sum(
        (int(function(*((index >> at) & 1 for at in range(n_inputs)))) & 1) << index
        for index in range(1 << n_inputs)
    )


def widened_table(table: int, n_inputs: int, n_wanted: int) -> int:
    """Repeat a table for further inputs that do not matter."""
    for at in range(n_inputs, n_wanted):
        table |= table << (1 << at)
    return table
