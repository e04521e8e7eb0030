"""Real numbers as piecewise affine functions of integers; see :mod:`hbnn_hw.lowering.lines`."""

from hbnn_hw.lowering.lines import Bend, Lines, Reals, beside

__all__ = ["Bend", "Lines", "Reals", "beside"]
