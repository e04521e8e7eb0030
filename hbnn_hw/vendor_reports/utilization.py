"""``report_utilization``: resources of a synthesized or routed design, whole and by instance.

Source: UG906, "Report Utilization". 7-series designs use "Slice LUTs", UltraScale ones "CLB LUTs"; behind
synthesis the name has an asterisk; half a block RAM tile is one RAMB18.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from hbnn_hw.errors import VendorReportError
from hbnn_hw.vendor_reports.reading import number, tables
from hbnn_hw.vendor_reports.resources import Resources

LUTS = ("Slice LUTs", "CLB LUTs")
REGISTERS = ("Slice Registers", "CLB Registers")
DSP_BLOCKS = ("DSP48 Blocks", "DSP Blocks")


def _first(path: Path, row: Mapping[str, str], names: Iterable[str]) -> float:
    names = tuple(names)
    for name in names:
        if name in row:
            return number(path, name, row[name])
    raise VendorReportError(
        f"'{path}' must have {' or '.join(names)}; it is truncated, or no utilization report"
    )


def read_utilization(path: Path) -> Resources:
    """Read what a whole design uses.

    Raises
    ------
    VendorReportError
        Naming the file and the first resource that it does not have.
    """
    used = {
        row["Site Type"].rstrip("*").strip(): row["Used"]
        for row in tables(path, "Site Type")
        if "Used" in row
    }
    return Resources(
        luts=_first(path, used, LUTS),
        flip_flops=_first(path, used, REGISTERS),
        bram36=_first(path, used, ("Block RAM Tile",)),
        dsps=_first(path, used, ("DSPs",)),
    )


def read_hierarchy(path: Path) -> dict[str, Resources]:
    """Read what every instance uses, its children included, by its own name; the first of equal names.

    Raises
    ------
    VendorReportError
        Naming the file, if it has no such table.
    """
    found: dict[str, Resources] = {}
    for row in tables(path, "Instance"):
        resources = Resources(
            luts=_first(path, row, ("Total LUTs",)),
            flip_flops=_first(path, row, ("FFs",)),
            bram36=_first(path, row, ("RAMB36",)) + _first(path, row, ("RAMB18",)) / 2,
            dsps=_first(path, row, DSP_BLOCKS),
        )
        found.setdefault(row["Instance"], resources)
    if not found:
        raise VendorReportError(f"'{path}' must have a table by Instance; it is truncated, or another report")
    return found
