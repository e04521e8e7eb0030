"""A small convolutional network for 28 x 28 images, and its quantized forms.

8C3 - MP2 - 16C3 - MP2 - 128FC - 10, with batch normalization behind the pooling as BNN has it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import nn

from hbnn_hw.data import Dataset
from hbnn_hw.nn import (
    BitPlaneInput,
    ConvertSpec,
    HbnnActivationSpec,
    LayerSpec,
    OutputScale,
    SignSpec,
    convert,
)
from hbnn_hw.nn.bit_map import Distribution

CHANNELS = (8, 16)
HIDDEN = 128
SHAPE = "8C3-MP2-16C3-MP2-128-10"
"""The layers in the papers' notation."""


def small_cnn(dataset: Dataset) -> nn.Sequential:
    """Build the float network; its activations are Hardtanh.

    Parameters
    ----------
    dataset
        Gives image size, input bits and classes.

    Returns
    -------
    nn.Sequential
        From uint8 codes (batch, rows · columns) to logits (batch, classes). Children ``image``, ``input``,
        then ``conv<i>``, ``pool<i>``, ``norm<i>``, ``act<i>``, ``flatten``, ``fc3``, ``norm3``, ``act3``,
        ``fc4``, ``scale``.
    """
    rows, columns = dataset.image_shape
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        image=nn.Unflatten(1, (1, rows, columns)), input=BitPlaneInput(dataset.input_bits)
    )
    inputs = 1
    for i, outputs in enumerate(CHANNELS, start=1):
        layers[f"conv{i}"] = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        layers[f"pool{i}"] = nn.MaxPool2d(2)
        layers[f"norm{i}"] = nn.BatchNorm2d(outputs)
        layers[f"act{i}"] = nn.Hardtanh()
        inputs = outputs
    shrink = 2 ** len(CHANNELS)
    layers["flatten"] = nn.Flatten()
    layers["fc3"] = nn.Linear(inputs * (rows // shrink) * (columns // shrink), HIDDEN, bias=False)
    layers["norm3"] = nn.BatchNorm1d(HIDDEN)
    layers["act3"] = nn.Hardtanh()
    layers["fc4"] = nn.Linear(HIDDEN, dataset.n_classes, bias=False)
    layers["scale"] = OutputScale(1.0 / math.sqrt(HIDDEN))
    return nn.Sequential(layers)


def activation_shapes(dataset: Dataset) -> Mapping[str, tuple[int, ...]]:
    """Return path and shape (channels, rows, columns) or (features,) of every activation."""
    rows, columns = dataset.image_shape
    convolved = {
        f"act{i}": (channels, rows >> i, columns >> i) for i, channels in enumerate(CHANNELS, start=1)
    }
    return MappingProxyType({**convolved, "act3": (HIDDEN,)})


def quantized(
    weights: LayerSpec,
    activations: Distribution | None = None,
    layers: Mapping[str, LayerSpec] = MappingProxyType({}),
) -> Callable[[Dataset], nn.Sequential]:
    """Return a builder of the quantized network.

    Parameters
    ----------
    weights
        For every layer with weights, the first and the last included.
    activations
        Bits per position of HBNN activations; None for signs.
    layers
        Specifications of single layers, by path.
    """

    def build(dataset: Dataset) -> nn.Sequential:
        own: dict[str, LayerSpec] = dict(layers)
        if activations is not None:
            for path, shape in activation_shapes(dataset).items():
                own[path] = HbnnActivationSpec(shape=shape, distribution=activations)
        model = convert(small_cnn(dataset), ConvertSpec(weights=weights, activation=SignSpec(), layers=own))
        assert isinstance(model, nn.Sequential)
        return model

    return build
