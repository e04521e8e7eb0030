"""FINN's convolutional network for CIFAR-10 and SVHN."""

from __future__ import annotations

from torch import nn

from models.networks.blocks import ImageShape, Stack, scaled


def cnv(
    *,
    image_shape: ImageShape = (3, 32, 32),
    input_bits: int = 8,
    flat: bool = True,
    n_classes: int = 10,
    width: float = 1.0,
) -> nn.Sequential:
    """Build 2x64C3-MP2-2x128C3-MP2-2x256C3-2x512FC-10 without padding.

    The sides of the image are 32, 30, 28, 14, 12, 10, 5, 3 and 1 pixels.

    Parameters
    ----------
    image_shape, input_bits, flat
        See :class:`~models.networks.blocks.Stack`; sides of at least 32.
    n_classes
        Outputs.
    width
        Factor on channels and features.

    Returns
    -------
    nn.Sequential
        Float; output (batch, n_classes) logits.
    """
    stack = Stack(image_shape, input_bits, flat=flat)
    for channels, pool in ((64, 2), (128, 2), (256, None)):
        stack.conv(scaled(channels, width), 3)
        stack.conv(scaled(channels, width), 3, pool=pool)
    for _ in range(2):
        stack.dense(scaled(512, width))
    return stack.output(n_classes)
