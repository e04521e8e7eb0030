"""HBNN: heterogeneous bitwidths (Fromm, Patel and Philipose, NeurIPS 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import cast

import torch
from torch import Tensor

from hbnn_hw.nn.bit_map import (
    ELEMENT,
    Distribution,
    Granularity,
    Heuristic,
    Sharing,
    check_distribution,
    dist_from_avg,
    generate_bit_map,
)
from hbnn_hw.nn.latent import LatentLayer, LatentLinear, Plain, RealPlanes
from hbnn_hw.nn.straight_through import straight_through

DEFAULT_DISTRIBUTION = dist_from_avg(1.4)
"""70 / 20 / 10 % of 1, 2 and 3 bits, the paper's default."""


class PlaneScales(Enum):
    """What the scales of a layer's planes may be."""

    MEANS = "means"
    """The mean magnitudes that planes leave over (HBNN eq. 5); deployment rounds them to integers."""
    POWERS_OF_TWO = "powers-of-two"
    """Those means, each rounded to the nearest ``mu_1 · 2^k``: hardware shifts, and rounds nothing more."""


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """A residual binarization: planes, scales and their sum.

    Attributes
    ----------
    signs
        One tensor per plane, the shape of the values: -1, +1, or 0 where the entry lacks the plane; empty
        if they were not asked for.
    mu
        One scalar per plane, or (batch, 1, ...) with a scale per sample.
    values
        ``sum_n mu_n · T_n``, the shape of the values.
    """

    signs: tuple[Tensor, ...]
    mu: tuple[Tensor, ...]
    values: Tensor


@torch.no_grad()
def binarize_residuals(
    values: Tensor,
    bit_map: Tensor,
    n_planes: int,
    mu: Tensor | None = None,
    *,
    form: PlaneScales = PlaneScales.MEANS,
    per_sample: bool = False,
    keep_signs: bool = False,
) -> Residuals:
    """Binarize what is left over, plane after plane, over the entries that have the plane (HBNN eq. 5).

    ``T_n[j] = sign(E_{n-1}[j])``, ``mu_n = mean |E_{n-1}|`` over ``{j : M[j] >= n}``, ``E_0 = T``;
    sign(0) = -1, as the authors' code has it.

    Parameters
    ----------
    values
        float32 tensor T of any shape.
    bit_map
        uint8, the shape of T (without the batch, if ``per_sample``): M, the number of bits of each entry.
    n_planes
        Planes to compute, at least 1; a plane that no entry has gets mu = 0.
    mu
        float32 (planes,): scales to use instead of the means.
    form
        What the scales may be where they are computed.
    per_sample
        Whether the first dimension is a batch and every sample has means of its own.
    keep_signs
        Whether the signs are wanted, not their scaled sum alone.
    """
    # Float arithmetic in place: comparisons, and fresh memory for every step, cost several times as much.
    bits = bit_map.to(values.dtype, memory_format=torch.contiguous_format)
    residual, total = values.detach().clone(), torch.zeros_like(values)
    sign, product, mask = torch.empty_like(residual), torch.empty_like(residual), torch.empty_like(bits)
    signs: list[Tensor] = []
    scales: list[Tensor] = []
    for plane in range(n_planes):
        torch.clamp(bits, 0.0, 1.0, out=mask)
        bits.sub_(1.0)
        # An entry with the plane: sign(±1 or 0, minus a half); one without it: sign(0).
        torch.sign(residual, out=sign).mul_(mask).sub_(mask, alpha=0.5).sign_()
        if keep_signs:
            signs.append(sign.clone())
        if mu is None:
            scale = _mean(torch.mul(residual, sign, out=product), mask.sum(), per_sample)
            if scales and form is PlaneScales.POWERS_OF_TWO:
                scale = _shifted(scales[0], scale)
        else:
            scale = mu[plane]
        scales.append(scale)
        sign.mul_(scale)
        residual.sub_(sign)
        total.add_(sign)
    return Residuals(tuple(signs), tuple(scales), total)


