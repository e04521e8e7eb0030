"""Normalizations beyond ``torch.nn.BatchNorm1d``."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from hbnn_hw.nn.latent import Plain
from hbnn_hw.nn.shift import ap2
from hbnn_hw.nn.whole_layer import whole_layer


class OutputScale(nn.Module):
    """``y = exp(log_scale) · x``: one learned positive scale behind a quantized output layer.

    Being positive and shared by all classes it leaves the arg-max alone, so hardware may compare the raw
    integer accumulators. Source: Tang et al. 2017, as used by HBNN (section 4).

    Parameters
    ----------
    initial
        Starting scale, finite and positive (dimensionless). Any shape passes through.
    """

    def __init__(self, initial: float = 1.0) -> None:
        super().__init__()
        if not 0.0 < initial < math.inf:
            raise ValueError(f"the initial scale must be finite and positive, not {initial!r}")
        self.log_scale = nn.Parameter(torch.tensor(math.log(initial)))

    @whole_layer
    def forward(self, x: Tensor) -> Tensor:
        """Scale ``x``, float of any shape."""
        return x * self.log_scale.exp()

    def config(self) -> dict[str, Plain]:
        """Return no arguments: the scale itself is a parameter."""
        return {}


class _ShiftNormalize(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch gives no type
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        dims = [0, *range(2, x.dim())]
        mean = x.mean(dims, keepdim=True)
        centered = x - mean
        approximate = ap2(centered)
        inverse_std = ((centered * approximate).mean(dims, keepdim=True) + eps).rsqrt()
        shift, slope = ap2(inverse_std), ap2(_per_channel(weight, x))
        ctx.save_for_backward(approximate, shift, slope)
        mean, inverse_std = mean.flatten(), inverse_std.flatten()
        ctx.mark_non_differentiable(mean, inverse_std)
        return centered * (shift * slope) + _per_channel(bias, x), mean, inverse_std

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:  # noqa: ANN401
        (approximate, shift, slope), gradient = ctx.saved_tensors, gradients[0]
        dims = [0, *range(2, gradient.dim())]
        n_values = gradient.numel() // gradient.shape[1]
        to_bias = gradient.sum(dims, keepdim=True)
        correlation = (approximate * gradient).sum(dims, keepdim=True)
        to_x = gradient - to_bias / n_values - approximate * (correlation / n_values * shift.square())
        return to_x * (shift * slope), (correlation * shift).flatten(), to_bias.flatten(), None


def _per_channel(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.dim() - 2))


class ShiftBatchNorm(nn.Module):
    """Batch normalization with shifts for multiplications (BNN Algorithm 3).

    In training, with C = x - mean(x) over the batch and AP2 the nearest power of two::

        var  = mean(C · AP2(C))
        xhat = C · AP2(1 / sqrt(var + eps))
        y    = AP2(gamma) · xhat + beta

    In evaluation the running means of ``mean(x)`` and of the *unrounded* ``1 / sqrt(var + eps)`` take their
    place, the latter rounded by AP2 after averaging. So the deployed layer is an affine with power-of-two
    slopes.

    Parameters
    ----------
    num_features
        Channels, at least 1.
    eps
        Added to the variance.
    momentum
        Share of the batch in the running statistics.

    Attributes
    ----------
    weight, bias
        float32 (features,): gamma and beta, latent for AP2.
    running_mean, running_inverse_std
        Buffers, float32 (features,).

    Notes
    -----
    The gradient is that of the authors' code: batch normalization's own formula with AP2(C) in the place of
    C and the rounded factors in the place of the exact ones; gamma's is ``sum(dy · AP2(xhat))``, straight
    through AP2(gamma). Statistics are computed in float32 whatever the dtype of x. The paper's Algorithm 3
    has no beta; the code has.
    """

    dimensions: tuple[int, ...] = ()
    running_mean: Tensor
    running_inverse_std: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.125) -> None:
        super().__init__()
        if num_features < 1:
            raise ValueError(f"a normalization must have at least 1 feature, not {num_features}")
        if not (eps > 0.0 and 0.0 < momentum <= 1.0):
            raise ValueError(f"eps must be positive and momentum in 0..1, not {eps!r}, {momentum!r}")
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_inverse_std", torch.ones(num_features))

    @whole_layer
    def forward(self, x: Tensor) -> Tensor:
        """Normalize ``x`` over all dimensions but the second; shape and dtype are kept."""
        if x.dim() not in self.dimensions or x.shape[1] != self.num_features:
            raise ValueError(
                f"{type(self).__name__} must get {self.num_features} features in one of {self.dimensions} "
                f"dimensions, not the shape {tuple(x.shape)}"
            )
        values = x.float()
        if not self.training:
            slope, offset = self.affine()
            return (values * _per_channel(slope, x) + _per_channel(offset, x)).to(x.dtype)
        if x.numel() <= x.shape[1]:
            raise ValueError("training needs more than one value per feature")
        y, mean, inverse_std = _ShiftNormalize.apply(values, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_inverse_std.lerp_(inverse_std, self.momentum)
        return y.to(x.dtype)  # type: ignore[no-any-return]

    def affine(self) -> tuple[Tensor, Tensor]:
        """Return slope and offset of evaluation, float32 (features,); the slopes are powers of two."""
        slope = ap2(self.weight) * ap2(self.running_inverse_std)
        return slope, self.bias - self.running_mean * slope

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return {"num_features": self.num_features, "eps": self.eps, "momentum": self.momentum}

    def extra_repr(self) -> str:
        """Show the configuration in the module's text form."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class ShiftBatchNorm1d(ShiftBatchNorm):
    """:class:`ShiftBatchNorm` over (batch, features) or (batch, features, length)."""

    dimensions = (2, 3)


class ShiftBatchNorm2d(ShiftBatchNorm):
    """:class:`ShiftBatchNorm` over (batch, channels, height, width)."""

    dimensions = (4,)
