"""Weight memories that keep FleXOR's stored form, decoded between the memory and the comparison.

What a unit needs in one step must come from whole slices of n_out weights, because a slice with weights of
two steps would have to be stored twice. So a folding fits an encoding if, for some number of neighbouring PEs
that share a decoder,

* the weights of every such group of PEs in a step come from slices that no other group or step needs, and
* the wiring is the same everywhere: a lane's weight is always the same output of the same one of the slices.

Then the memory holds every slice once, n_in bits for n_out weights.
Source: Lee et al., NeurIPS 2020 (arXiv 2009.04126), section 3: XOR gates behind a memory of encoded weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.folding import Folding, FoldSchedule, divisors
from hbnn_hw.planes import Bits
from hbnn_hw.xor_encoding import XorEncoding


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class XorWiring:
    """How the slices of an encoding feed a folded unit.

    Attributes
    ----------
    group_pes
        Neighbouring PEs that share a decoder.
    slices
        int64 (row groups, column folds, slices of a word): which slices a word is decoded from.
    slot, output
        int64 (group_pes · simd,): of every lane, which of these slices, and which of its outputs.
    """

    group_pes: int
    slices: NDArray[np.int64]
    slot: NDArray[np.int64]
    output: NDArray[np.int64]

    @property
    def n_slots(self) -> int:
        """Slices that a word is decoded from."""
        return int(self.slices.shape[-1])


def _tiles(encoding: XorEncoding, group_pes: int, simd: int) -> Iterator[NDArray[np.int64]]:
    """Yield the places in the decoded stream of every row group's lanes, int64 (column folds, lanes)."""
    layout, order = encoding.layout, encoding.column_order
    for first in range(0, layout.rows, group_pes):
        rows = layout.positions(slice(first, first + group_pes))
        rows = rows if order is None else rows[:, order]
        cut = rows.reshape(group_pes, layout.columns // simd, simd)
        yield cut.swapaxes(0, 1).reshape(-1, group_pes * simd)


def _wiring_of_group(encoding: XorEncoding, group_pes: int, simd: int) -> XorWiring | None:
    found: list[NDArray[np.int64]] = []
    slot = output = representative = np.empty(0, dtype=np.int64)
    for tile in _tiles(encoding, group_pes, simd):
        slices, outputs = np.divmod(tile, encoding.n_out)
        if not found:
            output = outputs[0]
            _, representative, slot = np.unique(slices[0], return_index=True, return_inverse=True)
        words = slices[:, representative]
        if (outputs != output).any() or (slices != words[:, slot]).any():
            return None
        found.append(words)
    words = np.stack(found)
    if len(np.unique(words)) != words.size:
        return None
    return XorWiring(group_pes=group_pes, slices=words, slot=slot, output=output)


def xor_wirings(encoding: XorEncoding, folding: Folding) -> Iterator[XorWiring]:
    """Yield the wirings that store fewer bits than they decode, the narrowest decoders first.

    There are none where the folding cannot be fed by whole slices.
    """
    for group_pes in divisors(folding.pe):
        wiring = _wiring_of_group(encoding, group_pes, folding.simd)
        if wiring is not None and wiring.n_slots * encoding.n_in < len(wiring.slot):
            yield wiring


def stored_words(encoding: XorEncoding, wiring: XorWiring, folding: Folding, schedule: FoldSchedule) -> Bits:
    """Return what the memory holds, uint8 (lanes, steps, stored bits): slice after slice of every step."""
    lanes = folding.pe // wiring.group_pes
    words = np.empty((lanes, schedule.n_steps, wiring.n_slots * encoding.n_in), dtype=np.uint8)
    for plane in range(encoding.n_planes):
        bits, steps = encoding.encoded_bits(plane), np.flatnonzero(schedule.plane == plane)
        for lane in range(lanes):
            groups = schedule.row_fold[steps] * lanes + lane
            slices = wiring.slices[groups, schedule.column_fold[steps]]
            words[lane, steps] = bits[slices].reshape(len(steps), -1)
    return words


def decoder_columns(encoding: XorEncoding, wiring: XorWiring) -> Bits:
    """Return the lanes that every stored bit turns over, uint8 (planes, stored bits, lanes)."""
    n_slots, n_in = wiring.n_slots, encoding.n_in
    columns = np.zeros((encoding.n_planes, n_slots, n_in, len(wiring.slot)), dtype=np.uint8)
    lanes = np.arange(len(wiring.slot))
    for plane, matrix in enumerate(encoding.matrices):
        columns[plane, wiring.slot, :, lanes] = matrix[wiring.output]
    return columns.reshape(encoding.n_planes, n_slots * n_in, -1)


def inverted_rows(encoding: XorEncoding, folding: Folding) -> NDArray[np.int64] | None:
    """Return the rows that are turned over behind the decoder, (pe, row folds, planes); None without any."""
    if not encoding.inverted.any():
        return None
    rows = encoding.inverted.T.astype(np.int64)
    return rows.reshape(-1, folding.pe, encoding.n_planes).swapaxes(0, 1)
