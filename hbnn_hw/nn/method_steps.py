"""What the four methods do around the steps of a training loop, whoever runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn

from hbnn_hw.nn.flexor import FlexorWeights, SharpnessSchedule
from hbnn_hw.nn.hbnn import HbnnWeights
from hbnn_hw.nn.hbnn_activation import HbnnActivation
from hbnn_hw.nn.latent import LatentLayer
from hbnn_hw.nn.slb import SlbWeights, hard_state
from hbnn_hw.nn.state_batchnorm import StateNorm, recalibrate
from hbnn_hw.nn.temperature import ExponentialTemperature, TemperatureSchedule

DEFAULT_MAP_SHARE = 0.6
_T = TypeVar("_T")


class MethodSteps:
    """Clips, refits maps, cools and hardens what is in a network; nothing where a layer has no need of it.

    :func:`~hbnn_hw.nn.train.train` trains with it, and so may any other loop::

        for epoch in range(epochs):
            steps.begin_epoch(epoch / epochs)
            for i, (images, labels) in enumerate(loader):
                steps.before_step((epoch + i / len(loader)) / epochs)
                ...  # forward, backward, optimizer.step()
                steps.after_step(images)
            steps.end_epoch((epoch + 1) / epochs, calibration_batches)
        steps.finish()

    It has no state of its own: a loop that resumes makes a new one and calls it with the progress reached.

    Parameters
    ----------
    model
        Any network; not its compiled form, which shares its layers.
    map_share, activation_map_share, temperature, sharpness
        See :class:`~hbnn_hw.nn.train_config.TrainConfig`, whose defaults these are.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        map_share: float = DEFAULT_MAP_SHARE,
        activation_map_share: float = 0.0,
        temperature: TemperatureSchedule | None = None,
        sharpness: SharpnessSchedule | None = None,
    ) -> None:
        self.model = model
        self.map_share = map_share
        self.activation_map_share = activation_map_share
        self.temperature = ExponentialTemperature() if temperature is None else temperature
        self.sharpness = SharpnessSchedule() if sharpness is None else sharpness
        self.has_states = any(isinstance(module, StateNorm) for module in model.modules())
        self.is_searched = any(isinstance(module, SlbWeights) for module in model.modules())
        self.is_decoded = any(isinstance(module, FlexorWeights) for module in model.modules())

    def begin_epoch(self, progress: float) -> None:
        """Bring the network into training mode, and HBNN's maps up to date while their share lasts."""
        if progress < self.map_share:
            self._for_each(HbnnWeights, HbnnWeights.refresh_bit_map)  # type: ignore[type-abstract]
        if progress < self.activation_map_share:
            self._for_each(HbnnActivation, HbnnActivation.refresh_bit_map)
        self.model.train()

    def before_step(self, progress: float) -> None:
        """Set SLB's temperature, harden its weights where it has ended, and set FleXOR's S_tanh."""
        inverse, s_tanh = self.temperature.inverse(progress), self.sharpness.s_tanh(progress)
        self._for_each(SlbWeights, lambda layer: layer.set_temperature(inverse))  # type: ignore[type-abstract]
        if self.temperature.is_hard(progress):
            self._for_each(SlbWeights, SlbWeights.harden)  # type: ignore[type-abstract]
        self._for_each(FlexorWeights, lambda layer: layer.set_s_tanh(s_tanh))  # type: ignore[type-abstract]

    def after_step(self, images: Tensor) -> None:
        """Clip latent weights to [-1, 1], and show ``images``, those of the step, to SLB's hard state.

        The latter only where there is state batch normalization, whose running statistics move by it.
        """
        self._for_each(LatentLayer, LatentLayer.clip_weights_)  # type: ignore[type-abstract]
        if self.has_states:
            with torch.no_grad(), hard_state(self.model):
                self.model(images)

    def end_epoch(self, progress: float, batches: Iterable[Tensor]) -> None:
        """Estimate batch normalization for SLB's hard weights from inputs of the network.

        Only where there are SLB weights whose temperature moves already, and no state batch normalization.
        The network is then left in evaluation mode.
        """
        if self.is_searched and not self.has_states and progress > self.temperature.start:
            recalibrate(self.model, batches)

    def finish(self) -> None:
        """Freeze maps and scales, harden SLB's weights and bring the network into evaluation mode."""
        self._for_each(HbnnWeights, HbnnWeights.freeze)  # type: ignore[type-abstract]
        self._for_each(HbnnActivation, HbnnActivation.freeze)
        self._for_each(SlbWeights, SlbWeights.harden)  # type: ignore[type-abstract]
        self.model.eval()

    def _for_each(self, kind: type[_T], action: Callable[[_T], object]) -> None:
        for module in self.model.modules():
            if isinstance(module, kind):
                action(module)
