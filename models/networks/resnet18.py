"""ResNet-18 for ImageNet, and for CIFAR's small images."""

from __future__ import annotations

from models.networks.blocks import ImageShape, scaled
from models.networks.residual import ResNet, large_stem, projected_shortcut, small_stem


def resnet18(
    *,
    image_shape: ImageShape = (3, 224, 224),
    input_bits: int = 8,
    flat: bool = True,
    n_classes: int = 1000,
    width: float = 1.0,
    cifar_stem: bool = False,
    convs_per_block: int = 2,
    prelu: bool = False,
) -> ResNet:
    """Build ResNet-18: 4 stages of 64, 128, 256 and 512 channels with four 3x3 convolutions each.

    Parameters
    ----------
    image_shape, input_bits, flat
        See :class:`~models.networks.blocks.Stack`.
    n_classes
        Outputs.
    width
        Factor on the channels.
    cifar_stem
        Whether the first convolution is 3x3 at full size, and not 7x7 with stride 2 and pooling.
    convs_per_block
        Convolutions that a shortcut bridges: 2 as in the paper of 2015 and FleXOR, 1 as in the Bi-Real
        network that SLB quantizes.
    prelu
        Whether a PReLU stands between each convolution and its norm.

    Returns
    -------
    ResNet
        Float; output (batch, n_classes) logits.

    Notes
    -----
    Shortcuts that change the shape are option B of He et al. 2015, a 1x1 convolution with norm, because
    the published weight count has them.
    """
    channels = [scaled(n, width) for n in (64, 128, 256, 512)]
    stem = small_stem if cifar_stem else large_stem
    return ResNet(
        image_shape=image_shape,
        input_bits=input_bits,
        flat=flat,
        stem=stem(image_shape[0], channels[0]),
        stem_stride=1 if cifar_stem else 4,
        channels=channels,
        convs_per_stage=4,
        convs_per_block=convs_per_block,
        shortcut=projected_shortcut,
        prelu=prelu,
        n_classes=n_classes,
    )
