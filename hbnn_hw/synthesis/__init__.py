"""Netlists behind synthesis: simulated, and timed."""

from hbnn_hw.synthesis.check import Function, Values, check_function
from hbnn_hw.synthesis.flat_netlist import Cell, FlatNetlist, flat_netlist
from hbnn_hw.synthesis.lanes import Bits, to_bits, to_integers
from hbnn_hw.synthesis.longest_path import LongestPath, longest_path
from hbnn_hw.synthesis.simulation import Simulation

__all__ = [
    "Bits",
    "Cell",
    "FlatNetlist",
    "Function",
    "LongestPath",
    "Simulation",
    "Values",
    "check_function",
    "flat_netlist",
    "longest_path",
    "to_bits",
    "to_integers",
]
