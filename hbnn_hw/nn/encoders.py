"""Input encoders as layers: features to bipolar values by thresholds.

Integer codes as bit-planes are :class:`~hbnn_hw.nn.activations.BitPlaneInput`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hbnn_hw.nn.latent import Plain
from hbnn_hw.nn.whole_layer import whole_layer


class ThresholdInput(nn.Module):
    """``y = +1 if x >= threshold else -1``: one bit per feature.

    Any shape and real dtype; float32 of the same shape comes out. NaN gives -1. No gradient.

    Parameters
    ----------
    threshold
        In the unit of the features; compared in float32.
    """

    def __init__(self, threshold: float) -> None:
        super().__init__()
        if threshold != threshold:
            raise ValueError("the threshold must be a number, not NaN")
        self.threshold = float(threshold)

    @whole_layer
    def forward(self, x: Tensor) -> Tensor:
        """Return ±1 for every element of ``x``."""
        return _bipolar(x.detach().to(torch.float32) >= self.threshold)

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return {"threshold": self.threshold}

    def extra_repr(self) -> str:
        """Show the threshold in the module's text form."""
        return f"threshold={self.threshold:g}"


class ThermometerInput(nn.Module):
    """``y[f · levels + k] = +1 if x[f] >= t[f, k] else -1``: each feature as a bar of ``levels`` bits.

    Thresholds ascend in k, so the +1s of a feature stand at its lower indices, and their number grows with
    its value. Input (batch, features, ...), output float32 (batch, features · levels, ...), level innermost;
    trailing dimensions such as pixels share a channel's thresholds. NaN gives -1. No gradient.

    Parameters
    ----------
    features, levels
        At least 1. Thresholds are 0 until :meth:`fit_uniform` or :meth:`fit_distributive` sets them.

    Attributes
    ----------
    thresholds
        Buffer, float32 (features, levels), ascending; part of the state dictionary.
    """

    thresholds: Tensor

    def __init__(self, features: int, levels: int) -> None:
        super().__init__()
        if features < 1 or levels < 1:
            raise ValueError(
                f"a thermometer must have at least 1 feature and level, not {features}, {levels}"
            )
        self.features = features
        self.levels = levels
        self.register_buffer("thresholds", torch.zeros(features, levels))

    @torch.no_grad()
    def fit_uniform(self, low: float, high: float) -> ThermometerInput:
        """Spread the thresholds evenly: ``low + (high - low) · k / (levels + 1)``, k = 1 .. levels.

        Returns the layer itself.

        Raises
        ------
        ValueError
            If ``low`` is not below ``high``.
        """
        if not low < high:
            raise ValueError(f"the range must ascend, not {low!r} to {high!r}")
        steps = torch.arange(1, self.levels + 1, dtype=torch.float64) / (self.levels + 1)
        self.thresholds.copy_((low + (high - low) * steps).expand(self.features, self.levels))
        return self

    @torch.no_grad()
    def fit_distributive(self, x: Tensor) -> ThermometerInput:
        """Put each feature's thresholds at its quantiles ``k / (levels + 1)``, for equal use.

        Quantiles between two samples are interpolated linearly. Returns the layer itself.

        Parameters
        ----------
        x
            Training data (samples, features, ...).
        """
        self._check(x)
        columns = x.detach().to(torch.float64).movedim(1, 0).flatten(1)
        steps = torch.arange(1, self.levels + 1, dtype=torch.float64, device=x.device) / (self.levels + 1)
        ordered = columns.sort(dim=1).values
        # By hand: torch.quantile refuses more than 2^24 values.
        at = steps * (ordered.shape[1] - 1)
        below, above = ordered[:, at.floor().long()], ordered[:, at.ceil().long()]
        self.thresholds.copy_(below + (above - below) * at.frac())
        return self

    @whole_layer
    def forward(self, x: Tensor) -> Tensor:
        """Encode (batch, features, ...) to ±1 (batch, features · levels, ...)."""
        self._check(x)
        thresholds = self.thresholds.view(self.features, self.levels, *[1] * (x.dim() - 2))
        return _bipolar(x.detach().to(torch.float32).unsqueeze(2) >= thresholds).flatten(1, 2)

    def _check(self, x: Tensor) -> None:
        if x.dim() < 2 or x.shape[1] != self.features:
            raise ValueError(f"the input must be (batch, {self.features}, ...), not {tuple(x.shape)}")

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return {"features": self.features, "levels": self.levels}

    def check_buffers(self) -> None:
        """Raise ValueError if the thresholds of a feature do not ascend."""
        if bool((self.thresholds.diff(dim=1) < 0).any()):
            raise ValueError("the thresholds of every feature must ascend")

    def extra_repr(self) -> str:
        """Show the sizes in the module's text form."""
        return f"features={self.features}, levels={self.levels}"


def _bipolar(bits: Tensor) -> Tensor:
    return bits.to(torch.float32).mul_(2.0).sub_(1.0)
