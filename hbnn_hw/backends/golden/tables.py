"""Dense layers on wide inputs: sums looked up in tables of partial sums, for the compiled kernel.

A few columns of a matrix with few different weights can only be combined in a few ways: five columns of a
binary matrix in 32. All combinations are computed once for each image, and every row picks its own, five
columns at a time. Sums run over many images side by side in 16-bit lanes. Source: the method of four Russians
(Arlazarov et al. 1970).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.golden.products import Numbers, largest_sum
from hbnn_hw.backends.golden.values import Floats, float_type
from hbnn_hw.planes import Bits

LANES = 128
"""Images side by side; the compiled code is made for this number."""

UNROLLED = 4
"""Groups of columns that the compiled code adds at once."""

MOST_ENTRIES = 32
"""Of a table: more take longer to compute than they save."""

LARGEST_LANE = (1 << 15) - 1
"""Largest int16."""


@dataclass(frozen=True, slots=True, eq=False)
class TableProduct:
    """A matrix by what each row picks from the tables.

    Attributes
    ----------
    choices
        uint8 (rows, groups of columns): which combination of a group the row has; the number of groups is a
        multiple of :data:`UNROLLED`, as is ``groups_per_block``.
    combinations
        int16 (entries, columns of a group): the weights of each combination.
    groups_per_block
        How many groups sum to less than 2**15, whatever the inputs are.
    n_columns
        Columns of the weights.
    dtype
        Float type that holds the sums.
    """

    choices: Bits
    combinations: NDArray[np.int16]
    groups_per_block: int
    n_columns: int
    dtype: type[np.floating[Any]]

    @classmethod
    def of(cls, values: NDArray[np.int64], numbers: Numbers) -> TableProduct | None:
        """Prepare int64 weights (rows, columns) for inputs in a range; None where sums leave the lanes."""
        kinds = np.unique(values)
        # So many columns stay in a lane, and so many have few combinations.
        room = LARGEST_LANE // max(1, int(np.abs(kinds).max()) * numbers.largest)
        most = min(room // UNROLLED, MOST_ENTRIES.bit_length() - 1)
        together = max((n for n in range(1, most + 1) if len(kinds) ** n <= MOST_ENTRIES), default=0)
        if not together:
            return None
        groups_per_block = room // together // UNROLLED * UNROLLED
        n_groups = -(-values.shape[1] // (together * UNROLLED)) * UNROLLED
        kind = np.zeros((len(values), n_groups * together), dtype=np.int64)
        kind[:, : values.shape[1]] = np.searchsorted(kinds, values)
        places = len(kinds) ** np.arange(together)
        choices = kind.reshape(len(values), n_groups, together) @ places
        entries = np.arange(len(kinds) ** together)[:, np.newaxis] // places % len(kinds)
        return cls(
            choices.astype(np.uint8),
            kinds[entries].astype(np.int16),
            groups_per_block,
            values.shape[1],
            float_type(largest_sum(values, numbers.largest)),
        )

    def apply(self, x: Floats) -> Floats:
        """Multiply inputs (batch, columns): the sums (batch, rows)."""
        from hbnn_hw.backends.golden.compiled import add_chosen  # needs the extra; slow to import

        result = np.empty((len(x), len(self.choices)), dtype=self.dtype)
        n_columns = self.choices.shape[1] * self.combinations.shape[1]
        # What is padded meets inputs of 0, and lanes behind the last image are not read.
        columns = np.zeros((n_columns, LANES), dtype=np.int16)
        for start in range(0, len(x), LANES):
            images = x[start : start + LANES]
            columns[: self.n_columns, : len(images)] = images.T
            sums = np.zeros((len(self.choices), LANES), dtype=np.int32)
            add_chosen(columns, self.choices, self.combinations, self.groups_per_block, sums)
            result[start : start + LANES] = sums[:, : len(images)].T
        return result
