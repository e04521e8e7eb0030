"""The one training loop: Adam with a cosine schedule, and what each method wants between the steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from hbnn_hw.data import Dataset, Labels
from hbnn_hw.nn.flexor import FlexorWeights, SharpnessSchedule
from hbnn_hw.nn.hbnn import HbnnWeights
from hbnn_hw.nn.hbnn_activation import HbnnActivation
from hbnn_hw.nn.latent import LatentLayer
from hbnn_hw.nn.slb import SlbWeights, hard_state
from hbnn_hw.nn.state_batchnorm import StateNorm, recalibrate
from hbnn_hw.nn.temperature import ExponentialTemperature, TemperatureSchedule

EVALUATION_BATCH = 2000


class Loss(Enum):
    """Training loss over the logits."""

    CROSS_ENTROPY = "cross_entropy"
    SQUARED_HINGE = "squared_hinge"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Hyper-parameters of :func:`train`.

    Attributes
    ----------
    epochs
        Passes over the training set.
    batch_size
        Images a step; a last, smaller batch of an epoch is left out.
    learning_rate
        Adam's largest step size; a cosine takes it to 0.
    warm_up
        Share of the training in which the step size rises linearly, before the cosine.
    seed
        Seeds the order of the images. Initial weights are the caller's: seed torch before building.
    loss
        Training loss.
    map_share
        HBNN: share of the epochs, from the first, at whose start bit maps are computed anew; then they stay.
    temperature
        SLB: temperature over the progress of training. Weights are hard from its end on.
    calibration_images
        SLB without state batch normalization: training images, the first ones, with which the statistics
        of batch normalization are estimated anew for the hard weights once the temperature moves; 0 for
        none.
    sharpness
        FleXOR: S_tanh over the progress of training.
    """

    epochs: int
    batch_size: int = 256
    learning_rate: float = 4e-3
    seed: int = 0
    loss: Loss = Loss.CROSS_ENTROPY
    map_share: float = 0.6
    warm_up: float = 0.0
    temperature: TemperatureSchedule = field(default_factory=ExponentialTemperature)
    calibration_images: int = 10_000
    sharpness: SharpnessSchedule = field(default_factory=SharpnessSchedule)


@dataclass(frozen=True, slots=True)
class EpochReport:
    """What :func:`train` tells after each epoch: counted from 1, mean loss, share of right test answers."""

    epoch: int
    epochs: int
    loss: float
    test_accuracy: float


_T = TypeVar("_T")

Progress = Callable[[EpochReport], None]


