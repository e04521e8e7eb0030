"""What the training loop tells after each epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class Split(Enum):
    """Which images an accuracy was measured on."""

    TEST = "test"
    VALIDATION = "validation"


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochReport:
    """State of a training run after one epoch.

    Attributes
    ----------
    epoch, epochs
        Epochs done, counted from 1, and wanted.
    loss
        Mean training loss over the steps of the epoch.
    accuracy
        Share of right answers on ``split``, 0 .. 1.
    split
        The held-out training images if there are any, else the test set.
    learning_rate
        Of the epoch's last step, of parameters without a Glorot coefficient.
    temperature
        SLB's τ in the epoch's last step; None where no layer has one.
    s_tanh
        FleXOR's S_tanh in the epoch's last step; None where no layer has one.
    seconds
        Wall time of the epoch's steps and recalibration, without measuring the accuracy [s].
    """

    epoch: int
    epochs: int
    loss: float
    accuracy: float
    split: Split
    learning_rate: float
    temperature: float | None
    s_tanh: float | None
    seconds: float

    @property
    def test_accuracy(self) -> float | None:
        """Accuracy on the test set, None if a validation split was measured instead."""
        return self.accuracy if self.split is Split.TEST else None

    @property
    def validation_accuracy(self) -> float | None:
        """Accuracy on the held-out training images, None if there are none."""
        return self.accuracy if self.split is Split.VALIDATION else None


Progress: TypeAlias = Callable[[EpochReport], None]
"""What is called after each epoch."""
