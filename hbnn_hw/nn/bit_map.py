"""Heterogeneous bit maps: which entry of a tensor gets how many bits (HBNN Algorithm 1 and eq. 6)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from hbnn_hw.bit_distribution import (
    LARGEST_BITWIDTH,
    Distribution,
    Sharing,
    average_bits,
    check_distribution,
    dist_from_avg,
    entry_counts,
)

__all__ = [
    "ELEMENT",
    "LARGEST_BITWIDTH",
    "Distribution",
    "Granularity",
    "Heuristic",
    "Sharing",
    "average_bits",
    "check_distribution",
    "dist_from_avg",
    "entry_counts",
    "generate_bit_map",
]


class Heuristic(Enum):
    """Order in which entries are served, fewest bits first (HBNN eq. 6)."""

    MIDDLE_OUT = "middle_out"
    """Magnitudes closest to the mean magnitude first. The paper prints ``sort(|T| - mean|T|)``, which
    would equal bottom-up; its text and figures need the absolute value of that difference."""
    TOP_DOWN = "top_down"
    """Large magnitudes first."""
    BOTTOM_UP = "bottom_up"
    """Small magnitudes first."""
    RANDOM = "random"
    """A fixed random permutation, the paper's control."""
    RESIDUAL_MIDDLE_OUT = "residual_middle_out"
    """For b bits: residual magnitudes ``|E_{b-1}|`` closest to their mean first, which are the entries that
    b bits represent best. Not in the paper; equals middle-out up to the first step and is better from an
    average of 1.6 bits."""


_MIDDLE_OUT = (Heuristic.MIDDLE_OUT, Heuristic.RESIDUAL_MIDDLE_OUT)