def squared_hinge(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean of ``max(0, 1 - t·y)²`` over batch and classes, t = ±1 one against all."""
    targets = 2.0 * F.one_hot(labels, logits.shape[1]) - 1.0
    return (1.0 - targets * logits).clamp(min=0.0).square().mean()


_LOSSES: dict[Loss, Callable[[Tensor, Tensor], Tensor]] = {
    Loss.CROSS_ENTROPY: F.cross_entropy,
    Loss.SQUARED_HINGE: squared_hinge,
}


def train(model: nn.Module, dataset: Dataset, config: TrainConfig, on_epoch: Progress | None = None) -> None:
    """Train ``model`` in place, freeze its quantizers and leave it in evaluation mode.

    Runs on one thread with deterministic algorithms: the same seeds on the same machine and version of
    torch give the same weights.

    Parameters
    ----------
    model
        Maps (batch, features) codes to (batch, classes) logits.
    dataset
        Training and test images.
    config
        Hyper-parameters.
    on_epoch
        Called after each epoch.
    """
    with deterministic():
        steps = _Steps(model, dataset, config)
        for epoch in range(config.epochs):
            if epoch < config.map_share * config.epochs:
                _for_each(model, HbnnWeights, HbnnWeights.refresh_bit_map)  # type: ignore[type-abstract]
                _for_each(model, HbnnActivation, HbnnActivation.refresh_bit_map)
            loss = steps.run_epoch()
            steps.recalibrate()
            if on_epoch is not None:
                accuracy = evaluate(model, dataset.x_test, dataset.y_test)
                on_epoch(EpochReport(epoch + 1, config.epochs, loss, accuracy))
        _for_each(model, HbnnWeights, HbnnWeights.freeze)  # type: ignore[type-abstract]
        _for_each(model, HbnnActivation, HbnnActivation.freeze)
        _for_each(model, SlbWeights, SlbWeights.harden)  # type: ignore[type-abstract]
    model.eval()


@torch.no_grad()
def evaluate(model: nn.Module, images: NDArray[np.uint8], labels: Labels) -> float:
    """Return the share of images (n, features) whose largest logit is at their label (n,); no gradient.

    Ties go to the lower class. The model is left in evaluation mode.
    """
    model.eval()
    batches = torch.from_numpy(images.copy()).split(EVALUATION_BATCH)  # type: ignore[no-untyped-call]
    answers = torch.cat([model(batch).argmax(dim=1) for batch in batches])
    return float((answers.numpy() == labels).mean())


class _Steps:
    """State of one training run."""

    def __init__(self, model: nn.Module, dataset: Dataset, config: TrainConfig) -> None:
        self.model = model
        self.config = config
        self.loss = _LOSSES[config.loss]
        self.images = torch.from_numpy(dataset.x_train.copy())
        self.labels = torch.from_numpy(dataset.y_train.astype(np.int64))
        self.order = torch.Generator().manual_seed(config.seed)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
        self.n_steps = max(1, config.epochs * (len(self.images) // config.batch_size))
        self.done = 0
        self.schedule = _learning_rates(self.optimizer, self.n_steps, config.warm_up)
        self.has_states = any(isinstance(module, StateNorm) for module in model.modules())
        self.is_searched = any(isinstance(module, SlbWeights) for module in model.modules())

    @property
    def progress(self) -> float:
        """Share of the steps that are done, 0 .. 1."""
        return self.done / self.n_steps

    def run_epoch(self) -> float:
        """Go once through the training images; return the mean loss."""
        self.model.train()
        order = torch.randperm(len(self.images), generator=self.order)
        batch_size = self.config.batch_size
        whole = len(order) - len(order) % batch_size
        losses = [self._step(rows) for rows in order[:whole].view(-1, batch_size)]
        return float(np.mean(losses))

    def recalibrate(self) -> None:
        """Estimate SLB's normalization for the hard weights, unless the norms keep it themselves."""
        images = self.images[: self.config.calibration_images]
        moving = self.progress > self.config.temperature.start
        if self.is_searched and moving and len(images) and not self.has_states:
            recalibrate(self.model, images.split(EVALUATION_BATCH))  # type: ignore[no-untyped-call]

    def _step(self, rows: Tensor) -> float:
        _for_each(self.model, SlbWeights, self._set_temperature)  # type: ignore[type-abstract]
        _for_each(self.model, FlexorWeights, self._set_sharpness)  # type: ignore[type-abstract]
        images = self.images[rows]
        loss = self.loss(self.model(images), self.labels[rows])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.schedule.step()
        self.done += 1
        _for_each(self.model, LatentLayer, LatentLayer.clip_weights_)  # type: ignore[type-abstract]
        if self.has_states:
            with torch.no_grad(), hard_state(self.model):
                self.model(images)
        return loss.item()

    def _set_temperature(self, layer: SlbWeights) -> None:
        layer.set_temperature(self.config.temperature.inverse(self.progress))
        if self.config.temperature.is_hard(self.progress):
            layer.harden()

    def _set_sharpness(self, layer: FlexorWeights) -> None:
        layer.set_s_tanh(self.config.sharpness.s_tanh(self.progress))


def _learning_rates(
    optimizer: torch.optim.Optimizer, n_steps: int, warm_up: float
) -> torch.optim.lr_scheduler.LRScheduler:
    """A cosine from the largest step size to 0, behind a linear rise over the share ``warm_up``."""
    if not warm_up:
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    rise = max(1.0, warm_up * n_steps)

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / (rise + 1)
        return (1 + math.cos(math.pi * (step - rise) / max(1.0, n_steps - rise))) / 2

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _for_each(model: nn.Module, kind: type[_T], action: Callable[[_T], None]) -> None:
    for module in model.modules():
        if isinstance(module, kind):
            action(module)


@contextmanager
def deterministic() -> Iterator[None]:
    """Within it torch uses one thread and deterministic algorithms only; both are restored."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)
