"""Batch normalization for SLB, whose weights are soft in training and hard in use.

Source: Yang et al., NeurIPS 2020 (arXiv 2009.08695): state batch normalization, and the recalibration that
the authors' code does in its place. The paper's exact equation is not known to us; the form here has what
it asks for, statistics of its own for either state under one gamma and beta.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hbnn_hw.nn.norms import ShiftBatchNorm
from hbnn_hw.nn.slb import TwoStates, WeightState, hard_state
from hbnn_hw.nn.whole_layer import whole_layer

_NORMS = (nn.modules.batchnorm._BatchNorm, ShiftBatchNorm)


class StateNorm(TwoStates, nn.modules.batchnorm._BatchNorm):
    """Batch normalization with separate statistics for soft and hard weights, and shared gamma and beta.

    In training with soft weights it normalizes by the batch alone; the running statistics, which evaluation
    and hardware use, are those of the hard weights only. They move when the network trains in the hard
    state: ``with torch.no_grad(), hard_state(model): model(batch)`` after each step, as the training
    loop does.
    """

    @whole_layer
    def forward(self, x: Tensor) -> Tensor:
        """Normalize ``x`` by the statistics of the present state."""
        self._check_input_dim(x)  # type: ignore[no-untyped-call]
        if self.training and self.state is WeightState.SOFT:
            return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)
        return super().forward(x)


class StateBatchNorm1d(StateNorm, nn.BatchNorm1d):
    """:class:`StateNorm` of (batch, features) or (batch, channels, length).

    Parameters are those of ``nn.BatchNorm1d``.
    """


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
        Any network; shift-based normalization is estimated as well.
    batches
        Inputs of the network; representative ones, at least one batch of two.

    Raises
    ------
    ValueError
        If there is no batch; the statistics are then left as they were.
    """
    remaining = iter(batches)
    first = next(remaining, None)
    if first is None:
        raise ValueError("recalibration must have at least one batch of inputs, not none")
    norms = [module for module in model.modules() if isinstance(module, _NORMS)]
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            norm.reset_running_stats()
            # torch's own form of the plain mean.
            norm.momentum = None
        norm.train()
    try:
        with hard_state(model):
            for seen, batch in enumerate(itertools.chain([first], remaining), start=1):
                for norm in norms:
                    if isinstance(norm, ShiftBatchNorm):
                        norm.momentum = 1.0 / seen
                model(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
