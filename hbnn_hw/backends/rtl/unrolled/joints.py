"""Carry chains one behind the other: the slot that lets a chain's carry out lets the next one's carry in.

Where the last sum of a chain and its carry both go to logic, a slice needs one slot more, which gives the
carry as its sum (UG474: one output multiplexer a slot). With S = 0 that slot drops the carry and passes on
its DI, so the next chain starts there, whose first slot then has its bypass for its own DI.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from hbnn_hw.backends.rtl.unrolled.netlist import ZERO, CarryChain, Cell, Netlist

LONGEST = 16
"""Slots of the longest row of chains: four slices."""


def joined(netlist: Netlist) -> Netlist:
    """Return the same netlist with independent chains of about the same delay put in rows."""
    reads = Counter(net for cell in netlist.cells for net in cell.inputs)
    reads.update(netlist.outputs)
    levels, depths = netlist.levels(), [0] * netlist.n_nets
    ordered: dict[tuple[int, bool], list[Cell]] = defaultdict(list)
    for cell in netlist.cells:
        depth = max((depths[net] for net in cell.inputs if net >= 0), default=0)
        is_chain = isinstance(cell, CarryChain)
        for net in cell.outputs:
            depths[net] = depth + is_chain
        ordered[depth, is_chain].append(cell)
    cells: list[Cell] = []
    for key in sorted(ordered):
        # No path leads from a chain to another one of the same depth.
        cells += _rows(ordered[key], reads, levels) if key[1] else ordered[key]
    return replace(netlist, cells=tuple(cells))


def _rows(cells: Sequence[Cell], reads: Counter[int], levels: Sequence[float]) -> Iterator[CarryChain]:
    """Put chains in rows, those of the same level."""
    by_level: dict[float, list[CarryChain]] = defaultdict(list)
    for cell in cells:
        assert isinstance(cell, CarryChain)
        by_level[round(levels[cell.carry_out])].append(cell)
    for level in sorted(by_level):
        yield from _level_rows(by_level[level], reads)


def _level_rows(chains: Iterable[CarryChain], reads: Counter[int]) -> Iterator[CarryChain]:
    """Start rows with the chains that no net enters; those that let no carry out end them."""
    row: CarryChain | None = None
    for chain in sorted(chains, key=lambda chain: (not _lets_out(chain, reads), chain.carry_in >= 0)):
        if row is None:
            row = chain
        elif chain.carry_in >= 0 and _lets_out(row, reads) and len(row.sums) + len(chain.sums) < LONGEST:
            row = _join(row, chain)
        else:
            yield row
            row = chain
    if row is not None:
        yield row


def _lets_out(chain: CarryChain, reads: Counter[int]) -> bool:
    """Whether the last sum and the carry both are read."""
    return reads[chain.sums[-1]] > 0 and reads[chain.carry_out] > 0


def _join(first: CarryChain, second: CarryChain) -> CarryChain:
    return CarryChain(
        carry_in=first.carry_in,
        selects=(*first.selects, ZERO, *second.selects),
        generates=(*first.generates, second.carry_in, *second.generates),
        sums=(*first.sums, first.carry_out, *second.sums),
        carry_out=second.carry_out,
    )
