"""LUT6 sites that a netlist will take in slices, before unrelated functions share any.

The rules are those of :mod:`hbnn_hw.synthesis.packing`, which counts a mapped netlist; this is what the
search weighs, without a mapping.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from hbnn_hw.backends.rtl.unrolled.netlist import DUAL_INPUTS, ONE, ZERO, CarryChain, Cell, Lut, Netlist


def slice_sites(netlist: Netlist) -> int:
    """Count the sites of a netlist: its LUTs, and what its chains need besides."""
    return cell_sites(netlist.cells, netlist.outputs)


def cell_sites(cells: Sequence[Cell], outputs: Iterable[int]) -> int:
    """Count the sites of cells whose outputs nothing else reads, but for ``outputs``."""
    reads = Counter(net for cell in cells for net in cell.inputs)
    reads.update(outputs)
    homes = {cell.outputs[0]: cell for cell in cells if isinstance(cell, Lut)}
    return len(homes) + sum(
        _extra_sites(cell, reads, homes) for cell in cells if isinstance(cell, CarryChain)
    )


def _extra_sites(chain: CarryChain, reads: Counter[int], homes: dict[int, Lut]) -> int:
    """Count the sites of a chain besides those of its LUTs; each LUT in ``homes`` has one, and leaves it."""
    extra = int(reads[chain.sums[-1]] > 0 and reads[chain.carry_out] > 0)
    for at, (select, generate, total) in enumerate(
        zip(chain.selects, chain.generates, chain.sums, strict=True)
    ):
        home = homes.pop(select, None)
        extra += home is None
        second = home.outputs[1] if home and len(home.outputs) > 1 else generate
        is_parted = second != generate and reads[total] > 0
        extra += is_parted
        if at == 0 and chain.carry_in >= 0:
            nets = {*(home.inputs if home else (select,)), generate} - {ZERO, ONE}
            extra += len(nets) > DUAL_INPUTS or (second != generate and not is_parted)
    return extra
