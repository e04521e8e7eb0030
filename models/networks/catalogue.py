"""All networks with their size, as ``docs/networks.md`` lists them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from models.networks.alexnet_bn import alexnet_bn
from models.networks.blocks import ImageShape
from models.networks.cnv import cnv
from models.networks.lenet5 import lenet5
from models.networks.mobilenet import mobilenet
from models.networks.perceptrons import lfc, sfc
from models.networks.resnet18 import resnet18
from models.networks.resnet20 import resnet20
from models.networks.trace import Step, trace
from models.networks.vgg8 import vgg8, vgg_small


@dataclass(frozen=True, slots=True)
class Network:
    """One row of the table.

    Attributes
    ----------
    name
        Of the builder, with the options that make this network of it.
    build
        Makes it at full width, with random weights.
    image_shape
        (channels, height, width) of its input.
    layers
        What it consists of.
    source
        Which paper uses it.
    """

    name: str
    build: Callable[[], nn.Module]
    image_shape: ImageShape
    layers: str
    source: str

    def steps(self) -> list[Step]:
        """Return its layers in their order, without memory for weights."""
        with torch.device("meta"):
            network = self.build()
            # Values without memory cannot be checked for being codes.
            network.input = nn.Identity()
            return trace(network, torch.zeros(1, math.prod(self.image_shape)))

    def row(self) -> str:
        """Return its line of the table."""
        layers = [step for step in self.steps() if step.n_weights]
        cells = (
            f"`{self.name}`",
            "x".join(map(str, self.image_shape)),
            self.layers,
            f"{len(layers)}",
            f"{sum(layer.n_weights for layer in layers):,}",
            f"{sum(layer.n_macs for layer in layers):,}",
            self.source,
        )
        return f"| {' | '.join(cells)} |"


MNIST = (1, 28, 28)
CIFAR = (3, 32, 32)
IMAGENET = (3, 224, 224)

NETWORKS = (
    Network("sfc()", sfc, MNIST, "784-3x256-10", "FINN"),
    Network("lfc()", lfc, MNIST, "784-3x1024-10", "FINN"),
    Network("lfc(width=4)", lambda: lfc(width=4), MNIST, "784-3x4096-10", "BNN"),
    Network("lenet5()", lenet5, MNIST, "32C5-MP2-64C5-MP2-512FC-10", "FleXOR"),
    Network("cnv()", cnv, CIFAR, "2x64C3-MP2-2x128C3-MP2-2x256C3-2x512FC-10, unpadded", "FINN, HBNN"),
    Network("vgg8()", vgg8, CIFAR, "2x128C3-MP2-2x256C3-MP2-2x512C3-MP2-2x1024FC-10", "BNN"),
    Network("vgg_small()", vgg_small, CIFAR, "2x128C3-MP2-2x256C3-MP2-2x512C3-MP2-10", "SLB"),
    Network("resnet20()", resnet20, CIFAR, "16C3, 6x16C3, 6x32C3, 6x64C3, 10", "SLB, FleXOR"),
    Network("resnet18()", resnet18, IMAGENET, "64C7, 4x64C3, 4x128C3, 4x256C3, 4x512C3, 1000", "SLB, FleXOR"),
    Network(
        "resnet18(cifar_stem=True)",
        lambda: resnet18(cifar_stem=True, image_shape=CIFAR, n_classes=10),
        CIFAR,
        "64C3, 4x64C3, 4x128C3, 4x256C3, 4x512C3, 10",
        "SLB (Golden Stick)",
    ),
    Network("mobilenet()", mobilenet, IMAGENET, "32C3, 13x(spatial C3, point-wise C1), 1000", "HBNN"),
    Network(
        "alexnet_bn()",
        alexnet_bn,
        IMAGENET,
        "64C11-MP3-192C5-MP3-384C3-2x256C3-MP3-2x4096FC-1000",
        "HBNN, BNN",
    ),
)

_HEAD = """\
| network | input | layers | with weights | weights | multiply-accumulates | used by |
| --- | --- | --- | --- | --- | --- | --- |
"""


def table() -> str:
    """Return the Markdown table of all networks."""
    return _HEAD + "".join(f"{network.row()}\n" for network in NETWORKS)
