"""Estimates: area, time and energy of a scheduled network, and real synthesis to hold them against."""

from hbnn_hw.estimate.activity import Activity, activities
from hbnn_hw.estimate.area import Area, ErrorBand
from hbnn_hw.estimate.comparison import synthesis_text
from hbnn_hw.estimate.compression import LayerCompression, compression_text, network_compression
from hbnn_hw.estimate.energy import OperationEnergy
from hbnn_hw.estimate.model import Estimate, LayerShape, NodeEstimate, estimate
from hbnn_hw.estimate.netlist import CellCounts
from hbnn_hw.estimate.occupancy import Share, occupancy, occupancy_text
from hbnn_hw.estimate.paper import PaperRow, paper_fpga, scaled_area
from hbnn_hw.estimate.power import FpgaPower, fpga_power
from hbnn_hw.estimate.synthesis import SynthesisResult, synthesize, synthesize_graph
from hbnn_hw.estimate.text import estimate_text

__all__ = [
    "Activity",
    "Area",
    "CellCounts",
    "ErrorBand",
    "Estimate",
    "FpgaPower",
    "LayerCompression",
    "LayerShape",
    "NodeEstimate",
    "OperationEnergy",
    "PaperRow",
    "Share",
    "SynthesisResult",
    "activities",
    "compression_text",
    "estimate",
    "estimate_text",
    "fpga_power",
    "network_compression",
    "occupancy",
    "occupancy_text",
    "paper_fpga",
    "scaled_area",
    "synthesis_text",
    "synthesize",
    "synthesize_graph",
]
