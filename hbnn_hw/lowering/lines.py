"""Real numbers as piecewise affine functions of integers: what lies between accumulators and a quantizer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.pieces import ends_of_pieces

Reals = NDArray[np.float64]

_ROUNDING = 1e-12
"""Share of the largest offset that composing functions in float64 may be off by."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Bend:
    """A continuous, piecewise affine function of one real number, one per channel or one for all.

    ``y = slopes[k] · x + offsets[k]`` with k the number of ``at`` that are not above x. Each entry is float64
    (channels,) or (1,).
    """

    at: tuple[Reals, ...]
    slopes: tuple[Reals, ...]
    offsets: tuple[Reals, ...]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Lines:
    """Real value = ``slopes[k, c] · x + offsets[k, c]``, x an integer of channel c in ``low … high``.

    Normalizations, biases, scales and piecewise linear activations compose without rounding; the twin
    rounds once, when it needs the constants.

    Attributes
    ----------
    slopes, offsets
        float64 (pieces, channels).
    knees
        int64 (pieces - 1, channels): piece k holds from ``knees[k - 1]`` on.
    low, high
        Range of the integers.
    spread
        float64 (channels,): about the standard deviation of the real values.
    label
        Name of the layer that had the last word, if the twin has no layer of that name yet.
    """

    slopes: Reals
    offsets: Reals
    knees: NDArray[np.int64]
    low: int
    high: int
    spread: Reals
    label: str | None = None

    @classmethod
    def straight(cls, slope: Reals, offset: Reals, bound: tuple[int, int], spread: Reals) -> Lines:
        """Return one piece per channel: ``slope · x + offset``."""
        knees = np.empty((0, len(slope)), dtype=np.int64)
        low, high = bound
        return cls(
            slopes=slope[np.newaxis],
            offsets=offset[np.newaxis],
            knees=knees,
            low=low,
            high=high,
            spread=spread,
        )

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.slopes.shape[1])

    @property
    def is_straight(self) -> bool:
        """Whether there is one piece only."""
        return len(self.slopes) == 1

    @property
    def rises(self) -> bool:
        """Whether no channel ever falls, from any integer to a larger one; by more than rounding errors."""
        steps = np.diff(self._values_at_ends(), axis=0)
        return bool((steps >= -_ROUNDING * np.abs(self.offsets).max(initial=1.0)).all())

    @property
    def is_monotone(self) -> bool:
        """Whether each channel rises or falls throughout, its constants rounded as the twin has them."""
        steps = np.diff(self.rounded()._values_at_ends(), axis=0)
        return bool(((steps >= 0).all(axis=0) | (steps <= 0).all(axis=0)).all())

    def rounded(self) -> Lines:
        """Round the constants to float32."""
        with np.errstate(over="ignore"):
            slopes, offsets = (c.astype(np.float32).astype(np.float64) for c in (self.slopes, self.offsets))
        return replace(self, slopes=slopes, offsets=offsets)

    def _values_at_ends(self) -> Reals:
        """Evaluate at the ends of all pieces, in ascending order: in between the function is straight."""
        return self.values_at(np.sort(ends_of_pieces(self.low, self.high, self.knees), axis=0))

    def then_affine(
        self, slope: Reals, offset: Reals, label: str | None, spread: Reals | None = None
    ) -> Lines:
        """Apply ``slope · y + offset`` per channel to the real values."""
        return replace(
            self,
            slopes=self.slopes * slope,
            offsets=self.offsets * slope + offset,
            spread=np.abs(slope) * self.spread if spread is None else spread,
            label=label,
        )

    def then_bend(self, bend: Bend, label: str | None) -> Lines:
        """Apply a piecewise affine function to the real values."""
        ends = np.concatenate([np.full((1, self.channels), self.low), self.knees])
        next_ends = np.concatenate([self.knees, np.full((1, self.channels), self.high + 1)])
        slopes, offsets, knees = [], [], []
        for slope, offset, first, behind in zip(self.slopes, self.offsets, ends, next_ends, strict=True):
            order = _order(slope, offset, bend)
            stacked = [
                np.stack([np.broadcast_to(c, slope.shape) for c in part])
                for part in (bend.slopes, bend.offsets)
            ]
            inner, outer = (np.take_along_axis(part, order, axis=0) for part in stacked)
            slopes.append(inner * slope)
            offsets.append(inner * offset + outer)
            knees += [first, *_crossings(slope, offset, bend, first, behind)]
        return replace(
            self,
            slopes=np.concatenate(slopes),
            offsets=np.concatenate(offsets),
            knees=np.stack(knees[1:]).astype(np.int64),
            label=label,
        )._without_empty_pieces()

    def _without_empty_pieces(self) -> Lines:
        """Drop the pieces that no channel has."""
        ends = np.concatenate([np.full((1, self.channels), self.low), self.knees])
        behind = np.concatenate([self.knees, np.full((1, self.channels), self.high + 1)])
        keep = (behind > ends).any(axis=1)
        kept_ends = ends[keep]
        return replace(
            self, slopes=self.slopes[keep], offsets=self.offsets[keep], knees=kept_ends[1:].astype(np.int64)
        )

    def repeated(self, n: int) -> Lines:
        """Give each of ``n`` pixels of a channel its own constants, channel by channel: a flattened image."""
        return replace(
            self,
            slopes=np.repeat(self.slopes, n, axis=1),
            offsets=np.repeat(self.offsets, n, axis=1),
            knees=np.repeat(self.knees, n, axis=1),
            spread=np.repeat(self.spread, n),
        )

    def values_at(self, x: NDArray[np.int64]) -> Reals:
        """Evaluate (points, channels) integers in float64."""
        index = (x[:, np.newaxis, :] >= self.knees[np.newaxis]).sum(axis=1)
        columns = np.arange(self.channels)
        values: Reals = self.slopes[index, columns] * x + self.offsets[index, columns]
        return values