def _mean(magnitudes: Tensor, n_entries: Tensor, per_sample: bool) -> Tensor:
    """Return the mean magnitude of the entries that count; all others are 0."""
    if not per_sample:
        return magnitudes.sum() / n_entries.clamp(min=1)
    sums = magnitudes.sum(dim=list(range(1, magnitudes.dim())), keepdim=True)
    return sums / n_entries.clamp(min=1)


def _shifted(first: Tensor, scale: Tensor) -> Tensor:
    """Return the nearest ``first · 2^k``, by its logarithm; 0 for a scale of 0."""
    ratio = scale / first.clamp(min=torch.finfo(first.dtype).tiny)
    return first * torch.exp2(torch.round(torch.log2(ratio)))


def residual_planes(
    weights: Tensor,
    bit_map: Tensor,
    n_planes: int,
    mu: Tensor | None = None,
    form: PlaneScales = PlaneScales.MEANS,
) -> RealPlanes:
    """Return the planes of :func:`binarize_residuals` with one scale each.

    Parameters
    ----------
    weights
        float32 tensor T of any shape.
    bit_map
        uint8, same shape: M, the number of bits of each entry.
    n_planes
        Planes to compute, at least 1.
    mu
        float32 (planes,): scales to use instead of the means.
    form
        What the scales may be where they are computed.

    Returns
    -------
    RealPlanes
        Signs (planes, ...) and scales.
    """
    residuals = binarize_residuals(weights, bit_map, n_planes, mu, form=form, keep_signs=True)
    return RealPlanes(torch.stack(residuals.signs), torch.stack(residuals.mu))


class HbnnWeights(LatentLayer):
    """Weights of 1, 2, 3, ... bits each (0 too), as a bit map says; one mu per plane.

    Until :meth:`freeze` every forward pass computes mu from the latent weights; afterwards mu and the map
    are constants.

    Attributes
    ----------
    distribution, heuristic, granularity
        What the map is made from.
    plane_scales
        What mu may be.
    frozen
        Whether map and mu are constants.
    bit_map
        Buffer, uint8 of the weight's shape: number of bits of each weight.
    mu
        Buffer, float32 (planes,): the scales that :meth:`freeze` stored; 0 before.
    """

    distribution: Distribution
    heuristic: Heuristic
    granularity: Granularity
    plane_scales: PlaneScales
    frozen: bool
    bit_map: Tensor
    mu: Tensor

    def _make_map(
        self,
        distribution: Sequence[Sequence[float]],
        heuristic: Heuristic | str,
        granularity: Granularity | Sequence[str | int],
        plane_scales: PlaneScales | str,
        *,
        frozen: bool,
    ) -> None:
        self.distribution = plain_distribution(distribution)
        self.heuristic = Heuristic(heuristic)
        self.granularity = plain_granularity(granularity)
        self.plane_scales = PlaneScales(plane_scales)
        self.frozen = frozen
        self.register_buffer("bit_map", torch.zeros(self.weight.shape, dtype=torch.uint8))
        self.register_buffer("mu", torch.zeros(self.n_planes))
        # A layer described without values (device "meta") gets its map from the checkpoint.
        if not (frozen or self.weight.is_meta):
            self.refresh_bit_map()

    @property
    def n_planes(self) -> int:
        """The largest bitwidth of the distribution."""
        return self.distribution[-1][0]

    def refresh_bit_map(self) -> None:
        """Run Algorithm 1 on the present latent weights; does nothing once frozen."""
        if not self.frozen:
            self.bit_map.copy_(
                generate_bit_map(self.weight, self.distribution, self.heuristic, self.granularity)
            )

    def freeze(self) -> None:
        """Store the present mu and fix it together with the map."""
        self.mu.copy_(self.planes().mu)
        self.frozen = True

    def planes(self) -> RealPlanes:
        """Return the planes of the present latent weights, with stored scales once frozen."""
        return residual_planes(self.weight, self.bit_map, self.n_planes, self._stored_mu(), self.plane_scales)

    def quantized_weight(self) -> Tensor:
        """Return Q(W), float32 of W's shape, with the straight-through gradient to W."""
        residuals = binarize_residuals(
            self.weight, self.bit_map, self.n_planes, self._stored_mu(), form=self.plane_scales
        )
        return straight_through(self.weight, residuals.values)

    def _stored_mu(self) -> Tensor | None:
        return self.mu if self.frozen else None

    def _map_config(self) -> dict[str, Plain]:
        config = map_config(self.distribution, self.heuristic, self.granularity, frozen=self.frozen)
        if self.plane_scales is not PlaneScales.MEANS:
            config["plane_scales"] = self.plane_scales.value
        return config

    def check_buffers(self) -> None:
        """Raise ValueError if the map asks for planes that the layer lacks, or mu is negative."""
        check_map(self.bit_map, self.mu)


