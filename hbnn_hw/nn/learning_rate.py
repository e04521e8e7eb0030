"""Learning-rate schedules: the step size as training goes on, behind an optional linear warm-up.

A schedule gives the factor of the largest rate for each step, counted from 0. All parameter groups share it,
so that Glorot-scaled rates keep their ratio.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRateSchedule(ABC):
    """What all schedules share: the warm-up, and the form in which torch takes them."""

    def factor(self, step: int, n_steps: int, *, initial: float, warm_up: float = 0.0) -> float:
        """Return the factor of the largest rate in one step.

        Parameters
        ----------
        step
            0 .. ``n_steps`` - 1.
        n_steps
            Steps of the whole training, at least 1.
        initial
            The largest rate.
        warm_up
            Share of the training in which the rate rises linearly; the decay takes the rest.
        """
        rise = max(1.0, warm_up * n_steps) if warm_up else 0.0
        if step < rise:
            return (step + 1) / (rise + 1)
        return self._decayed(step - rise, max(1.0, n_steps - rise), step / n_steps, initial)

    def scheduler(self, optimizer: Optimizer, n_steps: int, *, initial: float, warm_up: float) -> LRScheduler:
        """Return the schedule for a new torch optimizer; its ``step`` is called after each training step."""
        return LambdaLR(optimizer, lambda step: self.factor(step, n_steps, initial=initial, warm_up=warm_up))

    @abstractmethod
    def _decayed(self, done: float, length: float, progress: float, initial: float) -> float:
        """Return the factor ``done`` steps behind the warm-up, of ``length``; progress is of the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CosineRate(LearningRateSchedule):
    """``lr · (1 + cos(π s)) / 2``, s = share of the steps behind the warm-up: down to 0.

    Source: Loshchilov and Hutter, SGDR, 2017, without restarts.
    """

    def scheduler(self, optimizer: Optimizer, n_steps: int, *, initial: float, warm_up: float) -> LRScheduler:
        """Return torch's own scheduler where there is no warm-up."""
        if not warm_up:
            # Its recursion rounds unlike the closed form, and the shipped networks were trained with it.
            return CosineAnnealingLR(optimizer, n_steps)
        # Two-argument super: a slotted dataclass is another class than the one the compiler saw.
        return super(CosineRate, self).scheduler(optimizer, n_steps, initial=initial, warm_up=warm_up)

    def _decayed(self, done: float, length: float, progress: float, initial: float) -> float:
        return (1 + math.cos(math.pi * done / length)) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ExponentialRate(LearningRateSchedule):
    """``lr · (final / lr)^s``, s = share of the steps behind the warm-up.

    Attributes
    ----------
    final
        Rate at the end of training, positive (BNN on MNIST: from 3e-3 to 3e-7).

    Notes
    -----
    Source: BNN's Theano code, which multiplies the rate once an epoch; here it falls a little in every step,
    and is the same at the start of each epoch.
    """

    final: float

    def __post_init__(self) -> None:
        if not 0.0 < self.final < math.inf:
            raise ValueError(f"a final learning rate must be finite and positive, not {self.final!r}")

    def _decayed(self, done: float, length: float, progress: float, initial: float) -> float:
        return math.pow(self.final / initial, done / length)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRate(LearningRateSchedule):
    """``lr · factor^n``, n = number of entries of ``at`` that lie behind: constant where ``at`` is empty.

    Attributes
    ----------
    at
        Shares of the whole training, 0 .. 1, at each of which the rate is multiplied.
    decay
        What it is multiplied by, positive (FleXOR: 0.5).

    Notes
    -----
    FleXOR doubles S_tanh where it halves the rate, against weight decay. The same shares in ``at`` and in
    :attr:`SharpnessSchedule.doublings <hbnn_hw.nn.flexor.SharpnessSchedule.doublings>` act in the same step::

        at = (0.75, 0.875)
        TrainConfig(
            epochs=200, batch_size=128, learning_rate=0.1,
            optimizer=SgdSpec(momentum=0.9, weight_decay=1e-5),
            schedule=StepRate(at=at, decay=0.5),
            sharpness=SharpnessSchedule(warm_up=0.0, doublings=at),
        )

    Its other recipe has a warm-up of both instead: ``warm_up=0.2``, ``at=(0.7, 0.8, 0.9)``, and
    ``SharpnessSchedule()``. Source: the re-implementation of FleXOR, CIFAR-10, for the paper's figures 5 and
    6 and its table 1.
    """

    at: tuple[float, ...] = ()
    decay: float = 0.1

    def __post_init__(self) -> None:
        if not all(0.0 <= share <= 1.0 for share in self.at):
            raise ValueError(f"steps of the learning rate must lie in 0..1, not {self.at!r}")
        if not 0.0 < self.decay < math.inf:
            raise ValueError(f"the decay of a step must be finite and positive, not {self.decay!r}")

    def _decayed(self, done: float, length: float, progress: float, initial: float) -> float:
        # Counted as SharpnessSchedule counts its doublings, so that both change in the same step.
        return math.pow(self.decay, sum(progress >= share for share in self.at))
