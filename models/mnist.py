"""784-256-256-256-10 on MNIST with 8-bit pixels."""

from hbnn_hw.data import DatasetName
from hbnn_hw.nn import Loss, TrainConfig
from models.bitwidths import every_bitwidth

RECIPES = every_bitwidth(
    "mnist",
    DatasetName.MNIST,
    784,
    (256, 256, 256),
    TrainConfig(epochs=30, loss=Loss.SQUARED_HINGE),
    without=frozenset({"slb4", "hbnn12", "flexor04", "bnn_weights"}),
)
