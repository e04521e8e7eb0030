"""MobileNet v1 for ImageNet."""

from __future__ import annotations

from torch import nn

from models.networks.blocks import ImageShape, Stack, scaled

PAIRS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""Output channels of each point-wise convolution, and stride of the spatial one before it."""


def mobilenet(
    *,
    image_shape: ImageShape = (3, 224, 224),
    input_bits: int = 8,
    flat: bool = True,
    n_classes: int = 1000,
    width: float = 1.0,
) -> nn.Sequential:
    """Build MobileNet v1: a convolution, 13 pairs of a spatial and a point-wise one, mean, output.

    A spatial convolution (``spatial<i>``) is 3x3 with one filter per channel; a point-wise one
    (``pointwise<i>``) is 1x1 over all channels and has 95 % of the operations.

    Parameters
    ----------
    image_shape, input_bits, flat
        See :class:`~models.networks.blocks.Stack`.
    n_classes
        Outputs.
    width
        The width multiplier, MobileNet's own.

    Returns
    -------
    nn.Sequential
        Float; output (batch, n_classes) logits.
    """
    stack = Stack(image_shape, input_bits, flat=flat)
    channels = scaled(32, width)
    stack.conv(channels, 3, stride=2, padding=1)
    for out, stride in PAIRS:
        stack.conv(channels, 3, stride=stride, padding=1, groups=channels, name="spatial")
        channels = scaled(out, width)
        stack.conv(channels, 1, name="pointwise")
    stack.average()
    return stack.output(n_classes)
