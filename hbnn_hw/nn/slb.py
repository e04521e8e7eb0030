"""SLB: each weight is searched for among a few values (Yang et al., NeurIPS 2020, arXiv 2009.08695)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn

from hbnn_hw.nn.latent import Plain, QuantizedLayer, QuantizedLinear, RealPlanes

LARGEST_SLB_BITS = 8
"""A layer of k bits trains 2^k logits for each weight."""


class WeightState(Enum):
    """Which weights a training step uses: the expectation over the values, or the most likely value."""

    SOFT = "soft"
    HARD = "hard"


def value_set(bits: int) -> tuple[float, ...]:
    """Return V, the 2^bits values from -1 to 1 in equal steps: ``v_c = -1 + 2 c / (2^bits - 1)``."""
    top = (1 << bits) - 1
    return tuple((2 * c - top) / top for c in range(top + 1))


class TwoStates:
    """A module that computes differently with soft and with hard weights while it trains."""

    state: WeightState = WeightState.SOFT


class _TanhPair(torch.autograd.Function):
    """``w = tanh(T h)``: the expectation over {-1, +1} with logits -h and +h; keeps w only."""

    @staticmethod
    def forward(ctx: Any, half: Tensor, inverse: Tensor) -> Tensor:  # noqa: ANN401 - torch gives no type
        weight = torch.mul(half[0], inverse).tanh_()
        ctx.save_for_backward(weight, inverse)
        return weight

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        weight, inverse = ctx.saved_tensors
        slope = weight.square().neg_().add_(1).mul_(gradients[0]).mul_(inverse)
        return slope.unsqueeze(0), None


class _SoftValue(torch.autograd.Function):
    """``w = sum_c v_c softmax(T A)_c`` level by level; the probabilities are computed again for the gradient.

    ``dw / dA_c = T p_c (v_c - w)``. Kept are A itself (a parameter), w and the logarithm of the softmax's
    denominator, so that besides the gradient nothing of 2^k times the weights' size ever exists.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, inverse: Tensor, values: tuple[float, ...]) -> Tensor:  # noqa: ANN401
        top = logits.amax(0)
        total, weighted = torch.zeros_like(top), torch.zeros_like(top)
        for value, level in zip(values, logits, strict=True):
            share = level.sub(top).mul_(inverse).exp_()
            total += share
            weighted.add_(share, alpha=value)
        del share
        weight = weighted.div_(total)
        ctx.values = values
        ctx.save_for_backward(logits, inverse, weight, top.mul_(inverse).add_(total.log_()))
        return weight

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        logits, inverse, weight, log_total = ctx.saved_tensors
        result = logits.mul(inverse)
        for value, row in zip(ctx.values, result, strict=True):
            row.sub_(log_total).exp_().mul_(gradients[0]).mul_(value - weight)
        return result.mul_(inverse), None, None


def soft_weight(logits: Tensor, inverse: Tensor, bits: int) -> Tensor:
    """Return the expectation of each weight under its logits.

    Parameters
    ----------
    logits
        Float (levels, ...): 2^bits logits of each weight; for 1 bit half the difference of the two, (1, ...).
    inverse
        T = 1/τ, a tensor of one element.
    bits
        k.

    Returns
    -------
    Tensor
        (...), ``sum_c v_c softmax(T A)_c``, with its gradient to the logits.
    """
    result: Tensor
    if bits == 1:
        result = _TanhPair.apply(logits, inverse)  # type: ignore[no-untyped-call]
    else:
        result = _SoftValue.apply(logits, inverse, value_set(bits))  # type: ignore[no-untyped-call]
    return result