@dataclass(frozen=True, slots=True)
class Granularity:
    """How coarse a bit map is.

    Attributes
    ----------
    sharing
        Which entries share their bitwidth.
    pe, simd
        Rows and columns of a tile, at least 1; 1 for every other sharing. Tiles at the lower and right edge
        are cut off.

    Raises
    ------
    ValueError
        If a tile has no size, or something else has one.
    """

    sharing: Sharing = Sharing.ELEMENT
    pe: int = 1
    simd: int = 1

    def __post_init__(self) -> None:
        if self.pe < 1 or self.simd < 1:
            raise ValueError(f"a tile must have at least 1 row and 1 column, not {self.pe} x {self.simd}")
        if self.sharing is not Sharing.TILE and (self.pe, self.simd) != (1, 1):
            raise ValueError(f"only a tile has a size, a map shared per {self.sharing.value} has none")

    @classmethod
    def tile(cls, pe: int, simd: int) -> Granularity:
        """Return the map of PE x SIMD tiles."""
        return cls(Sharing.TILE, pe, simd)

    def groups(self, shape: Sequence[int]) -> Tensor:
        """Number the groups of equal bitwidth: int64 of ``shape``, 0, 1, ... in matrix order.

        Parameters
        ----------
        shape
            (out, in), or (out, in / groups, height, width) of a convolution. Its matrix has one row per
            output channel and the columns in hardware's order: height, width, then input channel.

        Raises
        ------
        ValueError
            If entries of a tensor with fewer than two dimensions are to share anything.
        """
        if self.sharing is Sharing.ELEMENT:
            return torch.arange(math.prod(shape)).reshape(tuple(shape))
        if len(shape) < 2:
            raise ValueError(
                f"a bit map per {self.sharing.value} must have rows and columns, not the shape {tuple(shape)}"
            )
        rows, inputs, *kernel = shape
        columns = inputs * math.prod(kernel)
        numbers = self._matrix_groups(rows, columns)
        # A contiguous copy, so that flattening it goes along with flattening the weights.
        return numbers.reshape(rows, *kernel, inputs).movedim(-1, 1).contiguous()

    def _matrix_groups(self, rows: int, columns: int) -> Tensor:
        row, column = torch.arange(rows).unsqueeze(1), torch.arange(columns).unsqueeze(0)
        if self.sharing is Sharing.COLUMN:
            return column.expand(rows, columns)
        if self.sharing is Sharing.ROW:
            return row.expand(rows, columns)
        return (row // self.pe) * math.ceil(columns / self.simd) + column // self.simd


ELEMENT = Granularity()
"""The paper's map: every entry its own bitwidth."""


def _middle_out(magnitudes: Tensor) -> Tensor:
    return (magnitudes - magnitudes.mean()).abs()


def _random(magnitudes: Tensor) -> Tensor:
    # A seed of its own: with one that also drew the weights, the "random" order would follow them.
    return torch.rand(magnitudes.shape, generator=torch.Generator().manual_seed(0x48424E4E))


_KEYS: dict[Heuristic, Callable[[Tensor], Tensor]] = {
    Heuristic.MIDDLE_OUT: _middle_out,
    Heuristic.TOP_DOWN: torch.neg,
    Heuristic.BOTTOM_UP: torch.Tensor.clone,
    Heuristic.RANDOM: _random,
    Heuristic.RESIDUAL_MIDDLE_OUT: _middle_out,
}
"""(Residual) magnitudes of the entries still to be served (n,) to sort keys (n,), smallest served first."""


@torch.no_grad()
def generate_bit_map(
    weights: Tensor,
    distribution: Distribution,
    heuristic: Heuristic = Heuristic.MIDDLE_OUT,
    granularity: Granularity = ELEMENT,
) -> Tensor:
    """Assign every entry its number of bits: HBNN Algorithm 1 over single entries or over groups of them.

    Parameters
    ----------
    weights
        Float tensor T, at least one entry; of any shape for a map per element, else see
        :meth:`Granularity.groups`.
    distribution
        P as (bits, fraction) pairs, bits ascending; 0 bits prune entries.
    heuristic
        Order in which entries are served.
    granularity
        Which entries have one bitwidth. The score of a group is the mean of its entries' sort keys, and
        groups are served while that brings the number of entries closer to the share.

    Returns
    -------
    Tensor
        uint8, the shape of ``weights``, on its device: M, the number of bits of each entry.

    Raises
    ------
    ValueError
        If the distribution is malformed, or the tensor has no groups of this kind.

    Notes
    -----
    As printed, Algorithm 1 both removes the served entries and advances its offset, which would skip
    entries. Here what is left is sorted again and its first ``p_b · N`` entries are served, which
    reproduces the paper's Fig. 2a. The sort is stable, so that ties fall the same way everywhere.

    The paper has no entries without a bit. Both middle-outs serve what b bits represent best, and 0 bits
    represent 0: they give 0 bits to the smallest magnitudes. The other heuristics keep their order.
    """
    counts = entry_counts(check_distribution(distribution), weights.numel())
    serving = _Serving(weights.detach().abs().flatten().cpu(), granularity.groups(weights.shape).flatten())
    for (bits, _), target in zip(distribution, itertools.accumulate(counts), strict=True):
        serving.serve(bits, target, heuristic)
    return serving.bit_map.reshape(weights.shape).to(weights.device)


class _Serving:
    """State of Algorithm 1: who has been served, and what the planes so far left of the others."""

    def __init__(self, magnitudes: Tensor, groups: Tensor) -> None:
        self.groups = groups
        self.sizes = torch.bincount(groups)
        self.residuals = magnitudes
        self.planes_taken = 0
        self.bit_map = torch.zeros(magnitudes.shape, dtype=torch.uint8)
        # Ascending positions keep the stable sort's tie rule: the earlier entry or group is served first.
        self.left = torch.arange(magnitudes.numel())

    def serve(self, bits: int, target: int, heuristic: Heuristic) -> None:
        """Give ``bits`` to the best suited groups until about ``target`` entries in all are served."""
        if self.left.numel() == 0:
            return
        if heuristic is Heuristic.RESIDUAL_MIDDLE_OUT:
            self._take_planes(bits - 1)
        prune = bits == 0 and heuristic in _MIDDLE_OUT
        keys = _KEYS[Heuristic.BOTTOM_UP if prune else heuristic](self.residuals[self.left])
        chosen = self._first_groups(keys, target - (self.groups.numel() - self.left.numel()))
        if heuristic is Heuristic.RESIDUAL_MIDDLE_OUT:
            # Plane `bits` belongs to those served now and to all that are left: mean before they part.
            self._take_planes(bits)
        served = chosen[self.groups[self.left]]
        self.bit_map[self.left[served]] = bits
        self.left = self.left[~served]

    def _take_planes(self, n_planes: int) -> None:
        for _ in range(self.planes_taken, n_planes):
            self.residuals[self.left] = _middle_out(self.residuals[self.left])
        self.planes_taken = max(self.planes_taken, n_planes)

    def _first_groups(self, keys: Tensor, wanted: int) -> Tensor:
        """Return which groups to serve, bool (groups,), given the keys of the entries that are left."""
        members = self.groups[self.left]
        # float64 sums: a group of one entry keeps its key, and its order, exactly.
        sums = torch.bincount(members, weights=keys.double(), minlength=self.sizes.numel())
        present = torch.bincount(members, minlength=self.sizes.numel()).nonzero().flatten()
        order = present[torch.sort(sums[present] / self.sizes[present], stable=True).indices]
        chosen = torch.zeros(self.sizes.numel(), dtype=torch.bool)
        chosen[order[: _closest_length(self.sizes[order].cumsum(0), wanted)]] = True
        return chosen


def _closest_length(ends: Tensor, wanted: int) -> int:
    """Return how many items come closest to ``wanted`` in sum, given the ascending partial sums ``ends``."""
    fewer = int(torch.searchsorted(ends, max(wanted, 0)))
    if fewer == ends.numel():
        return fewer
    reached = int(ends[fewer - 1]) if fewer else 0
    return fewer + (int(ends[fewer]) - wanted < wanted - reached)
