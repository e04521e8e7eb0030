"""The arithmetic of lowering, in numpy alone: what every front end needs between a network and the IR.

:mod:`~hbnn_hw.lowering.stages` says what the numbers between two layers mean, and
:mod:`~hbnn_hw.lowering.lines` and its neighbours compute with them.
"""
