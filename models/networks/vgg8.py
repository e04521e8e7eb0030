"""The padded VGG networks for CIFAR-10: BNN's with eight hidden layers, and SLB's VGG-small."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from models.networks.blocks import ImageShape, Stack, scaled


def vgg8(
    *,
    image_shape: ImageShape = (3, 32, 32),
    input_bits: int = 8,
    flat: bool = True,
    n_classes: int = 10,
    width: float = 1.0,
) -> nn.Sequential:
    """Build BNN's (2x128C3)-MP2-(2x256C3)-MP2-(2x512C3)-MP2-(2x1024FC)-10, all 3x3 with padding 1.

    Parameters
    ----------
    image_shape, input_bits, flat
        See :class:`~models.networks.blocks.Stack`; sides of at least 8.
    n_classes
        Outputs.
    width
        Factor on channels and features; BNN's network for SVHN is ``width=0.5`` with 1024 features.

    Returns
    -------
    nn.Sequential
        Float; output (batch, n_classes) logits.

    Notes
    -----
    The HBNN paper calls a network VGG-8 without listing its layers. Its table takes the 1-bit row from
    FINN's CNV, which is this network at half the width, unpadded (:func:`~models.networks.cnv.cnv`):
    six convolutions and two hidden fully connected layers, eight in all.
    """
    return _vgg((1024, 1024), image_shape, input_bits, n_classes, width, flat=flat)


def vgg_small(
    *,
    image_shape: ImageShape = (3, 32, 32),
    input_bits: int = 8,
    flat: bool = True,
    n_classes: int = 10,
    width: float = 1.0,
) -> nn.Sequential:
    """Build SLB's VGG-small: the convolutions of :func:`vgg8` with the output layer right behind them.

    Parameters and result are those of :func:`vgg8`. SLB's text does not list the layers; this is what
    the literature it compares itself with calls VGG-small.
    """
    return _vgg((), image_shape, input_bits, n_classes, width, flat=flat)


def _vgg(
    hidden: Sequence[int],
    image_shape: ImageShape,
    input_bits: int,
    n_classes: int,
    width: float,
    *,
    flat: bool,
) -> nn.Sequential:
    stack = Stack(image_shape, input_bits, flat=flat)
    for channels in (128, 256, 512):
        stack.conv(scaled(channels, width), 3, padding=1)
        stack.conv(scaled(channels, width), 3, padding=1, pool=2)
    for features in hidden:
        stack.dense(scaled(features, width))
    return stack.output(n_classes)
