"""LUT6 sites as the slices of 7-series can hold them: pairs through O5 and O6, and the sites of carry chains.

A CARRY4 takes its S inputs from the O6 outputs of its own four sites and from nowhere else (Xilinx UG474,
"Carry Logic"). So every bit of a chain has a site, also where S comes from another cell or is constant, and
two functions in front of chains never share one. That leaves an optimistic floor still: a second function
beside a chain must leave by the multiplexer that the sum wants, which is not looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hbnn_hw.estimate.netlist import LUT_INPUTS, LUTRAM_LUTS
from hbnn_hw.estimate.pairing import PAIR_INPUTS, Nets, site_pairs
from hbnn_hw.synthesis.flat_netlist import ONE, Cell, FlatNetlist

_OUTPUTS = {"O", "O5", "O6", "CO"}
"""Output pins of LUTs and carry chains."""


def packed_sites(netlist: FlatNetlist) -> int:
    """Count LUT6 sites of logic, carry chains and distributed memory together."""
    chains = list(_chain_selects(netlist))
    luts = {cell.pin("O"): _reads(cell) for cell in netlist.cells if cell.kind in LUT_INPUTS}
    doubles = {cell.pin("O6") for cell in netlist.cells if cell.kind == "LUT6_2"}
    # A LUT6_2 in front of a chain has the chain's site, once.
    covered = doubles & set(chains)
    selects = [luts.get(net, frozenset({net} - {0, ONE})) for net in _uncovered(chains, covered)]
    others = [nets for output, nets in luts.items() if output not in set(chains)]
    functions = selects + others
    small = [at for at, nets in enumerate(functions) if len(nets) <= PAIR_INPUTS]
    apart = {place for place, at in enumerate(small) if at < len(selects)}
    pairs = site_pairs([functions[at] for at in small], apart)
    fixed = sum(LUTRAM_LUTS.get(cell.kind, cell.kind == "LUT6_2") for cell in netlist.cells)
    return len(functions) - len(pairs) + fixed


def _uncovered(chains: list[int], covered: set[int]) -> Iterator[int]:
    """S nets of the chains without the first use of each ``covered`` one."""
    left = Counter(covered)
    for net in chains:
        if left[net]:
            left[net] -= 1
        else:
            yield net


def _reads(cell: Cell) -> Nets:
    nets = {net for port, found in cell.pins.items() if port not in _OUTPUTS for net in found}
    return frozenset(nets - {0, ONE})


def _chain_selects(netlist: FlatNetlist) -> Iterator[int]:
    """S net of every bit of a carry chain that something is read of, or of a higher bit."""
    read = {
        net
        for cell in netlist.cells
        for port, nets in cell.pins.items()
        if port not in _OUTPUTS
        for net in nets
    }
    read.update(net for nets in netlist.outputs.values() for net in nets)
    for cell in netlist.cells:
        if cell.kind == "CARRY4":
            used = [
                at for port in ("O", "CO") for at, net in enumerate(cell.pins.get(port, ())) if net in read
            ]
            yield from cell.pins["S"][: max(used, default=-1) + 1]
