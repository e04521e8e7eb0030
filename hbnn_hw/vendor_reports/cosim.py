"""``<top>_cosim.rpt``: latency and interval that co-simulation measured.

Source: UG902 and UG1399, "C/RTL Co-Simulation Report". The row of the simulated language is
``|Verilog| Pass| min| avg| max| min| avg| max|``, latency first; later releases append the total time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hbnn_hw.errors import VendorReportError
from hbnn_hw.vendor_reports.reading import cells, optional_number, read_text
from hbnn_hw.vendor_reports.resources import Cycles

_COLUMNS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CosimReport:
    """Co-simulation of the top function.

    Attributes
    ----------
    passed
        Whether the RTL's outputs were the test bench's.
    latency, interval
        Clock cycles of a call and between calls; the latter are not known of a single call.
    """

    passed: bool
    latency: Cycles
    interval: Cycles


def _cycles(path: Path, what: str, texts: list[str]) -> Cycles:
    low, mean, high = (optional_number(path, what, text) for text in texts)
    return Cycles(
        minimum=None if low is None else int(low),
        average=None if mean is None else int(mean),
        maximum=None if high is None else int(high),
    )


def read_cosim(path: Path) -> CosimReport:
    """Read the report of a co-simulation in Verilog.

    Raises
    ------
    VendorReportError
        Naming the file, if there is no complete row for Verilog.
    """
    for line in read_text(path).splitlines():
        row = cells(line)
        if row and row[0] == "Verilog" and len(row) >= _COLUMNS and row[1] in {"Pass", "Fail"}:
            return CosimReport(
                passed=row[1] == "Pass",
                latency=_cycles(path, "a latency", row[2:5]),
                interval=_cycles(path, "an interval", row[5:8]),
            )
    raise VendorReportError(
        f"'{path}' must have a row of {_COLUMNS} columns for Verilog that passed or failed; run cosim again"
    )
