"""784-256-256-256-10 on MNIST with 8-bit pixels."""

from hbnn_hw.data import DatasetName
from hbnn_hw.nn import Loss, TrainConfig
from models.recipe import methods_of

RECIPES = tuple(
    methods_of("mnist", DatasetName.MNIST, (256, 256, 256), TrainConfig(epochs=30, loss=Loss.SQUARED_HINGE))
)
