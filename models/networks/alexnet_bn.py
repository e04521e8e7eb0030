"""AlexNet with batch normalization for ImageNet."""

from __future__ import annotations

from torch import nn

from models.networks.blocks import ImageShape, Stack, scaled


def alexnet_bn(
    *,
    image_shape: ImageShape = (3, 224, 224),
    input_bits: int = 8,
    flat: bool = True,
    n_classes: int = 1000,
    width: float = 1.0,
) -> nn.Sequential:
    """Build AlexNet of one tower, 64-192-384-256-256 and 2x4096, with a norm in every block.

    Parameters
    ----------
    image_shape, input_bits, flat
        See :class:`~models.networks.blocks.Stack`; sides of at least 63.
    n_classes
        Outputs.
    width
        Factor on channels and features.

    Returns
    -------
    nn.Sequential
        Float; output (batch, n_classes) logits.

    Notes
    -----
    The HBNN paper trains AlexNet-BN in PyTorch and does not list its layers; this is PyTorch's AlexNet
    (Krizhevsky 2014, arXiv 1404.5997), which has no channel groups, 61.1 million weights. The two towers of
    2012 with their groups have 61.0 million. Dropout is left out, since every block is normalized.
    """
    stack = Stack(image_shape, input_bits, flat=flat)
    stack.conv(scaled(64, width), 11, stride=4, padding=2, pool=3)
    stack.conv(scaled(192, width), 5, padding=2, pool=3)
    for channels, pool in ((384, None), (256, None), (256, 3)):
        stack.conv(scaled(channels, width), 3, padding=1, pool=pool)
    for _ in range(2):
        stack.dense(scaled(4096, width))
    return stack.output(n_classes)