class SlbWeights(TwoStates, QuantizedLayer):
    """Weights that are chosen from 2^k values by a softmax that becomes an arg-max.

    In training each weight is ``w = sum_c v_c softmax(A / τ)_c`` and its gradient is exact: there is no
    straight-through estimator. In evaluation, after :meth:`harden` and in the hard state (:func:`hard_state`)
    it is ``v[argmax(A)]``, which passes no gradient; equal logits choose the lower value.

    Attributes
    ----------
    bits
        k; the values are :func:`value_set`.
    hard
        Whether the choice is final.
    logits
        float32 (2^k, *weight shape), A with the values in front. For k = 1 it is (1, *weight shape), half
        the difference h = (A_1 - A_0)/2, because nothing else of the two matters: ``w = tanh(h/τ)``. Under
        Adam h moves as it does with the pair; under plain gradient descent it needs half the step size for
        that.
    inverse_temperature
        Buffer, float32 (): T = 1/τ.
    state
        Which weights training uses at the moment.

    Notes
    -----
    Source: the authors' code (value set, logits per weight, He-normal initial logits by fan-out, hard
    arg-max in evaluation).
    """

    bits: int
    hard: bool
    logits: nn.Parameter
    inverse_temperature: Tensor

    def _make_logits(self, bits: int, *, hard: bool, bias: bool) -> None:
        if not 1 <= bits <= LARGEST_SLB_BITS:
            raise ValueError(f"SLB weights must have 1..{LARGEST_SLB_BITS} bits, not {bits!r}")
        self.bits = bits
        self.hard = hard
        self.logits = nn.Parameter(torch.empty(1 if bits == 1 else 1 << bits, *self.weight_shape))
        self._make_bias(bias=bias)
        self.register_buffer("inverse_temperature", torch.ones(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the logits from He's normal distribution, standard deviation sqrt(2 / fan_out)."""
        deviation = math.sqrt(2.0 / self.fan_out)
        # Half the difference of two such logits has their variance over 2.
        nn.init.normal_(self.logits, std=deviation / math.sqrt(2.0) if self.bits == 1 else deviation)

    def set_temperature(self, inverse: float) -> None:
        """Set T = 1/τ, finite and positive."""
        if not 0.0 < inverse < math.inf:
            raise ValueError(f"an inverse temperature must be finite and positive, not {inverse!r}")
        self.inverse_temperature.fill_(inverse)

    def harden(self) -> None:
        """Make the present choice final: from now on training uses the hard weights and moves no logit."""
        self.hard = True

    @torch.no_grad()
    def choice(self) -> Tensor:
        """Return argmax(A), int64 of the weight's shape in 0 .. 2^k - 1; of equal logits the lower one."""
        if self.bits == 1:
            return (self.logits[0] > 0).long()
        best, choice = self.logits[0].clone(), torch.zeros_like(self.logits[0], dtype=torch.long)
        for index, level in enumerate(self.logits[1:].unbind(), start=1):
            choice.masked_fill_(level > best, index)
            torch.maximum(best, level, out=best)
        return choice

    @torch.no_grad()
    def planes(self) -> RealPlanes:
        """Return k full planes with ``mu_j = 2^j / (2^k - 1)``, lowest first.

        With c = argmax(A) = sum_j 2^j b_j and s_j = 2 b_j - 1: ``-1 + 2c/(2^k - 1) = sum_j mu_j s_j``.
        """
        choice = self.choice()
        signs = torch.stack([(choice >> j & 1).to(self.logits.dtype) * 2 - 1 for j in range(self.bits)])
        # Multiples of one rounded number, so that the ratios of the scales are exact powers of two.
        unit = 1.0 / torch.tensor(float((1 << self.bits) - 1), device=signs.device)
        return RealPlanes(signs, unit * 2.0 ** torch.arange(self.bits, device=signs.device))

    def quantized_weight(self) -> Tensor:
        """Return the soft weights with their gradient, or the hard ones without."""
        if self.hard or not self.training or self.state is WeightState.HARD:
            return self.planes().values()
        return soft_weight(self.logits, self.inverse_temperature, self.bits)

    def _choice_config(self) -> dict[str, Plain]:
        return {"bits": self.bits, "hard": self.hard}

    def check_buffers(self) -> None:
        """Raise ValueError if the temperature is none."""
        if not float(self.inverse_temperature) > 0:
            raise ValueError(f"inverse_temperature must be positive, not {float(self.inverse_temperature)}")


class SlbLinear(SlbWeights, QuantizedLinear):
    """Linear layer whose weights are searched for among 2^k values; see :class:`SlbWeights`.

    Parameters
    ----------
    in_features, out_features
        See :class:`~hbnn_hw.nn.latent.QuantizedLinear`.
    bias
        Whether a float bias (out,) is added.
    bits
        k; the values are :func:`value_set`.
    hard
        Whether the choice is final already (when read from a checkpoint).
    """

    def __init__(
        self, in_features: int, out_features: int, *, bias: bool = False, bits: int = 1, hard: bool = False
    ) -> None:
        super().__init__(in_features, out_features)
        self._make_logits(bits, hard=hard, bias=bias)

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return super().config() | self._choice_config()


@contextmanager
def hard_state(model: nn.Module) -> Iterator[None]:
    """Within it all layers of ``model`` that know two weight states train in the hard one."""
    modules = [module for module in model.modules() if isinstance(module, TwoStates)]
    before = [module.state for module in modules]
    try:
        for module in modules:
            module.state = WeightState.HARD
        yield
    finally:
        for module, state in zip(modules, before, strict=True):
            module.state = state
