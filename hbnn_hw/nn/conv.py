"""The shape of a convolution with quantized weights in one and two dimensions, for every training method."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias, TypedDict, Unpack, cast

import torch.nn.functional as F
from torch import Tensor

from hbnn_hw.nn.latent import LatentLayer, Plain, QuantizedLayer
from hbnn_hw.nn.whole_layer import whole_layer

Sizes: TypeAlias = int | Sequence[int]
"""One number for all dimensions, or one for each: (height, width), or (length,)."""


class Padding(Enum):
    """What stands around the image. Zero is not a bipolar value, so this is never chosen silently."""

    MASKED = "masked"
    """Border positions leave the sum, which is what padding with 0 computes: exact for float weights, but
    hardware has to count the positions that are there."""
    MINUS_ONE = "minus_one"
    """The border is -1."""
    PLUS_ONE = "plus_one"
    """The border is +1."""


_BORDER = {None: 0.0, Padding.MASKED: 0.0, Padding.MINUS_ONE: -1.0, Padding.PLUS_ONE: 1.0}
_COUNTS = {2: "two", 4: "four"}


class ConvOptions(TypedDict, total=False):
    """What a convolution may be told of its shape; meaning and defaults are :class:`QuantizedConv`'s."""

    stride: Sizes
    padding: Sizes
    padding_value: Padding | str | None
    dilation: Sizes
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Where a convolution's kernel stands, in two dimensions; a one-dimensional one has a single row.

    Attributes
    ----------
    kernel, stride, dilation
        (vertical, horizontal), each from 1 [pixel].
    frame
        (top, bottom, left, right): pixels around the image, from 0.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    frame: tuple[int, int, int, int]


class QuantizedConv(QuantizedLayer):
    """Cross-correlation with quantized weights (out, in / groups, *kernel), for every method and dimension.

    Parameters
    ----------
    in_channels, out_channels
        At least 1, and multiples of ``groups``. Input (batch, in, height, width) float32, output (batch,
        out, height', width') float32; with a length in the place of height and width in one dimension.
    kernel_size, stride, dilation
        One number, or (height, width). ``dilation`` is the distance of two taps of the kernel.
    padding
        One number, (vertical, horizontal), or (top, bottom, left, right); in one dimension one number or
        (left, right). The attribute is short, one number per dimension, if both ends are alike.
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

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

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
        n = self.n_dimensions
        self.kernel_size = _sizes(kernel_size, "kernel_size", 1, n)
        self.stride = _sizes(stride, "stride", 1, n)
        self.padding = _shortened(_sizes(padding, "padding", 0, n, 2 * n), n)
        self.dilation = _sizes(dilation, "dilation", 1, n)
        self.padding_value = Padding(padding_value) if padding_value else None
        if self.padding_value is None and any(self.padding):
            raise ValueError(
                "a convolution with padding must say what it pads with: padding_value=Padding.MASKED, "
                "Padding.MINUS_ONE or Padding.PLUS_ONE"
            )

    @property
    @abstractmethod
    def n_dimensions(self) -> int:
        """Number of dimensions that the kernel moves along, 1 or 2."""

    @abstractmethod
    def _convolve(self, x: Tensor, padding: tuple[int, ...]) -> Tensor:
        """Map (batch, in, ...) to (batch, out, ...), with ``padding`` zeros at both ends of a dimension."""

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """(out, in / groups, *kernel)."""
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    @property
    def fan_out(self) -> int:
        """Number of output values that one input value reaches, at stride 1."""
        return self.out_channels // self.groups * math.prod(self.kernel_size)

    @property
    def frame(self) -> tuple[int, int, int, int]:
        """(top, bottom, left, right): padding at the four sides; 0 at top and bottom in one dimension."""
        sides = self.padding
        if len(sides) == self.n_dimensions:
            sides = tuple(side for side in sides for _ in range(2))
        return cast("tuple[int, int, int, int]", (0,) * (4 - len(sides)) + sides)

    @property
    def window(self) -> Window:
        """The kernel's places in two dimensions, for this layer of either."""
        row = (1,) * (2 - self.n_dimensions)
        kernel, stride, dilation = (
            cast("tuple[int, int]", row + sizes) for sizes in (self.kernel_size, self.stride, self.dilation)
        )
        return Window(kernel=kernel, stride=stride, dilation=dilation, frame=self.frame)

    @whole_layer
    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in, ...) to (batch, out, ...) with quantized weights."""
        padding, border = self.padding, _BORDER[self.padding_value]
        # What the convolution cannot do itself; it frames with as many zeros at either end.
        if any(padding) and (border or len(padding) > self.n_dimensions):
            top, bottom, left, right = self.frame
            x = F.pad(x, (left, right, top, bottom)[: 2 * self.n_dimensions], value=border)
            padding = (0,) * self.n_dimensions
        return self._convolve(x, padding)

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values; a dilation of 1 goes without saying."""
        config: dict[str, Plain] = {
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "kernel_size": cast("Plain", list(self.kernel_size)),
            "stride": cast("Plain", list(self.stride)),
            "padding": cast("Plain", list(self.padding)),
            "padding_value": "" if self.padding_value is None else self.padding_value.value,
            "groups": self.groups,
            "bias": self.bias is not None,
        }
        if any(distance != 1 for distance in self.dilation):
            config["dilation"] = cast("Plain", list(self.dilation))
        return config


