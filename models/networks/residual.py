"""Residual networks whose convolutions read activations and whose sums stay real or integer.

A block is ``y = x + norm(conv(act(x)))``: the activation stands before the convolution, so that a quantized
convolution reads codes, and what is added is what no activation has cut off.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from hbnn_hw.nn import BitPlaneInput, OutputScale
from models.networks.blocks import ImageShape, mean_over, unflatten

ShortcutMaker = Callable[[int, int, int], nn.Module]
"""(input channels, output channels, stride) to what stands beside the convolutions of a block."""


class PaddedShortcut(nn.Module):
    """Option A of He et al. 2015: every ``stride``-th pixel, and zeros for the new channels.

    No weights and no arithmetic: in hardware it leaves values out, and new channels get nothing added.

    Parameters
    ----------
    new_channels
        How many there are; they come last.
    stride
        In both directions.
    """

    def __init__(self, new_channels: int, stride: int) -> None:
        super().__init__()
        self.new_channels = new_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, height, width) to the shape of the block's output."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))

    def extra_repr(self) -> str:
        """Show the configuration in the module's text form."""
        return f"new_channels={self.new_channels}, stride={self.stride}"


def padded_shortcut(before: int, after: int, stride: int) -> nn.Module:
    """Make option A of He et al. 2015; the identity where shapes agree."""
    return nn.Identity() if (before, stride) == (after, 1) else PaddedShortcut(after - before, stride)


def projected_shortcut(before: int, after: int, stride: int) -> nn.Module:
    """Make option B of He et al. 2015, a 1x1 convolution with norm; the identity where shapes agree."""
    if (before, stride) == (after, 1):
        return nn.Identity()
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(before, after, 1, stride=stride, bias=False), norm=nn.BatchNorm2d(after)
    )
    return nn.Sequential(layers)


class ResidualBlock(nn.Module):
    """``y = shortcut(x) + body(x)``, where the body is activation, convolution, norm, ``n_convs`` times.

    Parameters
    ----------
    before, after
        Channels of input and output.
    stride
        Of the first convolution.
    n_convs
        3x3 convolutions in the body.
    shortcut
        Makes what stands beside them.
    prelu
        Whether a PReLU stands between convolution and norm.
    """

    def __init__(
        self, before: int, after: int, stride: int, n_convs: int, shortcut: ShortcutMaker, *, prelu: bool
    ) -> None:
        super().__init__()
        body: OrderedDict[str, nn.Module] = OrderedDict()
        for i in range(1, n_convs + 1):
            body[f"act{i}"] = nn.Hardtanh()
            body[f"conv{i}"] = nn.Conv2d(
                before if i == 1 else after,
                after,
                3,
                stride=stride if i == 1 else 1,
                padding=1,
                bias=False,
            )
            if prelu:
                body[f"prelu{i}"] = nn.PReLU()
            body[f"norm{i}"] = nn.BatchNorm2d(after)
        self.body = nn.Sequential(body)
        self.shortcut = shortcut(before, after, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, before, height, width) to (batch, after, height / stride, width / stride)."""
        y: Tensor = self.shortcut(x) + self.body(x)
        return y


class ResNet(nn.Module):
    """Input, stem, stages of blocks, activation, mean over the image, output.

    Parameters
    ----------
    image_shape, input_bits, flat
        See :class:`~models.networks.blocks.Stack`.
    stem
        Maps the image's channels to ``channels[0]``.
    stem_stride
        Pixels of the image, in either direction, to one behind the stem.
    channels
        Of each stage; all but the first halve the image.
    convs_per_stage
        3x3 convolutions in each.
    convs_per_block
        How many of them one shortcut bridges.
    shortcut
        Makes the shortcuts.
    prelu
        See :class:`ResidualBlock`.
    n_classes
        Outputs.

    Raises
    ------
    ValueError
        If a stage cannot be divided into blocks.
    """

    def __init__(
        self,
        *,
        image_shape: ImageShape,
        input_bits: int,
        flat: bool,
        stem: nn.Module,
        stem_stride: int,
        channels: Sequence[int],
        convs_per_stage: int,
        convs_per_block: int,
        shortcut: ShortcutMaker,
        prelu: bool,
        n_classes: int,
    ) -> None:
        super().__init__()
        if convs_per_block < 1 or convs_per_stage % convs_per_block:
            raise ValueError(
                f"convs_per_block must divide the {convs_per_stage} convolutions of a stage, "
                f"not be {convs_per_block!r}"
            )
        self.unflatten = unflatten(image_shape, flat=flat)
        self.input = BitPlaneInput(input_bits)
        self.stem = stem
        self.stages = nn.Sequential()
        before = channels[0]
        for i, after in enumerate(channels, start=1):
            stage = nn.Sequential()
            for j in range(convs_per_stage // convs_per_block):
                stride = 2 if i > 1 and j == 0 else 1
                block = ResidualBlock(before, after, stride, convs_per_block, shortcut, prelu=prelu)
                stage.add_module(f"block{j + 1}", block)
                before = after
            self.stages.add_module(f"stage{i}", stage)
        self.act = nn.Hardtanh()
        stride = stem_stride * 2 ** (len(channels) - 1)
        self.average = mean_over(*(math.ceil(side / stride) for side in image_shape[1:]))
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(before, n_classes, bias=False)
        self.scale = OutputScale(1.0 / math.sqrt(before))

    def forward(self, x: Tensor) -> Tensor:
        """Map codes (batch, features), or images if not ``flat``, to logits (batch, classes)."""
        x = self.stem(self.input(self.unflatten(x)))
        x = self.act(self.stages(x))
        x = self.fc(self.flatten(self.average(x)))
        logits: Tensor = self.scale(x)
        return logits


def small_stem(in_channels: int, channels: int) -> nn.Sequential:
    """Make a 3x3 convolution that keeps the image's size, and its norm: the stem for CIFAR's images."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(in_channels, channels, 3, padding=1, bias=False), norm=nn.BatchNorm2d(channels)
    )
    return nn.Sequential(layers)


def large_stem(in_channels: int, channels: int) -> nn.Sequential:
    """Make a 7x7 convolution and a pooling that each halve the image, and a norm: the stem for ImageNet."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(in_channels, channels, 7, stride=2, padding=3, bias=False),
        pool=nn.MaxPool2d(3, 2, 1),
        norm=nn.BatchNorm2d(channels),
    )
    return nn.Sequential(layers)
