"""What BNN changes in the update: learning rates by Glorot's coefficient, and AdaMax with shifts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

import torch
from torch import nn

from hbnn_hw.nn.latent import LatentLayer
from hbnn_hw.nn.shift import ap2


class GlorotScale(Enum):
    """How the two code bases of BNN scale the learning rate of a weight tensor."""

    EXACT = "exact"
    """``1 / sqrt(1.5 / (fan_in + fan_out))``, the Theano code."""
    POWER_OF_TWO = "power_of_two"
    """The same, rounded to a power of two, the Torch code's convolutional models."""


def glorot_coefficient(layer: LatentLayer, scale: GlorotScale = GlorotScale.EXACT) -> float:
    """Return gamma of BNN Algorithm 1, the factor of a layer's learning rate (dimensionless)."""
    exact = math.sqrt((layer.fan_in + layer.fan_out) / 1.5)
    return exact if scale is GlorotScale.EXACT else 2.0 ** round(math.log2(exact))


def glorot_groups(
    model: nn.Module, learning_rate: float, scale: GlorotScale = GlorotScale.EXACT
) -> list[dict[str, Any]]:
    """Return parameter groups for any torch optimizer: latent weights get their scaled learning rate.

    Parameters
    ----------
    model
        Its parameters are all covered, each once.
    learning_rate
        Rate of everything that is no latent weight.
    scale
        Which coefficient.

    Returns
    -------
    list
        ``{"params", "lr"}`` per distinct rate. A scheduler that multiplies rates keeps their ratio.
    """
    coefficients = {
        id(layer.weight): glorot_coefficient(layer, scale)
        for layer in model.modules()
        if isinstance(layer, LatentLayer)
    }
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in model.parameters():
        groups.setdefault(coefficients.get(id(parameter), 1.0), []).append(parameter)
    return [{"params": members, "lr": learning_rate * gamma} for gamma, members in groups.items()]


class ShiftAdaMax(torch.optim.Optimizer):
    """AdaMax whose products with step size and 1 / v are shifts (BNN Algorithm 2).

    ::

        m = b1 · m + (1 - b1) · g        v = max(b2 · v, |g|)
        theta -= AP2(lr / (1 - b1^t)) · m / (AP2(v) + eps)

    Parameters
    ----------
    params
        Parameters or groups, as for every torch optimizer; :func:`glorot_groups` fits.
    lr
        Step size. Source of the default, 2^-10, and of the betas': Algorithm 2. The authors' MNIST model
        takes 2^-6 and betas 0.9, 0.999.
    betas
        1 - 2^-3 and 1 - 2^-10.
    eps
        Keeps a parameter without gradients in its place; 2^-27 as in the code.

    Notes
    -----
    A Glorot coefficient that is a power of two passes through AP2 unchanged. The state v stays unrounded:
    rounded in place, as the code does it, ``b2 · v`` with b2 above 0.71 would round back to v and never
    decay.
    """

    def __init__(
        self,
        params: Iterable[torch.Tensor] | Iterable[dict[str, Any]],
        lr: float = 2.0**-10,
        betas: tuple[float, float] = (1.0 - 2.0**-3, 1.0 - 2.0**-10),
        eps: float = 2.0**-27,
    ) -> None:
        if not (lr > 0.0 and eps > 0.0 and all(0.0 <= beta < 1.0 for beta in betas)):
            raise ValueError(f"lr and eps must be positive, betas in 0..1, not {lr!r}, {eps!r}, {betas!r}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: torch.Tensor, gradient: torch.Tensor, group: dict[str, Any]) -> None:
        state, (beta1, beta2) = self.state[parameter], group["betas"]
        if not state:
            state["step"] = 0
            state["m"], state["v"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        m, v = state["m"], state["v"]
        m.lerp_(gradient, 1.0 - beta1)
        torch.maximum(v.mul_(beta2), gradient.abs(), out=v)
        size = _nearest_power(group["lr"] / (1.0 - beta1 ** state["step"]))
        parameter.addcdiv_(m, ap2(v).add_(group["eps"]), value=-size)


def _nearest_power(x: float) -> float:
    # A schedule may end at 0.
    return 2.0 ** round(math.log2(x)) if x > 0.0 else 0.0
