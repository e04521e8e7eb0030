"""64-64-10 on UCI optdigits, whose pixels are 5-bit codes: small enough to train in seconds."""

from hbnn_hw.data import DatasetName
from hbnn_hw.nn import TrainConfig
from models.bitwidths import every_bitwidth

RECIPES = every_bitwidth("digits", DatasetName.DIGITS, 64, (64,), TrainConfig(epochs=40, batch_size=64))
