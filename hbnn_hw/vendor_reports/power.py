"""``report_power``: the tool's power estimate of a routed design. Source: UG907, "Report Power"."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hbnn_hw.errors import VendorReportError
from hbnn_hw.vendor_reports.reading import cells, number, read_text


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerReport:
    """Power of the whole design, by Vivado's activity model unless it was given a simulation.

    Attributes
    ----------
    total_w, dynamic_w, static_w
        On-chip power, and its two parts [W].
    confidence
        The tool's own word: Low, Medium or High.
    """

    total_w: float
    dynamic_w: float
    static_w: float
    confidence: str


def read_power(path: Path) -> PowerReport:
    """Read the summary of a power report.

    Raises
    ------
    VendorReportError
        Naming the file and the line that it does not have.
    """
    summary: dict[str, str] = {}
    for line in read_text(path).splitlines():
        row = cells(line)
        if len(row) == 2:
            summary.setdefault(*row)
    names = ("Total On-Chip Power (W)", "Dynamic (W)", "Device Static (W)")
    missing = [name for name in (*names, "Confidence Level") if name not in summary]
    if missing:
        raise VendorReportError(f"'{path}' must have '{missing[0]}'; it is truncated, or no power report")
    total, dynamic, static = (number(path, name, summary[name]) for name in names)
    return PowerReport(
        total_w=total, dynamic_w=dynamic, static_w=static, confidence=summary["Confidence Level"]
    )
