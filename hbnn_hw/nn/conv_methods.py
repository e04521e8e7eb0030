"""Convolutions with quantized weights: the form of every training method, in one and two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from hbnn_hw.nn.binary import BinaryWeights
from hbnn_hw.nn.bit_map import ELEMENT, Granularity, Heuristic
from hbnn_hw.nn.conv import (
    ConvOptions,
    LatentConv,
    LatentConv1d,
    LatentConv2d,
    Padding,
    QuantizedConv,
    QuantizedConv1d,
    QuantizedConv2d,
    Sizes,
)
from hbnn_hw.nn.flexor import FlexorOptions, FlexorWeights
from hbnn_hw.nn.hbnn import DEFAULT_DISTRIBUTION, HbnnWeights, PlaneScales
from hbnn_hw.nn.latent import Plain
from hbnn_hw.nn.slb import SlbWeights


class BinaryConv1d(BinaryWeights, LatentConv1d):
    """:class:`BinaryConv2d` of (batch, channels, length)."""


class BinaryConv2d(BinaryWeights, LatentConv2d):
    """Convolution with weights sign(W) ∈ {-1, +1}, sign(0) = +1 (BNN eq. 1), scale exactly 1.

    See :class:`LatentConv` for parameters and shapes.
    """


class HbnnConv(HbnnWeights, LatentConv):
    """Convolution whose weights have 1, 2, 3, ... bits each; see :class:`~hbnn_hw.nn.hbnn.HbnnWeights`.

    Parameters are those of :class:`LatentConv` and of :class:`~hbnn_hw.nn.hbnn.HbnnLinear`. Rows of the
    map are output channels; columns and tiles follow :meth:`~hbnn_hw.nn.bit_map.Granularity.groups`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        *,
        bias: bool = False,
        distribution: Sequence[Sequence[float]] = DEFAULT_DISTRIBUTION,
        heuristic: Heuristic | str = Heuristic.MIDDLE_OUT,
        frozen: bool = False,
        granularity: Granularity | Sequence[str | int] = ELEMENT,
        plane_scales: PlaneScales | str = PlaneScales.MEANS,
        **shape: Unpack[ConvOptions],
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, bias=bias, **shape)
        self._make_map(distribution, heuristic, granularity, plane_scales, frozen=frozen)

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return super().config() | self._map_config()


class HbnnConv1d(HbnnConv, LatentConv1d):
    """:class:`HbnnConv` of (batch, channels, length)."""


class HbnnConv2d(HbnnConv, LatentConv2d):
    """:class:`HbnnConv` of (batch, channels, height, width)."""


class SlbConv(SlbWeights, QuantizedConv):
    """Convolution whose weights are searched for among 2^k values; see :class:`~hbnn_hw.nn.slb.SlbWeights`.

    Parameters are those of :class:`QuantizedConv` and of :class:`~hbnn_hw.nn.slb.SlbLinear`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
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


class SlbConv1d(SlbConv, QuantizedConv1d):
    """:class:`SlbConv` of (batch, channels, length)."""


class SlbConv2d(SlbConv, QuantizedConv2d):
    """:class:`SlbConv` of (batch, channels, height, width)."""


class FlexorConv(FlexorWeights, QuantizedConv):
    """Convolution whose weights are XORs of fewer stored bits; see :class:`~hbnn_hw.nn.flexor.FlexorWeights`.

    Parameters are those of :class:`QuantizedConv` and of :class:`~hbnn_hw.nn.flexor.FlexorLinear`. The
    columns of the flattened weights are pixels of the kernel, row by row, with the input channels of one
    pixel side by side (ROW_MAJOR: the other way round); see
    :meth:`~hbnn_hw.nn.xor_matrix.FlattenOrder.columns`. A one-dimensional kernel is a single row.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        *,
        stride: Sizes = 1,
        padding: Sizes = 0,
        padding_value: Padding | str | None = None,
        dilation: Sizes = 1,
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
            dilation=dilation,
            groups=groups,
        )
        self._make_encrypted(bias=bias, **encoding)

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return super().config() | self._encoding_config()


class FlexorConv1d(FlexorConv, QuantizedConv1d):
    """:class:`FlexorConv` of (batch, channels, length)."""


class FlexorConv2d(FlexorConv, QuantizedConv2d):
    """:class:`FlexorConv` of (batch, channels, height, width)."""
