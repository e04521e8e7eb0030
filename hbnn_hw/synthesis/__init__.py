"""Netlists behind synthesis: simulated, and timed."""

from hbnn_hw.synthesis.check import Function, Values, check_function
from hbnn_hw.synthesis.flat_netlist import Cell, FlatNetlist, flat_netlist
from hbnn_hw.synthesis.lanes import Bits, to_bits, to_integers
from hbnn_hw.synthesis.longest_path import LongestPath, longest_path
from hbnn_hw.synthesis.packing import packed_sites
from hbnn_hw.synthesis.simulation import Simulation
from hbnn_hw.synthesis.stream_check import StreamPorts, check_stream

__all__ = [
    "Bits",
    "Cell",
    "FlatNetlist",
    "Function",
    "LongestPath",
    "Simulation",
    "StreamPorts",
    "Values",
    "check_function",
    "check_stream",
    "flat_netlist",
    "longest_path",
    "packed_sites",
    "to_bits",
    "to_integers",
]
