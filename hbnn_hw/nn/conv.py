"""Convolutions with quantized weights: the shape, and its form for every training method."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TypeAlias, TypedDict, Unpack, cast

import torch.nn.functional as F
from torch import Tensor

from hbnn_hw.nn.binary import BinaryWeights
from hbnn_hw.nn.bit_map import ELEMENT, Granularity, Heuristic
from hbnn_hw.nn.flexor import FlexorOptions, FlexorWeights
from hbnn_hw.nn.hbnn import DEFAULT_DISTRIBUTION, HbnnWeights
from hbnn_hw.nn.latent import LatentLayer, Plain, QuantizedLayer
from hbnn_hw.nn.slb import SlbWeights
from hbnn_hw.nn.whole_layer import whole_layer

Pair: TypeAlias = int | Sequence[int]
"""One number for both, or (height, width)."""


class Padding(Enum):
    """What stands around the image. Zero is not a bipolar value, so this is never chosen silently."""

    MASKED = "masked"
    """Border positions leave the sum, which is what padding with 0 computes: exact for float weights, but
    hardware has to count the positions that are there."""
    MINUS_ONE = "minus_one"
    """The border is -1."""
    PLUS_ONE = "plus_one"
    """The border is +1."""


_BORDER = {Padding.MINUS_ONE: -1.0, Padding.PLUS_ONE: 1.0}


class ConvOptions(TypedDict, total=False):
    """What a convolution may be told of its shape; meaning and defaults are :class:`QuantizedConv2d`'s."""

    stride: Pair
    padding: Pair
    padding_value: Padding | str | None
    groups: int


class QuantizedConv2d(QuantizedLayer):
    """2-D cross-correlation with quantized weights (out, in / groups, height, width), for every method.

    Parameters
    ----------
    in_channels, out_channels
        At least 1, and multiples of ``groups``. Input (batch, in, height, width) float32, output (batch,
        out, height', width') float32.
    kernel_size, stride, padding
        One number, or (height, width).
    padding_value
        What the border holds; must be given where ``padding`` is not 0, and has no effect where it is. ""
        is None.
    groups
        Channel groups that do not see each other; ``in_channels`` of them is a depthwise convolution.

    Raises
    ------
    ValueError
        If a size is impossible, or there is padding without a value.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        *,
        stride: Pair = 1,
        padding: Pair = 0,
        padding_value: Padding | str | None = None,
        groups: int = 1,
    ) -> None:
        super().__init__()
        if groups < 1 or in_channels < 1 or out_channels < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                "a convolution must have at least 1 input and output channel, in multiples of its groups, "
                f"not {in_channels}, {out_channels} with {groups} groups"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.groups = groups
        self.kernel_size = _pair(kernel_size, "kernel_size", 1)
        self.stride = _pair(stride, "stride", 1)
        self.padding = _pair(padding, "padding", 0)
        self.padding_value = Padding(padding_value) if padding_value else None
        if self.padding_value is None and any(self.padding):
            raise ValueError(
                "a convolution with padding must say what it pads with: padding_value=Padding.MASKED, "
                "Padding.MINUS_ONE or Padding.PLUS_ONE"
            )

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """(out, in / groups, height, width)."""
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    @property
    def fan_out(self) -> int:
        """Number of output values that one input value reaches, at stride 1."""
        return self.out_channels // self.groups * self.kernel_size[0] * self.kernel_size[1]

    @whole_layer
    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in, height, width) to (batch, out, height', width') with quantized weights."""
        padding, border = self.padding, None
        if self.padding_value is not None:
            border = _BORDER.get(self.padding_value)
        if border is not None and any(padding):
            (vertical, horizontal), padding = padding, (0, 0)
            x = F.pad(x, (horizontal, horizontal, vertical, vertical), value=border)
        return F.conv2d(
            x, self.quantized_weight(), self.bias, stride=self.stride, padding=padding, groups=self.groups
        )

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return {
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "kernel_size": cast("Plain", list(self.kernel_size)),
            "stride": cast("Plain", list(self.stride)),
            "padding": cast("Plain", list(self.padding)),
            "padding_value": "" if self.padding_value is None else self.padding_value.value,
            "groups": self.groups,
            "bias": self.bias is not None,
        }


