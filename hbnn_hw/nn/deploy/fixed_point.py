"""Real numbers to integers that are a step apart; see :mod:`hbnn_hw.lowering.fixed_point`."""

from hbnn_hw.lowering.fixed_point import FINER, FixedPoint, fixed_point, root_mean_square, step_for

__all__ = ["FINER", "FixedPoint", "fixed_point", "root_mean_square", "step_for"]
