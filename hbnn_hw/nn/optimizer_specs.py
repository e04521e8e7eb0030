"""Which optimizer the training loop makes, as data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import nn

from hbnn_hw.nn.optimizers import ShiftAdaMax

Parameters: TypeAlias = Iterable[nn.Parameter] | list[dict[str, Any]]
"""Parameters, or groups of them with rates of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerSpec(ABC):
    """An optimizer without its parameters and its learning rate."""

    @abstractmethod
    def make(self, parameters: Parameters, learning_rate: float) -> torch.optim.Optimizer:
        """Return the optimizer; the rate is that of parameters whose group has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamSpec(OptimizerSpec):
    """Adam, with torch's defaults.

    Attributes
    ----------
    betas, eps
        See ``torch.optim.Adam``.
    weight_decay
        L2 penalty of all parameters, added to their gradients.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0

    def make(self, parameters: Parameters, learning_rate: float) -> torch.optim.Optimizer:
        """Return a ``torch.optim.Adam``."""
        return torch.optim.Adam(
            parameters, lr=learning_rate, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SgdSpec(OptimizerSpec):
    """Stochastic gradient descent.

    Attributes
    ----------
    momentum
        0 for none (HBNN, SLB and FleXOR on images: 0.9).
    weight_decay
        L2 penalty of all parameters, added to their gradients (HBNN 1e-4, SLB 1e-4 to 5e-4, FleXOR 1e-5).
    nesterov
        Whether the momentum looks ahead.
    """

    momentum: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False

    def make(self, parameters: Parameters, learning_rate: float) -> torch.optim.Optimizer:
        """Return a ``torch.optim.SGD``."""
        return torch.optim.SGD(
            parameters,
            lr=learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            nesterov=self.nesterov,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftAdaMaxSpec(OptimizerSpec):
    """BNN's AdaMax with shifts, which has no weight decay.

    Attributes
    ----------
    betas, eps
        See :class:`~hbnn_hw.nn.optimizers.ShiftAdaMax`.
    """

    betas: tuple[float, float] = (1.0 - 2.0**-3, 1.0 - 2.0**-10)
    eps: float = 2.0**-27

    def make(self, parameters: Parameters, learning_rate: float) -> torch.optim.Optimizer:
        """Return a :class:`~hbnn_hw.nn.optimizers.ShiftAdaMax`."""
        return ShiftAdaMax(parameters, lr=learning_rate, betas=self.betas, eps=self.eps)