def plain_distribution(distribution: Sequence[Sequence[float]]) -> Distribution:
    """Return a checked distribution from (bits, fraction) pairs, plain lists as well."""
    return check_distribution(tuple((int(bits), float(fraction)) for bits, fraction in distribution))


def plain_granularity(granularity: Granularity | Sequence[str | int]) -> Granularity:
    """Return a granularity, also from its plain form ``[sharing, pe, simd]``."""
    if isinstance(granularity, Granularity):
        return granularity
    sharing, pe, simd = granularity
    return Granularity(Sharing(sharing), int(pe), int(simd))


def map_config(
    distribution: Distribution, heuristic: Heuristic, granularity: Granularity, *, frozen: bool
) -> dict[str, Plain]:
    """Return what a bit map is made from as plain values; the paper's granularity goes without saying."""
    pairs = cast("Plain", [[bits, fraction] for bits, fraction in distribution])
    config: dict[str, Plain] = {"distribution": pairs, "heuristic": heuristic.value, "frozen": frozen}
    if granularity != ELEMENT:
        config["granularity"] = [granularity.sharing.value, granularity.pe, granularity.simd]
    return config


def check_map(bit_map: Tensor, mu: Tensor) -> None:
    """Raise ValueError if the map asks for planes without a mu, or a mu is negative."""
    if bit_map.numel() and int(bit_map.max()) > mu.numel():
        raise ValueError(f"bit_map must not exceed {mu.numel()} bits, not {int(bit_map.max())}")
    if bool((mu < 0).any()):
        raise ValueError(f"mu must not be negative, not {mu.tolist()}")


class HbnnLinear(HbnnWeights, LatentLinear):
    """Linear layer whose weights have 1, 2, 3, ... bits each, as a bit map says; see :class:`HbnnWeights`.

    Parameters
    ----------
    in_features, out_features, bias
        See :class:`~hbnn_hw.nn.latent.LatentLinear`.
    distribution
        (bits, fraction) pairs, bits ascending; plain lists are accepted.
    heuristic
        Order in which Algorithm 1 serves the entries.
    frozen
        Whether map and mu are constants already (when read from a checkpoint).
    granularity
        Which weights share their bitwidth; ``[sharing, pe, simd]`` is accepted.
    plane_scales
        What mu may be; the value's text is accepted.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = False,
        distribution: Sequence[Sequence[float]] = DEFAULT_DISTRIBUTION,
        heuristic: Heuristic | str = Heuristic.MIDDLE_OUT,
        frozen: bool = False,
        granularity: Granularity | Sequence[str | int] = ELEMENT,
        plane_scales: PlaneScales | str = PlaneScales.MEANS,
    ) -> None:
        super().__init__(in_features, out_features, bias=bias)
        self._make_map(distribution, heuristic, granularity, plane_scales, frozen=frozen)

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return super().config() | self._map_config()
