"""From a trained network to its deployed twin: the same function with constants that hardware has.

The twin is the reference that capture reads and that every hardware level must reproduce bit for bit.
:mod:`~hbnn_hw.lowering.stages` says what the numbers between two layers mean,
:mod:`~hbnn_hw.nn.deploy.lowering` carries it from layer to layer, and
:mod:`~hbnn_hw.nn.deploy.handlers` lists what becomes of every kind of layer.
"""

from hbnn_hw.nn.deploy.twin import deploy

__all__ = ["deploy"]
