"""What the numbers between two layers of a network mean; see :mod:`hbnn_hw.lowering.stages`."""

from hbnn_hw.lowering.stages import Codes, Integers, Reals, Stage, Value

__all__ = ["Codes", "Integers", "Reals", "Stage", "Value"]
