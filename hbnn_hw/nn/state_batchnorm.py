"""Batch normalization for SLB, whose weights are soft in training and hard in use.

Source: Yang et al., NeurIPS 2020 (arXiv 2009.08695): state batch normalization, and the recalibration that
the authors' code does in its place. The paper's exact equation is not known to us; the form here has what
it asks for, statistics of its own for either state under one gamma and beta.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hbnn_hw.nn.slb import TwoStates, WeightState, hard_state


class StateNorm(TwoStates, nn.modules.batchnorm._BatchNorm):
    """Batch normalization with separate statistics for soft and hard weights, and shared gamma and beta.

    In training with soft weights it normalizes by the batch alone; the running statistics, which evaluation
    and hardware use, are those of the hard weights only. They move when the network trains in the hard
    state: ``with torch.no_grad(), hard_state(model): model(batch)`` after each step, as the training
    loop does.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalize ``x`` by the statistics of the present state."""
        self._check_input_dim(x)  # type: ignore[no-untyped-call]
        if self.training and self.state is WeightState.SOFT:
            return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)
        return super().forward(x)


class StateBatchNorm1d(StateNorm, nn.BatchNorm1d):
    """:class:`StateNorm` of (batch, features); parameters are those of ``nn.BatchNorm1d``."""


class StateBatchNorm2d(StateNorm, nn.BatchNorm2d):
    """:class:`StateNorm` of (batch, channels, height, width); parameters are those of ``nn.BatchNorm2d``."""


@torch.no_grad()
def recalibrate(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Estimate the running statistics of every batch normalization anew, with the weights of evaluation.

    Each batch is normalized by its own statistics; their plain mean over the batches is kept. The model is
    left in evaluation mode.

    Parameters
    ----------
    model
        Any network.
    batches
        Inputs of the network; representative ones, at least one batch of two.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    try:
        with hard_state(model):
            for batch in batches:
                model(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
