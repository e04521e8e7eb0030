"""The one training loop: an optimizer with a schedule, and what each method wants between the steps."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from hbnn_hw.data import Dataset, Labels
from hbnn_hw.errors import HbnnError
from hbnn_hw.nn.epoch_report import EpochReport, Progress
from hbnn_hw.nn.method_steps import MethodSteps
from hbnn_hw.nn.optimizers import glorot_groups
from hbnn_hw.nn.train_config import Device, Loss, TrainConfig
from hbnn_hw.nn.train_data import TrainData, as_images, as_labels, prepare
from hbnn_hw.nn.train_identity import identify
from hbnn_hw.nn.train_state import Running, StateFile

EVALUATION_BATCH = 2000


def squared_hinge(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean of ``max(0, 1 - t·y)²`` over batch and classes, t = ±1 one against all."""
    targets = 2.0 * F.one_hot(labels, logits.shape[1]) - 1.0
    return (1.0 - targets * logits).clamp(min=0.0).square().mean()


_LOSSES: dict[Loss, Callable[[Tensor, Tensor], Tensor]] = {
    Loss.CROSS_ENTROPY: F.cross_entropy,
    Loss.SQUARED_HINGE: squared_hinge,
}


def train(
    model: nn.Module,
    dataset: Dataset,
    config: TrainConfig,
    on_epoch: Progress | None = None,
    *,
    state_file: Path | None = None,
    save_every: int = 1,
    resume: bool = False,
) -> None:
    """Train ``model`` in place, freeze its quantizers and leave it in evaluation mode.

    Runs with deterministic algorithms, on one thread unless told otherwise: the same seeds on the same
    machine and version of torch give the same weights, also if the run was interrupted and resumed.

    Parameters
    ----------
    model
        Maps (batch, features) codes to (batch, classes) logits. It is moved to the device of ``config``, and
        stays there.
    dataset
        Training and test images.
    config
        Hyper-parameters.
    on_epoch
        Called after each epoch, before its state is saved.
    state_file
        Where the state of the run is kept; None for nowhere.
    save_every
        Epochs from one saved state to the next; the last epoch's is always saved.
    resume
        Whether to go on from ``state_file``, instead of beginning.

    Raises
    ------
    HbnnError
        If there is no such device, the images do not fill a batch, or ``resume`` lacks a state file.
    TrainStateError
        If the state file cannot be read, or is of a run with other options, another network or other data.
        The network may then hold part of what was read.
    OutputError
        If the state file cannot be written.
    """
    if save_every < 1:
        raise ValueError(f"save_every must be at least 1 epoch, not {save_every!r}")
    if resume and state_file is None:
        raise HbnnError("a run to resume must have a state file; name it")
    model.to(_torch_device(config.device))
    with deterministic(config.threads):
        steps = _Steps(model, prepare(dataset, config), config)
        state = StateFile(state_file, identify(config, dataset, model)) if state_file is not None else None
        first = state.restore(steps.running) if state is not None and resume else 0
        for epoch in range(first, config.epochs):
            started = time.perf_counter()
            loss = steps.run_epoch(epoch)
            seconds = time.perf_counter() - started
            if on_epoch is not None:
                on_epoch(steps.report(epoch, loss, seconds))
            if state is not None and ((epoch + 1) % save_every == 0 or epoch + 1 == config.epochs):
                state.save(steps.running, epoch + 1)
        steps.methods.finish()


def evaluate(model: nn.Module, images: NDArray[np.uint8], labels: Labels) -> float:
    """Return the share of images (n, features) whose largest logit is at their label (n,); no gradient.

    Ties go to the lower class. Runs on the device of the model, which is left in evaluation mode.
    """
    device = _device_of(model)
    return _accuracy(model, as_images(images, device), as_labels(labels, device))


@torch.no_grad()
def _accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    model.eval()
    batches = images.split(EVALUATION_BATCH)  # type: ignore[no-untyped-call]
    answers = torch.cat([model(batch).argmax(dim=1) for batch in batches])
    return float((answers == labels).cpu().numpy().mean())


