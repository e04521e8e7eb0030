"""ResNet-20 for CIFAR-10."""

from __future__ import annotations

from models.networks.blocks import ImageShape, scaled
from models.networks.residual import ResNet, padded_shortcut, small_stem


def resnet20(
    *,
    image_shape: ImageShape = (3, 32, 32),
    input_bits: int = 8,
    flat: bool = True,
    n_classes: int = 10,
    width: float = 1.0,
    convs_per_block: int = 2,
    prelu: bool = False,
) -> ResNet:
    """Build ResNet-20: 3 stages of 16, 32 and 64 channels with six 3x3 convolutions each.

    Parameters
    ----------
    image_shape, input_bits, flat
        See :class:`~models.networks.blocks.Stack`.
    n_classes
        Outputs.
    width
        Factor on the channels.
    convs_per_block
        Convolutions that a shortcut bridges: 2 as in the paper of 2015, 1 as in Bi-Real Net, which loses
        less where activations have one bit.
    prelu
        Whether a PReLU stands between each convolution and its norm, as in SLB's "PReLU-BN block".

    Returns
    -------
    ResNet
        Float; output (batch, n_classes) logits.

    Notes
    -----
    Shortcuts are option A of He et al. 2015, which that paper takes for CIFAR-10 and which costs hardware
    nothing: no weights, no multiplications, no norm.
    """
    channels = [scaled(n, width) for n in (16, 32, 64)]
    return ResNet(
        image_shape=image_shape,
        input_bits=input_bits,
        flat=flat,
        stem=small_stem(image_shape[0], channels[0]),
        stem_stride=1,
        channels=channels,
        convs_per_stage=6,
        convs_per_block=convs_per_block,
        shortcut=padded_shortcut,
        prelu=prelu,
        n_classes=n_classes,
    )
