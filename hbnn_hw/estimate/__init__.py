"""Estimates: area, time and energy of a scheduled network, and real synthesis to hold them against."""

from hbnn_hw.estimate.area import Area, ErrorBand
from hbnn_hw.estimate.comparison import synthesis_text
from hbnn_hw.estimate.energy import OperationEnergy
from hbnn_hw.estimate.model import Estimate, LayerShape, NodeEstimate, estimate
from hbnn_hw.estimate.netlist import CellCounts
from hbnn_hw.estimate.paper import PaperRow, paper_fpga, scaled_area
from hbnn_hw.estimate.synthesis import SynthesisResult, synthesize, synthesize_graph
from hbnn_hw.estimate.text import estimate_text

__all__ = [
    "Area",
    "CellCounts",
    "ErrorBand",
    "Estimate",
    "LayerShape",
    "NodeEstimate",
    "OperationEnergy",
    "PaperRow",
    "SynthesisResult",
    "estimate",
    "estimate_text",
    "paper_fpga",
    "scaled_area",
    "synthesis_text",
    "synthesize",
    "synthesize_graph",
]