def _sizes(sizes: Sizes, name: str, smallest: int, *lengths: int) -> tuple[int, ...]:
    """Return as many numbers as one of ``lengths`` says; a single number stands for the first of them."""
    found = (sizes,) * lengths[0] if isinstance(sizes, int) else tuple(sizes)
    if len(found) not in lengths or any(type(size) is not int or size < smallest for size in found):
        several = " or ".join(_COUNTS[length] for length in lengths if length > 1)
        choices = f"a whole number from {smallest}" + (f", or {several} of them" if several else "")
        raise ValueError(f"{name} must be {choices}, not {sizes!r}")
    return found


def _shortened(padding: tuple[int, ...], n: int) -> tuple[int, ...]:
    """Return one number per dimension if both ends of each are alike."""
    before, after = padding[::2], padding[1::2]
    return before if len(padding) > n and before == after else padding


class QuantizedConv1d(QuantizedConv):
    """:class:`QuantizedConv` of (batch, channels, length)."""

    @property
    def n_dimensions(self) -> int:
        """1: the kernel moves along the length."""
        return 1

    def _convolve(self, x: Tensor, padding: tuple[int, ...]) -> Tensor:
        weight = self.quantized_weight()
        return F.conv1d(x, weight, self.bias, self.stride, padding, self.dilation, self.groups)


class QuantizedConv2d(QuantizedConv):
    """:class:`QuantizedConv` of (batch, channels, height, width)."""

    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    # Two numbers or four, which no type can tell beforehand; `frame` always has four.
    padding: Any
    dilation: tuple[int, int]

    @property
    def n_dimensions(self) -> int:
        """2: the kernel moves along height and width."""
        return 2

    def _convolve(self, x: Tensor, padding: tuple[int, ...]) -> Tensor:
        weight = self.quantized_weight()
        return F.conv2d(x, weight, self.bias, self.stride, padding, self.dilation, self.groups)


class LatentConv(QuantizedConv, LatentLayer):
    """:class:`QuantizedConv` with latent float weights W that a quantizer maps to planes.

    Parameters are those of :class:`QuantizedConv`, and ``bias``: whether a float bias (out,) is added.

    Attributes
    ----------
    weight
        float32 (out, in / groups, *kernel), kept in [-1, 1] by :meth:`clip_weights_`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        *,
        bias: bool = False,
        **shape: Unpack[ConvOptions],
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, **shape)
        self._make_parameters(bias=bias)


class LatentConv1d(LatentConv, QuantizedConv1d):
    """:class:`LatentConv` in one dimension."""


class LatentConv2d(LatentConv, QuantizedConv2d):
    """:class:`LatentConv` in two dimensions."""
