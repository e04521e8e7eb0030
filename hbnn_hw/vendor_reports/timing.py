"""``report_timing_summary``: worst slacks of a routed design. Source: UG906, "Report Timing Summary"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hbnn_hw.errors import VendorReportError
from hbnn_hw.vendor_reports.reading import number, read_text


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingReport:
    """Worst slacks of the whole design.

    Attributes
    ----------
    setup_slack_ns, hold_slack_ns
        Worst negative slack (WNS) and worst hold slack (WHS) [ns]; negative where timing is not met.
    failing_endpoints
        Endpoints with negative setup slack.
    """

    setup_slack_ns: float
    hold_slack_ns: float
    failing_endpoints: int

    @property
    def met(self) -> bool:
        """Whether no slack is negative."""
        return self.setup_slack_ns >= 0 and self.hold_slack_ns >= 0


def read_timing(path: Path) -> TimingReport:
    """Read the design timing summary.

    Raises
    ------
    VendorReportError
        Naming the file, if there is no complete summary, or no path was constrained.
    """
    lines = read_text(path).splitlines()
    at = next((i for i, line in enumerate(lines) if line.split()[:2] == ["WNS(ns)", "TNS(ns)"]), None)
    # A line of dashes lies between heading and values.
    if at is None or at + 2 >= len(lines):
        raise VendorReportError(
            f"'{path}' must have a design timing summary; it is truncated or another report"
        )
    names = re.split(r"\s{2,}", lines[at].strip())
    values = dict(zip(names, lines[at + 2].split(), strict=False))
    wanted = ("WNS(ns)", "WHS(ns)", "TNS Failing Endpoints")
    missing = [name for name in wanted if name not in values]
    if missing:
        raise VendorReportError(
            f"'{path}': the design timing summary must have {missing[0]}; it is truncated"
        )
    setup, hold, failing = (number(path, name, values[name]) for name in wanted)
    return TimingReport(setup_slack_ns=setup, hold_slack_ns=hold, failing_endpoints=int(failing))
