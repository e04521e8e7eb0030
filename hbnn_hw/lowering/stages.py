"""What the numbers between two layers of a network mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from hbnn_hw.lowering.lines import Lines


@dataclass(frozen=True, slots=True)
class Codes:
    """The network's input, before :class:`~hbnn_hw.nn.activations.BitPlaneInput`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Integers:
    """Real values ``scale · integer + offset``, with ``low <= integer <= high``.

    ``spread`` is about the standard deviation of the real values, by which rounding errors are judged.
    """

    scale: float
    low: int
    high: int
    spread: float
    offset: float = 0.0

    @property
    def bound(self) -> int:
        """Largest magnitude of an integer."""
        return max(-self.low, self.high)


@dataclass(frozen=True, slots=True)
class Reals:
    """Real values behind an affine; only pooling, flattening and a sign may follow."""


Stage: TypeAlias = Codes | Integers | Lines | Reals


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """What a layer of the network makes, in terms of the twin.

    Attributes
    ----------
    node
        Name of the twin's layer that makes the numbers.
    stage
        What the numbers mean.
    shape
        Of one sample in PyTorch's order: (features,) or (channels, rows, columns); None while unknown.
    """

    node: str
    stage: Stage
    shape: tuple[int, ...] | None

    @property
    def image(self) -> tuple[int, int, int] | None:
        """The shape (channels, rows, columns), if samples are images."""
        if self.shape is None or len(self.shape) != 3:
            return None
        channels, rows, columns = self.shape
        return channels, rows, columns
