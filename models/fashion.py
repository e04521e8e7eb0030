"""784-256-256-256-10 on Fashion-MNIST with 8-bit pixels: MNIST's recipes on harder images."""

from hbnn_hw.data import DatasetName
from hbnn_hw.nn import Loss, TrainConfig
from models.bitwidths import every_bitwidth

RECIPES = every_bitwidth(
    "fashion",
    DatasetName.FASHION,
    784,
    (256, 256, 256),
    TrainConfig(epochs=10, loss=Loss.SQUARED_HINGE),
    without=frozenset({"slb4", "flexor04"}),
)
