"""What the vendor tools reported of an exported HLS project, read and held beside the estimate.

One file per kind of report; :mod:`collect` knows where the project's scripts leave them. The shapes follow
UG902, UG1399, UG906 and UG907 and published reports; columns and elements are found by name, since their
number and order differ between releases.
"""

from hbnn_hw.vendor_reports.collect import Implementation, Missing, Stage, VendorReports, read_reports
from hbnn_hw.vendor_reports.comparison import Comparison, Row, compare
from hbnn_hw.vendor_reports.cosim import CosimReport, read_cosim
from hbnn_hw.vendor_reports.csynth import CsynthReport, LoopReport, read_csynth
from hbnn_hw.vendor_reports.power import PowerReport, read_power
from hbnn_hw.vendor_reports.resources import Cycles, Resources
from hbnn_hw.vendor_reports.text import comparison_text
from hbnn_hw.vendor_reports.timing import TimingReport, read_timing
from hbnn_hw.vendor_reports.utilization import read_hierarchy, read_utilization

__all__ = [
    "Comparison",
    "CosimReport",
    "CsynthReport",
    "Cycles",
    "Implementation",
    "LoopReport",
    "Missing",
    "PowerReport",
    "Resources",
    "Row",
    "Stage",
    "TimingReport",
    "VendorReports",
    "compare",
    "comparison_text",
    "read_cosim",
    "read_csynth",
    "read_hierarchy",
    "read_power",
    "read_reports",
    "read_timing",
    "read_utilization",
]
