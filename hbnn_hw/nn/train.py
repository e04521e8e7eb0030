"""The one training loop: Adam with a cosine schedule, latent clipping, maps that settle and then stay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from hbnn_hw.data import Dataset
from hbnn_hw.nn.hbnn import HbnnWeights
from hbnn_hw.nn.latent import LatentLayer

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
        Adam's step size at the start; a cosine takes it to 0.
    seed
        Seeds the order of the images. Initial weights are the caller's: seed torch before building.
    loss
        Training loss.
    map_share
        Share of the epochs, from the first, at whose start bit maps are computed anew; then they stay.
    """

    epochs: int
    batch_size: int = 256
    learning_rate: float = 4e-3
    seed: int = 0
    loss: Loss = Loss.CROSS_ENTROPY
    map_share: float = 0.6


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
            loss = steps.run_epoch()
            if on_epoch is not None:
                accuracy = evaluate(model, dataset.x_test, dataset.y_test)
                on_epoch(EpochReport(epoch + 1, config.epochs, loss, accuracy))
        _for_each(model, HbnnWeights, HbnnWeights.freeze)  # type: ignore[type-abstract]
    model.eval()


@torch.no_grad()
def evaluate(model: nn.Module, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> float:
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
        self.batch_size = config.batch_size
        self.loss = _LOSSES[config.loss]
        self.images = torch.from_numpy(dataset.x_train.copy())
        self.labels = torch.from_numpy(dataset.y_train.astype(np.int64))
        self.order = torch.Generator().manual_seed(config.seed)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
        n_steps = config.epochs * (len(self.images) // config.batch_size)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, max(1, n_steps))

    def run_epoch(self) -> float:
        """Go once through the training images; return the mean loss."""
        self.model.train()
        order = torch.randperm(len(self.images), generator=self.order)
        whole = len(order) - len(order) % self.batch_size
        losses = [self._step(rows) for rows in order[:whole].view(-1, self.batch_size)]
        return float(np.mean(losses))

    def _step(self, rows: Tensor) -> float:
        loss = self.loss(self.model(self.images[rows]), self.labels[rows])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.schedule.step()
        _for_each(self.model, LatentLayer, LatentLayer.clip_weights_)  # type: ignore[type-abstract]
        return loss.item()


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
