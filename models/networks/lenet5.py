"""LeNet-5 as FleXOR has it for MNIST."""

from __future__ import annotations

from torch import nn

from models.networks.blocks import ImageShape, Stack, scaled


def lenet5(
    *,
    image_shape: ImageShape = (1, 28, 28),
    input_bits: int = 8,
    flat: bool = True,
    n_classes: int = 10,
    width: float = 1.0,
    padding: int = 0,
) -> nn.Sequential:
    """Build 32C5-MP2-64C5-MP2-512FC-10.

    Parameters
    ----------
    image_shape, input_bits, flat
        See :class:`~models.networks.blocks.Stack`.
    n_classes
        Outputs.
    width
        Factor on channels and features.
    padding
        Pixels around the image at either convolution. The source gives the string above only; 0 needs no
        border value, 2 keeps the image's size (7x7 before the fully connected layer in place of 4x4).

    Returns
    -------
    nn.Sequential
        Float; output (batch, n_classes) logits.

    Notes
    -----
    The paper's network has no batch normalization; this one has, as all networks here.
    """
    stack = Stack(image_shape, input_bits, flat=flat)
    for channels in (32, 64):
        stack.conv(scaled(channels, width), 5, padding=padding, pool=2)
    stack.dense(scaled(512, width))
    return stack.output(n_classes)
