"""The report of a network: one self-contained HTML page."""

from hbnn_hw.report.document import ReportInput, UnrolledStructure
from hbnn_hw.report.exploration import Exploration
from hbnn_hw.report.page import render_report

__all__ = ["Exploration", "ReportInput", "UnrolledStructure", "render_report"]
