"""64-64-10 on UCI optdigits, whose pixels are 5-bit codes: small enough to train in seconds."""

from hbnn_hw.data import DatasetName
from hbnn_hw.nn import Method, TrainConfig
from models.recipe import methods_of

RATES = {Method.SLB: 3e-2, Method.FLEXOR: 1e-3}
"""As for MNIST."""

RECIPES = tuple(methods_of("digits", DatasetName.DIGITS, (64,), TrainConfig(epochs=40, batch_size=64), RATES))
