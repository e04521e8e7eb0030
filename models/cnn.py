"""The small convolutional network on Fashion-MNIST and MNIST, weights and activations quantized."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hbnn_hw.data import DatasetName
from hbnn_hw.nn import (
    BnnSpec,
    FlexorSpec,
    HbnnSpec,
    LayerSpec,
    Loss,
    Method,
    Padding,
    SlbSpec,
    TrainConfig,
    dist_from_avg,
)
from models.bitwidths import with_rate
from models.perceptron import Network
from models.recipe import Recipe
from models.small_cnn import SHAPE, quantized, small_cnn

PADDING = Padding.MINUS_ONE
EPOCHS: Mapping[DatasetName, int] = MappingProxyType({DatasetName.FASHION: 4, DatasetName.MNIST: 3})


def _hbnn(bits: float) -> Network:
    distribution = dist_from_avg(bits)
    inner = HbnnSpec(distribution=distribution, padding=Padding.MASKED)
    # -1 is black to the first layer, but no value of an activation with several bits.
    layers: dict[str, LayerSpec] = {"conv1": HbnnSpec(distribution=distribution, padding=PADDING)}
    return quantized(inner, distribution, layers)


_ROWS: tuple[tuple[str, str, Method, Network], ...] = (
    ("float", "float", Method.FLOAT, small_cnn),
    ("bnn", "BNN 1/1", Method.BNN, quantized(BnnSpec(padding=PADDING))),
    ("hbnn10", "HBNN 1/1", Method.HBNN, _hbnn(1.0)),
    ("hbnn14", "HBNN 1.4/1.4", Method.HBNN, _hbnn(1.4)),
    ("hbnn20", "HBNN 2/2", Method.HBNN, _hbnn(2.0)),
    ("slb", "SLB 1/1", Method.SLB, quantized(SlbSpec(padding=PADDING))),
    ("flexor", "FleXOR 0.8/1", Method.FLEXOR, quantized(FlexorSpec(padding=PADDING))),
)


_MNIST_ROWS = {"float", "bnn", "hbnn14", "slb", "flexor"}
"""What MNIST, which tells networks less apart, is trained with."""


def _recipes(dataset: DatasetName) -> tuple[Recipe, ...]:
    config = TrainConfig(
        epochs=EPOCHS[dataset], batch_size=128, loss=Loss.SQUARED_HINGE, calibrate_always=True
    )
    return tuple(
        Recipe(
            name=f"{dataset.value}_cnn_{name}",
            label=label,
            dataset=dataset,
            method=method,
            shape=SHAPE,
            network=network,
            config=with_rate(config, method),
            deployable=False,
        )
        for name, label, method, network in _ROWS
    )


FASHION = _recipes(DatasetName.FASHION)
MNIST = tuple(
    recipe for recipe in _recipes(DatasetName.MNIST) if recipe.name.rpartition("_")[2] in _MNIST_ROWS
)
RECIPES = (*FASHION, *MNIST)
