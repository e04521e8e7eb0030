"""784-256-256-256-10 on MNIST with 8-bit pixels."""

from hbnn_hw.data import DatasetName
from hbnn_hw.nn import Loss, Method, TrainConfig
from models.recipe import methods_of

RATES = {Method.SLB: 3e-2, Method.FLEXOR: 1e-3}
"""SLB's soft weights fit the training images too well at smaller steps. FleXOR's encrypted weights learn
within a window of width 1 / S_tanh, narrower than a latent weight's."""

RECIPES = tuple(
    methods_of(
        "mnist",
        DatasetName.MNIST,
        (256, 256, 256),
        TrainConfig(epochs=30, loss=Loss.SQUARED_HINGE),
        RATES,
    )
)