def _device_of(model: nn.Module) -> torch.device:
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def _torch_device(device: Device) -> torch.device:
    if device is Device.CUDA:
        if not torch.cuda.is_available():
            raise HbnnError(
                f"the device must be 'cpu', not 'cuda': torch {torch.__version__} finds no GPU; "
                "install a driver and torch's build for it, or train on the processor"
            )
        # cuBLAS is deterministic with a fixed workspace only, and reads this when it is first used.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device(device.value)


class _Steps:
    """State of one training run."""

    def __init__(self, model: nn.Module, data: TrainData, config: TrainConfig) -> None:
        self.model = model
        self.data = data
        self.config = config
        self.loss = _LOSSES[config.loss]
        self.images, self.labels = data.images, data.labels
        self.epoch_steps = len(self.images) // config.batch_size
        self.n_steps = max(1, config.epochs * self.epoch_steps)
        self.done = 0
        self.learning_rate = config.learning_rate
        self.running = _running(model, config, self.n_steps)
        self.methods = MethodSteps(
            model,
            map_share=config.map_share,
            activation_map_share=config.activation_map_share,
            temperature=config.temperature,
            sharpness=config.sharpness,
        )

    @property
    def progress(self) -> float:
        """Share of the steps that are done, 0 .. 1."""
        return self.done / self.n_steps

    def run_epoch(self, epoch: int) -> float:
        """Go once through the training images, in epoch 0, 1, ...; return the mean loss."""
        self.done = epoch * self.epoch_steps
        self.methods.begin_epoch(self.progress)
        order = torch.randperm(len(self.images), generator=self.running.order)
        rows = order[: self.epoch_steps * self.config.batch_size].to(self.images.device)
        losses = torch.stack([self._step(batch) for batch in rows.view(-1, self.config.batch_size)])
        self._recalibrate()
        return float(np.mean(losses.tolist()))

    def report(self, epoch: int, loss: float, seconds: float) -> EpochReport:
        """Measure the accuracy after epoch 0, 1, ... and tell the state of the run."""
        last = (self.done - 1) / self.n_steps
        return EpochReport(
            epoch=epoch + 1,
            epochs=self.config.epochs,
            loss=loss,
            accuracy=_accuracy(self.model, self.data.measured_images, self.data.measured_labels),
            split=self.data.split,
            learning_rate=self.learning_rate,
            temperature=self.config.temperature.temperature(last) if self.methods.is_searched else None,
            s_tanh=self.config.sharpness.s_tanh(last) if self.methods.is_decoded else None,
            seconds=seconds,
        )

    def _recalibrate(self) -> None:
        if self.config.calibration_images:
            images = self.images[: self.config.calibration_images]
            self.methods.end_epoch(self.progress, images.split(EVALUATION_BATCH))  # type: ignore[no-untyped-call]

    def _step(self, rows: Tensor) -> Tensor:
        self.methods.before_step(self.progress)
        images = self.images[rows]
        loss = self.loss(self.model(images), self.labels[rows])
        self.running.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.learning_rate = self._present_rate()
        self.running.optimizer.step()
        self.running.schedule.step()
        self.done += 1
        self.methods.after_step(images)
        return loss.detach()

    def _present_rate(self) -> float:
        group = self.running.optimizer.param_groups[0]
        return float(group["lr"] * (self.config.learning_rate / group["initial_lr"]))


def _running(model: nn.Module, config: TrainConfig, n_steps: int) -> Running:
    """Make the optimizer, its schedule and the order of the images for a run that begins."""
    rate = config.learning_rate
    parameters = glorot_groups(model, rate, config.glorot) if config.glorot else model.parameters()
    optimizer = config.optimizer.make(parameters, rate)
    schedule = config.schedule.scheduler(optimizer, n_steps, initial=rate, warm_up=config.warm_up)
    return Running(model, optimizer, schedule, torch.Generator().manual_seed(config.seed))


@contextmanager
def deterministic(n_threads: int = 1) -> Iterator[None]:
    """Within it torch uses that many threads and deterministic algorithms only; both are restored."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(n_threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)
