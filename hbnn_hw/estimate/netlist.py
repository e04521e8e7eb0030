"""Counting a mapped 7-series netlist: cells by kind, and LUT6 sites after O5/O6 pairing.

The netlist is the JSON that Yosys writes behind ``synth_xilinx``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from hbnn_hw.estimate.pairing import paired_sites

LUT_INPUTS = {f"LUT{n}": n for n in range(1, 7)}

LUTRAM_LUTS = {
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32X1S": 1,
    "RAM32X1D": 2,
    "RAM64X1S": 1,
    "RAM64X1D": 2,
    "RAM128X1S": 2,
    "RAM128X1D": 4,
    "RAM256X1S": 4,
    "SRL16E": 1,
    "SRLC32E": 1,
}
"""LUT6 sites of one distributed-memory or shift-register cell. Source: Xilinx UG474, tables 2-3 and 2-5."""

FLIP_FLOPS = ("FDRE", "FDSE", "FDCE", "FDPE", "LDCE", "LDPE")


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCounts:
    """Cells of a netlist; counts of 7-series primitives.

    Attributes
    ----------
    lut1, lut2, lut3, lut4, lut5, lut6
        Logic LUT cells by number of inputs; a two-output LUT6_2 counts as one lut6.
    lutram
        LUT6 sites used as distributed memory or shift registers.
    flip_flops
        Flip-flops and latches.
    carry4, muxf
        Carry chains of four bits; F7 and F8 multiplexers.
    bram18, bram36, dsp
        Block RAMs of 18 and 36 kbit; DSP48E1 slices.
    inverters
        INV cells, which a vendor tool absorbs into neighbouring LUTs.
    lut_sites
        LUT6 sites of the logic LUTs after pairing (:func:`paired_sites`), without ``lutram``.
    """

    lut1: int = 0
    lut2: int = 0
    lut3: int = 0
    lut4: int = 0
    lut5: int = 0
    lut6: int = 0
    lutram: int = 0
    flip_flops: int = 0
    carry4: int = 0
    muxf: int = 0
    bram18: int = 0
    bram36: int = 0
    dsp: int = 0
    inverters: int = 0
    lut_sites: int = 0

    @property
    def logic_luts(self) -> int:
        """LUT cells used as logic."""
        return self.lut1 + self.lut2 + self.lut3 + self.lut4 + self.lut5 + self.lut6

    @property
    def luts(self) -> int:
        """All LUTs: logic cells, unpaired, plus distributed memory."""
        return self.logic_luts + self.lutram

    @property
    def sites(self) -> int:
        """All LUT6 sites: paired logic plus distributed memory; an optimistic floor."""
        return self.lut_sites + self.lutram

    @property
    def bram36_equivalent(self) -> float:
        """Block RAM in units of 36 kbit."""
        return self.bram36 + self.bram18 / 2

    def document(self) -> dict[str, int]:
        """Return plain data for JSON."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def _inputs(cell: Mapping[str, Any]) -> frozenset[int]:
    """Nets that a LUT cell reads; constants are strings in the JSON and cost no pin."""
    nets = (net for port, pins in cell["connections"].items() if port.startswith("I") for net in pins)
    return frozenset(net for net in nets if isinstance(net, int))


def count_types(types: Mapping[str, int], lut_sites: int) -> CellCounts:
    """Sort cell counts by type into :class:`CellCounts`."""

    def of(*names: str) -> int:
        return sum(types.get(name, 0) for name in names)

    return CellCounts(
        **{f"lut{n}": of(f"LUT{n}") for n in range(1, 6)},
        lut6=of("LUT6", "LUT6_2"),
        lutram=sum(sites * of(name) for name, sites in LUTRAM_LUTS.items()),
        flip_flops=of(*FLIP_FLOPS),
        carry4=of("CARRY4"),
        muxf=of("MUXF7", "MUXF8"),
        bram18=of("RAMB18E1"),
        bram36=of("RAMB36E1"),
        dsp=of("DSP48E1"),
        inverters=of("INV"),
        lut_sites=lut_sites,
    )


def _own_counts(module: Mapping[str, Any]) -> CellCounts:
    """Count a module's own cells, without those of the modules it instantiates."""
    cells = module["cells"].values()
    types = Counter(str(cell["type"]) for cell in cells)
    plain = [_inputs(cell) for cell in cells if cell["type"] in LUT_INPUTS]
    return count_types(types, paired_sites(plain) + types["LUT6_2"])


def add_counts(parts: Iterable[CellCounts]) -> CellCounts:
    """Add counts field by field."""
    listed = list(parts)
    return CellCounts(**{f.name: sum(getattr(part, f.name) for part in listed) for f in fields(CellCounts)})


def count_module(modules: Mapping[str, Any], name: str) -> CellCounts:
    """Count a module with everything below it."""
    below = [str(cell["type"]) for cell in modules[name]["cells"].values() if is_module(modules, cell)]
    return add_counts([_own_counts(modules[name]), *(count_module(modules, child) for child in below)])


def is_module(modules: Mapping[str, Any], cell: Mapping[str, Any]) -> bool:
    """Tell an instance of a module of the design from a primitive."""
    module = modules.get(cell["type"])
    return module is not None and "blackbox" not in module.get("attributes", {})


def count_instances(modules: Mapping[str, Any], top: str) -> dict[str, CellCounts]:
    """Count every instance directly below the top module by instance name, and the top's own cells as ''."""
    counts = {"": _own_counts(modules[top])}
    for name, cell in modules[top]["cells"].items():
        if is_module(modules, cell):
            counts[name] = count_module(modules, str(cell["type"]))
    return counts
