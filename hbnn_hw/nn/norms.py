"""Normalizations beyond ``torch.nn.BatchNorm1d``."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hbnn_hw.nn.latent import Plain


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

    def forward(self, x: Tensor) -> Tensor:
        """Scale ``x``, float of any shape."""
        return x * self.log_scale.exp()

    def config(self) -> dict[str, Plain]:
        """Return no arguments: the scale itself is a parameter."""
        return {}
