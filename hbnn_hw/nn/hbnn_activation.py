"""HBNN activations: residual binarization with a bit map that is static per position."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from hbnn_hw.nn.bit_map import ELEMENT, Granularity, Heuristic, Sharing, generate_bit_map
from hbnn_hw.nn.hbnn import (
    DEFAULT_DISTRIBUTION,
    Residuals,
    binarize_residuals,
    check_map,
    map_config,
    plain_distribution,
)
from hbnn_hw.nn.latent import Plain
from hbnn_hw.nn.straight_through import straight_through
from hbnn_hw.nn.whole_layer import whole_layer

_POSITIONS = Granularity(Sharing.COLUMN)


class HbnnActivation(nn.Module):
    """``y = sum_n mu_n · T_n(x)``: 1, 2, 3, ... bits for each position of a feature map (HBNN eq. 5).

    In training mu is computed anew for every sample, as the authors' operator does, and a running mean of it
    is kept. In evaluation, and once frozen, mu is that mean: constants, which hardware needs.
    :func:`calibrate_activations` replaces it by the plain mean over a calibration set. The gradient is the
    saturated straight-through one; none flows to mu or to the map. sign(0) = -1.

    Parameters
    ----------
    shape
        Sizes of the dimensions behind the batch that have a map: (features,); (channels,) so that all pixels
        of a channel share theirs; or (channels, height, width).
    distribution, heuristic, frozen
        See :class:`~hbnn_hw.nn.hbnn.HbnnLinear`.
    momentum
        Share of a batch in the running mean; the first batches count as a plain mean.

    Attributes
    ----------
    bit_map
        Buffer, uint8 of ``shape``. The first training batch, and the first after
        :meth:`refresh_bit_map`, fits it; before that it is random.
    mu
        Buffer, float32 (planes,).
    batches_seen
        Buffer, int64: batches in the running mean.

    Notes
    -----
    The paper does not say where an activation's map comes from. Here it is Algorithm 1 over the batch seen
    as a matrix of samples (and pixels) by positions, with one group per position: the score of a position
    is the mean of its sort keys over the batch.
    """

    bit_map: Tensor
    mu: Tensor
    batches_seen: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        *,
        distribution: Sequence[Sequence[float]] = DEFAULT_DISTRIBUTION,
        heuristic: Heuristic | str = Heuristic.MIDDLE_OUT,
        momentum: float = 0.1,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        if not self.shape or any(type(size) is not int or size < 1 for size in self.shape):
            raise ValueError(f"an activation map must have sizes of at least 1, not {list(shape)}")
        if not 0.0 < momentum <= 1.0:
            raise ValueError(f"momentum must lie in 0..1, not {momentum!r}")
        self.distribution = plain_distribution(distribution)
        self.heuristic = Heuristic(heuristic)
        self.momentum = momentum
        self.frozen = frozen
        self.calibrating = False
        self.map_is_due = not frozen
        self.register_buffer("bit_map", torch.zeros(self.shape, dtype=torch.uint8))
        self.register_buffer("mu", torch.zeros(self.n_planes))
        self.register_buffer("batches_seen", torch.zeros((), dtype=torch.int64))
        if not self.bit_map.is_meta:
            start = generate_bit_map(torch.zeros(self.shape), self.distribution, Heuristic.RANDOM)
            self.bit_map.copy_(start)

    @property
    def n_planes(self) -> int:
        """The largest bitwidth of the distribution."""
        return self.distribution[-1][0]

    @whole_layer
    def forward(self, x: Tensor) -> Tensor:
        """Quantize (batch, *shape, ...); shape and dtype are kept."""
        if tuple(x.shape[1 : len(self.shape) + 1]) != self.shape:
            raise ValueError(f"the input must be (batch, {self.shape}, ...), not {tuple(x.shape)}")
        values = x.detach().float()
        live = self.training and not self.frozen
        if live and self.map_is_due:
            self.fit_bit_map(values)
        residuals = self._residuals(values, live or self.calibrating)
        return straight_through(x, residuals.values.to(x.dtype))

    def _residuals(self, values: Tensor, per_sample: bool) -> Residuals:
        spatial = values.dim() - 1 - len(self.shape)
        bit_map = self.bit_map.view(*self.shape, *[1] * spatial).expand(values.shape[1:])
        if not per_sample:
            return binarize_residuals(values, bit_map, self.n_planes, self.mu)
        residuals = binarize_residuals(values, bit_map, self.n_planes, per_sample=True)
        self._track(residuals.mu)
        return residuals

    @torch.no_grad()
    def _track(self, mu: tuple[Tensor, ...]) -> None:
        self.batches_seen += 1
        share = 1.0 / self.batches_seen
        if not self.calibrating:
            share = share.clamp(min=self.momentum)
        self.mu.lerp_(torch.stack([scale.mean() for scale in mu]), share)

    def refresh_bit_map(self) -> None:
        """Let the next training batch fit the map anew; does nothing once frozen."""
        self.map_is_due = not self.frozen

    @torch.no_grad()
    def fit_bit_map(self, x: Tensor) -> None:
        """Run Algorithm 1 on a batch (batch, *shape, ...), and start the running mean of mu anew."""
        positions = x.reshape(x.shape[0], math.prod(self.shape), -1).transpose(1, 2).flatten(0, 1)
        fitted = generate_bit_map(positions, self.distribution, self.heuristic, _POSITIONS)
        self.bit_map.copy_(fitted[0].view(self.shape))
        self.batches_seen.zero_()
        self.map_is_due = False

    def freeze(self) -> None:
        """Fix the map and the running mean of mu."""
        self.frozen = True
        self.map_is_due = False

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        own: dict[str, Plain] = {"shape": cast("Plain", list(self.shape)), "momentum": self.momentum}
        return own | map_config(self.distribution, self.heuristic, ELEMENT, frozen=self.frozen)

    def check_buffers(self) -> None:
        """Raise ValueError if the map asks for planes that the layer lacks, or mu is negative."""
        check_map(self.bit_map, self.mu)

    def extra_repr(self) -> str:
        """Show the configuration in the module's text form."""
        return ", ".join(f"{key}={value}" for key, value in self.config().items())

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - torch gives no type
        super()._load_from_state_dict(*args, **kwargs)
        # A map that has seen data goes on as it is; training is resumed, not begun.
        self.map_is_due = not self.frozen and int(self.batches_seen) == 0


def calibrate_activations(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set mu of every :class:`HbnnActivation` that is not frozen to its plain mean over ``batches``.

    The rest of the network runs in evaluation mode; maps and weights stay. Every batch counts alike.

    Parameters
    ----------
    model
        The trained network; left in the mode that it was in.
    batches
        Inputs of the network, at least one batch.

    Raises
    ------
    ValueError
        If there is no batch; the scales are then left as they were.
    """
    remaining = iter(batches)
    first = next(remaining, None)
    if first is None:
        raise ValueError("calibration must have at least one batch of inputs, not none")
    layers = [m for m in model.modules() if isinstance(m, HbnnActivation) and not m.frozen]
    with torch.no_grad(), _calibrating(model, layers):
        for batch in itertools.chain([first], remaining):
            model(batch)


@contextmanager
def _calibrating(model: nn.Module, layers: list[HbnnActivation]) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    for layer in layers:
        layer.calibrating = True
        layer.batches_seen.zero_()
    try:
        yield
    finally:
        for layer in layers:
            layer.calibrating = False
        for module, training in modes:
            module.training = training
