"""What every layer with quantized weights has in common, whatever its training method."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hbnn_hw.nn.straight_through import straight_through
from hbnn_hw.nn.whole_layer import whole_layer

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"
"""Values that a checkpoint's description of a module may hold."""


@dataclass(frozen=True, slots=True, eq=False)
class RealPlanes:
    """Quantized weights as signed planes with real scales: ``W[r] = sum_p scale[p, r] * signs[p, r]``.

    Most methods have ``scale[p, r] = rho[r] * mu[p]``; FleXOR with several planes has one scale for each
    plane and output.

    Attributes
    ----------
    signs
        float32 (planes, *weight shape), values -1, 0, +1; 0 where the entry does not have the plane.
    mu
        float32 (planes,), the scale of each plane; 0 for a plane that no entry has.
    row_scale
        float32 (out,), rho: one more factor, of any sign, for each output; None where all are 1.
    plane_row_scale
        float32 (planes, out), from 0: the whole scale of each plane and output; mu and row_scale are then 1
        and None.
    """

    signs: Tensor
    mu: Tensor
    row_scale: Tensor | None = None
    plane_row_scale: Tensor | None = None

    def values(self) -> Tensor:
        """Return the quantized weights, float32 of the weight's shape."""
        scales = self.mu if self.plane_row_scale is None else self.plane_row_scale
        scales = scales.view(*scales.shape, *[1] * (self.signs.dim() - 1 - scales.dim() + 1))
        # A loop over the few planes in order, so that the sum does not depend on a reduction's tree.
        total = scales[0] * self.signs[0]
        for scale, sign in zip(scales[1:], self.signs[1:], strict=True):
            total = total + scale * sign
        if self.row_scale is None:
            return total
        return self.row_scale.view(-1, *[1] * (total.dim() - 1)) * total


class QuantizedLayer(nn.Module, ABC):
    """A layer whose weights are a sum of planes, whatever parameters a training method makes them of.

    Attributes
    ----------
    bias
        float32 (out,), or None.
    """

    bias: nn.Parameter | None

    @property
    @abstractmethod
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weights: (out, in), or (out, in / groups, height, width)."""

    @property
    @abstractmethod
    def fan_out(self) -> int:
        """Number of output values that one input value reaches."""

    @property
    def fan_in(self) -> int:
        """Number of inputs of one output value."""
        return math.prod(self.weight_shape[1:])

    @property
    def n_weights(self) -> int:
        """Entries of the weight tensor."""
        return math.prod(self.weight_shape)

    def _make_bias(self, *, bias: bool) -> None:
        """Register the bias, which starts at 0, or that there is none."""
        self.register_parameter("bias", nn.Parameter(torch.zeros(self.weight_shape[0])) if bias else None)

    @abstractmethod
    def planes(self) -> RealPlanes:
        """Return the weights as hardware has them; carries no gradient."""

    @abstractmethod
    def quantized_weight(self) -> Tensor:
        """Return the weights, float32 (out, ...), with the method's own gradient to its parameters."""

    def bitwidths(self) -> Tensor:
        """Return how many planes each weight has, int64 of the weight's shape [bit]."""
        return (self.planes().signs != 0).sum(0)

    def n_scales(self) -> int:
        """Count the real scales of the weights; those that are always 1 are none."""
        planes = self.planes()
        n_scales = 0 if bool((planes.mu == 1).all()) else planes.mu.numel()
        return n_scales + (0 if planes.row_scale is None else planes.row_scale.numel())

    def stored_bits(self) -> int:
        """Count the weight bits that hardware has to store [bit]; scales and bit maps come on top."""
        return int(self.bitwidths().sum())

    @abstractmethod
    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""

    def check_buffers(self) -> None:
        """Raise ValueError if a loaded buffer holds what the layer could not have computed."""

    def extra_repr(self) -> str:
        """Show the plain configuration in the module's text form."""
        return ", ".join(f"{key}={value}" for key, value in self.config().items())


class QuantizedLinear(QuantizedLayer):
    """``y = x Wᵀ + b`` with quantized weights W (out, in): the shape of a linear layer, for every method.

    Parameters
    ----------
    in_features, out_features
        Sizes, at least 1. Input (batch, in) float32, output (batch, out) float32.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        if in_features < 1 or out_features < 1:
            raise ValueError(
                f"a linear layer must have at least 1 input and output, not {in_features}, {out_features}"
            )
        self.in_features = in_features
        self.out_features = out_features

    @property
    def weight_shape(self) -> tuple[int, int]:
        """(out, in)."""
        return (self.out_features, self.in_features)

    @property
    def fan_out(self) -> int:
        """Number of output values that one input value reaches."""
        return self.out_features

    @whole_layer
    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in) to (batch, out) with quantized weights."""
        return F.linear(x, self.quantized_weight(), self.bias)

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return {
            "in_features": self.in_features,
            "out_features": self.out_features,
            "bias": self.bias is not None,
        }


class LatentLayer(QuantizedLayer):
    """A layer with latent float weights W that a quantizer Q maps to planes.

    A training method is a class between this one and a layer shape: it defines :meth:`planes`. A layer shape
    (:class:`LatentLinear`, :class:`~hbnn_hw.nn.conv.LatentConv2d`) defines the forward pass. Gradient,
    clipping and the plain form follow.

    Attributes
    ----------
    weight
        float32 (out, ...), the latent weights, kept in [-1, 1] by :meth:`clip_weights_`.
    """

    weight: nn.Parameter

    def _make_parameters(self, *, bias: bool) -> None:
        self.weight = nn.Parameter(torch.empty(self.weight_shape))
        self._make_bias(bias=bias)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the latent weights from Glorot's uniform distribution, as the BNN code does."""
        bound = math.sqrt(6.0 / (self.fan_in + self.fan_out))
        nn.init.uniform_(self.weight, -bound, bound)

    def quantized_weight(self) -> Tensor:
        """Return Q(W), float32 of W's shape, with the straight-through gradient to W."""
        return straight_through(self.weight, self.planes().values())

    @torch.no_grad()
    def clip_weights_(self) -> None:
        """Clip the latent weights to [-1, 1] in place; BNN Algorithm 1 does so after every update."""
        self.weight.clamp_(-1.0, 1.0)


class LatentLinear(QuantizedLinear, LatentLayer):
    """``y = x Q(W)ᵀ + b`` with latent float weights W that the quantizer Q maps to planes.

    Parameters
    ----------
    in_features, out_features
        Sizes, at least 1. Input (batch, in) float32, output (batch, out) float32.
    bias
        Whether a float bias (out,) is added. A batch normalization after the layer makes it superfluous.

    Attributes
    ----------
    weight
        float32 (out, in), the latent weights, kept in [-1, 1] by :meth:`clip_weights_`.
    """

    def __init__(self, in_features: int, out_features: int, *, bias: bool = False) -> None:
        super().__init__(in_features, out_features)
        self._make_parameters(bias=bias)
