"""What the networks are made of: the input stage, and convolution, pooling, normalization, activation."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TypeAlias

from torch import nn

from hbnn_hw.nn import BitPlaneInput, OutputScale

ImageShape: TypeAlias = tuple[int, int, int]
"""(channels, height, width)."""

POOL_STRIDE = 2
"""Of every max-pooling in these networks, whatever its window."""


def scaled(n: int, width: float) -> int:
    """Return ``n`` channels or features times ``width``, rounded, at least 1.

    Raises
    ------
    ValueError
        If ``width`` is not a positive number.
    """
    if not 0.0 < width < math.inf:
        raise ValueError(f"the width multiplier must be finite and positive, not {width!r}")
    return max(1, round(n * width))


def steps(size: int, kernel: int, stride: int, padding: int) -> int:
    """Return at how many places a window fits along one side of an image.

    Raises
    ------
    ValueError
        If it fits nowhere.
    """
    places = (size + 2 * padding - kernel) // stride + 1
    if places < 1:
        raise ValueError(
            f"the image is too small for this network: a window of {kernel} must fit in {size} pixels "
            f"with padding {padding}; give a larger image_shape"
        )
    return places


def unflatten(image_shape: ImageShape, *, flat: bool) -> nn.Module:
    """Return what turns the network's input into (batch, channels, height, width)."""
    return nn.Unflatten(1, image_shape) if flat else nn.Identity()


def mean_over(height: int, width: int) -> nn.AvgPool2d:
    """Return the mean over an image of this size."""
    return nn.AvgPool2d(height if height == width else (height, width))


class Stack:
    """A flat network under construction, and the shape that reaches its next layer.

    The layers with weights are numbered from 1; what belongs to layer i is called ``pool<i>``, ``norm<i>``
    and ``act<i>``. The order is that of both BNN code bases (papers, section 2.1): convolution, pooling,
    normalization, activation. No layer has a bias, because a normalization or a scale follows it.

    Parameters
    ----------
    image_shape
        (channels, height, width) of the images.
    input_bits
        Width of a pixel's code.
    flat
        Whether images come as (batch, channels · height · width), one channel after the other, and not
        as (batch, channels, height, width).
    """

    def __init__(self, image_shape: ImageShape, input_bits: int, *, flat: bool) -> None:
        self.layers: OrderedDict[str, nn.Module] = OrderedDict()
        if flat:
            self.layers["unflatten"] = unflatten(image_shape, flat=True)
        self.layers["input"] = BitPlaneInput(input_bits)
        self.shape: ImageShape | tuple[int] = image_shape
        self.depth = 0

    def conv(
        self,
        channels: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        pool: int | None = None,
        name: str = "conv",
    ) -> None:
        """Add a convolution, a max-pooling with windows of ``pool`` and stride 2 if given, norm, Hardtanh."""
        i = self._next()
        before, *sides = self.shape
        self.layers[f"{name}{i}"] = nn.Conv2d(
            before, channels, kernel, stride=stride, padding=padding, groups=groups, bias=False
        )
        height, width = (steps(side, kernel, stride, padding) for side in sides)
        if pool is not None:
            self.layers[f"pool{i}"] = nn.MaxPool2d(pool, POOL_STRIDE)
            height, width = (steps(side, pool, POOL_STRIDE, 0) for side in (height, width))
        self.layers[f"norm{i}"] = nn.BatchNorm2d(channels)
        self.layers[f"act{i}"] = nn.Hardtanh()
        self.shape = (channels, height, width)

    def dense(self, features: int) -> None:
        """Add a fully connected layer, norm, Hardtanh."""
        before, i = self._flattened(), self._next()
        self.layers[f"fc{i}"] = nn.Linear(before, features, bias=False)
        self.layers[f"norm{i}"] = nn.BatchNorm1d(features)
        self.layers[f"act{i}"] = nn.Hardtanh()
        self.shape = (features,)

    def average(self) -> None:
        """Add the mean over the image."""
        channels, *sides = self.shape
        self.layers["average"] = mean_over(*sides)
        self.shape = (channels, 1, 1)

    def output(self, n_classes: int) -> nn.Sequential:
        """Add the output layer with its one positive scale, and return the network."""
        before, i = self._flattened(), self._next()
        self.layers[f"fc{i}"] = nn.Linear(before, n_classes, bias=False)
        self.layers["scale"] = OutputScale(1.0 / math.sqrt(before))
        return nn.Sequential(self.layers)

    def _next(self) -> int:
        self.depth += 1
        return self.depth

    def _flattened(self) -> int:
        """Return the features, putting a Flatten in front of the first fully connected layer."""
        if len(self.shape) > 1:
            self.layers["flatten"] = nn.Flatten()
            self.shape = (math.prod(self.shape),)
        return self.shape[0]
