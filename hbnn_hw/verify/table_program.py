"""A combinational module as tables in the order of their evaluation: data that can be executed and stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TABLE_INPUTS = 6

ZERO, ONE = 0, 1
"""Nets that are constant; the bits that enter follow them, then the outputs of the cells."""

N_CONSTANTS = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TableProgram:
    """Cells of six inputs and one output, each behind those that it reads.

    Nets are numbered: the constants, the bits that enter, the cells' outputs in the order of the cells.

    Attributes
    ----------
    n_entering
        Bits that enter.
    tables
        uint64 (cells,): bit a is the output at address a. A carry is a cell as well.
    inputs
        uint32 (cells, 6): nets; input i is bit i of the address, unused ones are :data:`ZERO`.
    leaving
        uint32: the nets that leave, in order.
    """

    n_entering: int
    tables: NDArray[np.uint64]
    inputs: NDArray[np.uint32]
    leaving: NDArray[np.uint32]

    def evaluate(self, entering: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Compute the bits that leave, uint8 (batch, leaving), from those that enter, (batch, entering)."""
        first = N_CONSTANTS + self.n_entering
        nets = np.zeros((first + len(self.tables), len(entering)), dtype=np.uint64)
        nets[ONE], nets[N_CONSTANTS:first] = 1, entering.T
        places = np.arange(TABLE_INPUTS, dtype=np.uint64)[:, np.newaxis]
        for net, (table, inputs) in enumerate(zip(self.tables, self.inputs, strict=True), start=first):
            nets[net] = table >> (nets[inputs] << places).sum(axis=0, dtype=np.uint64) & np.uint64(1)
        return nets[self.leaving].T.astype(np.uint8)

    def to_bytes(self) -> bytes:
        """Return what ``templates/rtl/sim/table_programs.cpp`` reads: counts, tables, inputs, leaving nets.

        The counts are those of entering bits, cells and leaving bits, uint64 each; all is little-endian.
        """
        counts = np.array([self.n_entering, len(self.tables), len(self.leaving)], dtype="<u8")
        parts = (counts, self.tables.astype("<u8"), self.inputs.astype("<u4"), self.leaving.astype("<u4"))
        return b"".join(part.tobytes() for part in parts)
