"""Temperature schedules of SLB: how soft the choice between weight values is as training goes on.

A schedule maps the progress of training, 0 at its start and 1 at its end, to the temperature τ of
``softmax(A / τ)``. Until ``start`` it is ``initial``; from there it falls to ``final``, which it reaches at
``end``; afterwards the weights are hard. The layers work with the inverse T = 1/τ.

Source: Yang et al., NeurIPS 2020 (arXiv 2009.08695), which compares exponential, cosine and linear decay.
The exponential form is that of the authors' code. The formulas of the other two are not known to us from
the paper: they are the usual ones, in τ. Warm restarts are those of Loshchilov and Hutter (SGDR, 2017),
applied to τ.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TemperatureSchedule(ABC):
    """What all schedules share. The defaults are what served best on the MNIST network of ``models/``.

    Attributes
    ----------
    initial, final
        Temperatures τ before ``start`` and from ``end`` on, ``initial >= final > 0`` (dimensionless).
    start, end
        Progress at which the decay begins and ends, ``0 <= start < end <= 1``.
    """

    initial: float = 1.0
    final: float = 0.04
    start: float = 0.0
    end: float = 0.95

    def __post_init__(self) -> None:
        if not 0.0 < self.final <= self.initial < math.inf:
            raise ValueError(
                f"temperatures must be positive and not rise, not {self.initial!r} to {self.final!r}"
            )
        if not 0.0 <= self.start < self.end <= 1.0:
            raise ValueError(f"a decay must lie within 0..1, not {self.start!r}..{self.end!r}")

    def temperature(self, progress: float) -> float:
        """Return τ at ``progress`` in 0 .. 1."""
        share = min(max((progress - self.start) / (self.end - self.start), 0.0), 1.0)
        return self.final if share == 1.0 else self._decayed(share)

    def inverse(self, progress: float) -> float:
        """Return T = 1/τ at ``progress`` in 0 .. 1."""
        return 1.0 / self.temperature(progress)

    def is_hard(self, progress: float) -> bool:
        """Whether the decay is over, so that only the most likely value of each weight counts."""
        return progress >= self.end

    @abstractmethod
    def _decayed(self, share: float) -> float:
        """Return τ at a ``share`` in 0 .. 1 (exclusive) of the decay."""

    def _cosine(self, share: float) -> float:
        return self.final + (self.initial - self.final) * (1.0 + math.cos(math.pi * share)) / 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExponentialTemperature(TemperatureSchedule):
    """``τ = initial · (final / initial)^s``, s = share of the decay.

    Source: the authors' code, ``T = T_0 · f^(e - e_start)`` in epoch e; see :meth:`from_factor`.
    """

    @classmethod
    def from_factor(
        cls, factor: float, epochs: int, *, initial: float = 1.0, start: float = 0.2, end: float = 0.6
    ) -> ExponentialTemperature:
        """Make the schedule that multiplies T by ``factor`` in each of ``epochs`` from ``start`` to ``end``.

        Source: MindSpore Golden Stick, with its default start and end.
        """
        final = initial * factor ** (-epochs * (end - start))
        return cls(initial=initial, final=final, start=start, end=end)

    def _decayed(self, share: float) -> float:
        return self.initial * math.pow(self.final / self.initial, share)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearTemperature(TemperatureSchedule):
    """``τ = initial + (final - initial) · s``, s = share of the decay."""

    def _decayed(self, share: float) -> float:
        return self.initial + (self.final - self.initial) * share


@dataclass(frozen=True, slots=True, kw_only=True)
class CosineTemperature(TemperatureSchedule):
    """``τ = final + (initial - final) · (1 + cos(π s)) / 2``, s = share of the decay."""

    def _decayed(self, share: float) -> float:
        return self._cosine(share)


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmRestartTemperature(TemperatureSchedule):
    """The cosine decay ``cycles`` times, each from ``initial`` anew; at ``end`` it is ``final``.

    Attributes
    ----------
    cycles
        Decays of equal length, at least 1.
    """

    cycles: int = 2

    def __post_init__(self) -> None:
        # Two-argument super: a slotted dataclass is another class than the one the compiler saw.
        super(WarmRestartTemperature, self).__post_init__()
        if self.cycles < 1:
            raise ValueError(f"a warm restart must have at least 1 cycle, not {self.cycles!r}")

    def _decayed(self, share: float) -> float:
        return self._cosine(share * self.cycles % 1.0)