def beside(parts: list[Lines]) -> Lines:
    """Put the channels of several functions behind one another."""
    pieces = max(len(part.slopes) for part in parts)
    high = max(part.high for part in parts)

    def filled(array: NDArray[np.generic], missing: int) -> NDArray[np.generic]:
        return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array

    def knees(part: Lines) -> NDArray[np.int64]:
        never = np.full((pieces - len(part.slopes), part.channels), high + 1, dtype=np.int64)
        return np.concatenate([part.knees, never])

    return Lines(
        slopes=np.concatenate([filled(p.slopes, pieces - len(p.slopes)) for p in parts], axis=1),
        offsets=np.concatenate([filled(p.offsets, pieces - len(p.offsets)) for p in parts], axis=1),
        knees=np.concatenate([knees(part) for part in parts], axis=1),
        low=min(part.low for part in parts),
        high=high,
        spread=np.concatenate([part.spread for part in parts]),
    )


def _order(slope: Reals, offset: Reals, bend: Bend) -> NDArray[np.int64]:
    """Return the bend's pieces in the order of rising integers, int64 (pieces, channels)."""
    n = len(bend.slopes)
    rising = np.broadcast_to(np.arange(n)[:, np.newaxis], (n, len(slope)))
    constant = sum((np.broadcast_to(at, slope.shape) <= offset).astype(np.int64) for at in bend.at)
    ordered = np.where(slope > 0, rising, rising[::-1])
    return np.where(slope == 0, constant, ordered)


def _crossings(
    slope: Reals, offset: Reals, bend: Bend, first: NDArray[np.int64], behind: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    """Return the first integer of every piece of the bend but the first, in their order."""
    safe = np.where(slope == 0, 1.0, slope)
    at = np.stack([np.broadcast_to(a, slope.shape) for a in bend.at])
    crossing = (at - offset) / safe
    # Falling lines pass the last boundary first; an integer on the boundary belongs to the piece above it.
    integers = np.where(slope > 0, np.ceil(crossing), np.floor(crossing[::-1]) + 1)
    return list(np.clip(integers, first, behind).astype(np.int64))