def _pair(size: Pair, name: str, smallest: int) -> tuple[int, int]:
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2 or any(type(side) is not int or side < smallest for side in pair):
        raise ValueError(f"{name} must be a whole number from {smallest}, or two of them, not {size!r}")
    return pair


class LatentConv2d(QuantizedConv2d, LatentLayer):
    """:class:`QuantizedConv2d` with latent float weights W that a quantizer maps to planes.

    Parameters are those of :class:`QuantizedConv2d`, and ``bias``: whether a float bias (out,) is added.

    Attributes
    ----------
    weight
        float32 (out, in / groups, height, width), kept in [-1, 1] by :meth:`clip_weights_`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        *,
        bias: bool = False,
        **shape: Unpack[ConvOptions],
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, **shape)
        self._make_parameters(bias=bias)


class BinaryConv2d(BinaryWeights, LatentConv2d):
    """Convolution with weights sign(W) ∈ {-1, +1}, sign(0) = +1 (BNN eq. 1), scale exactly 1.

    See :class:`LatentConv2d` for parameters and shapes.
    """


class HbnnConv2d(HbnnWeights, LatentConv2d):
    """Convolution whose weights have 1, 2, 3, ... bits each; see :class:`~hbnn_hw.nn.hbnn.HbnnWeights`.

    Parameters are those of :class:`LatentConv2d` and of :class:`~hbnn_hw.nn.hbnn.HbnnLinear`. Rows of the
    map are output channels; columns and tiles follow :meth:`~hbnn_hw.nn.bit_map.Granularity.groups`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        *,
        bias: bool = False,
        distribution: Sequence[Sequence[float]] = DEFAULT_DISTRIBUTION,
        heuristic: Heuristic | str = Heuristic.MIDDLE_OUT,
        frozen: bool = False,
        granularity: Granularity | Sequence[str | int] = ELEMENT,
        **shape: Unpack[ConvOptions],
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, bias=bias, **shape)
        self._make_map(distribution, heuristic, granularity, frozen=frozen)

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return super().config() | self._map_config()


class SlbConv2d(SlbWeights, QuantizedConv2d):
    """Convolution whose weights are searched for among 2^k values; see :class:`~hbnn_hw.nn.slb.SlbWeights`.

    Parameters are those of :class:`QuantizedConv2d` and of :class:`~hbnn_hw.nn.slb.SlbLinear`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        *,
        bias: bool = False,
        bits: int = 1,
        hard: bool = False,
        **shape: Unpack[ConvOptions],
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, **shape)
        self._make_logits(bits, hard=hard, bias=bias)

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return super().config() | self._choice_config()


class FlexorConv2d(FlexorWeights, QuantizedConv2d):
    """Convolution whose weights are XORs of fewer stored bits; see :class:`~hbnn_hw.nn.flexor.FlexorWeights`.

    Parameters are those of :class:`QuantizedConv2d` and of :class:`~hbnn_hw.nn.flexor.FlexorLinear`. The
    columns of the flattened weights are pixels of the kernel, row by row, with the input channels of one
    pixel side by side (ROW_MAJOR: the other way round); see
    :meth:`~hbnn_hw.nn.xor_matrix.FlattenOrder.columns`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        *,
        stride: Pair = 1,
        padding: Pair = 0,
        padding_value: Padding | str | None = None,
        groups: int = 1,
        bias: bool = False,
        **encoding: Unpack[FlexorOptions],
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            padding_value=padding_value,
            groups=groups,
        )
        self._make_encrypted(bias=bias, **encoding)

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return super().config() | self._encoding_config()
