"""HBNN: heterogeneous bitwidths (Fromm, Patel and Philipose, NeurIPS 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from hbnn_hw.nn.binary import hard_sign
from hbnn_hw.nn.bit_map import Distribution, Heuristic, check_distribution, dist_from_avg, generate_bit_map
from hbnn_hw.nn.latent import LatentLinear, Plain, RealPlanes

DEFAULT_DISTRIBUTION = dist_from_avg(1.4)
"""70 / 20 / 10 % of 1, 2 and 3 bits, the paper's default."""


@torch.no_grad()
def residual_planes(weights: Tensor, bit_map: Tensor, n_planes: int, mu: Tensor | None = None) -> RealPlanes:
    """Binarize what is left over, plane after plane, over the entries that have the plane (HBNN eq. 5).

    ``T_n[j] = sign(E_{n-1}[j])``, ``mu_n = mean |E_{n-1}|`` over ``{j : M[j] >= n}``, ``E_0 = T``.

    Parameters
    ----------
    weights
        float32 tensor T of any shape.
    bit_map
        uint8, same shape: M, the number of bits of each entry.
    n_planes
        Planes to compute, at least 1; a plane that no entry has gets mu = 0.
    mu
        float32 (planes,): scales to use instead of the means.

    Returns
    -------
    RealPlanes
        Signs (planes, ...) and scales. sign(0) = -1, as the authors' code has it.
    """
    residual = weights.detach().clone()
    signs, scales = [], []
    for plane in range(n_planes):
        mask = (bit_map > plane).to(residual.dtype)
        scale = _masked_mean(residual.abs(), mask) if mu is None else mu[plane]
        sign = hard_sign(residual, zero=-1) * mask
        residual -= scale * sign
        signs.append(sign)
        scales.append(scale)
    return RealPlanes(torch.stack(signs), torch.stack(scales))


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum().clamp(min=1)


class HbnnLinear(LatentLinear):
    """Linear layer whose weights have 1, 2, 3, ... bits each, as a bit map says; one mu per plane.

    Until :meth:`freeze` every forward pass computes mu from the latent weights; afterwards mu and the map
    are constants.

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

    Attributes
    ----------
    bit_map
        Buffer, uint8 (out, in): number of bits of each weight.
    mu
        Buffer, float32 (planes,): the scales that :meth:`freeze` stored; 0 before.
    """

    bit_map: Tensor
    mu: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = False,
        distribution: Sequence[Sequence[float]] = DEFAULT_DISTRIBUTION,
        heuristic: Heuristic | str = Heuristic.MIDDLE_OUT,
        frozen: bool = False,
    ) -> None:
        super().__init__(in_features, out_features, bias=bias)
        self.distribution: Distribution = check_distribution(
            tuple((int(b), float(f)) for b, f in distribution)
        )
        self.heuristic = Heuristic(heuristic)
        self.frozen = frozen
        self.register_buffer("bit_map", torch.zeros(out_features, in_features, dtype=torch.uint8))
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
            self.bit_map.copy_(generate_bit_map(self.weight, self.distribution, self.heuristic))

    def freeze(self) -> None:
        """Store the present mu and fix it together with the map."""
        self.mu.copy_(self.planes().mu)
        self.frozen = True

    def planes(self) -> RealPlanes:
        """Return the planes of the present latent weights, with stored scales once frozen."""
        return residual_planes(self.weight, self.bit_map, self.n_planes, self.mu if self.frozen else None)

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        distribution = cast("Plain", [[bits, fraction] for bits, fraction in self.distribution])
        more = {"distribution": distribution, "heuristic": self.heuristic.value, "frozen": self.frozen}
        return super().config() | more

    def check_buffers(self) -> None:
        """Raise ValueError if the map asks for planes that the layer lacks, or mu is negative."""
        if self.bit_map.numel() and int(self.bit_map.max()) > self.n_planes:
            raise ValueError(f"bit_map must not exceed {self.n_planes} bits, not {int(self.bit_map.max())}")
        if bool((self.mu < 0).any()):
            raise ValueError(f"mu must not be negative, not {self.mu.tolist()}")
