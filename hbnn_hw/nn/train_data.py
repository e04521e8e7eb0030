"""The images of one training run on its device, with or without a validation split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hbnn_hw.data import Dataset, Labels
from hbnn_hw.errors import HbnnError
from hbnn_hw.nn.epoch_report import Split
from hbnn_hw.nn.train_config import TrainConfig


@dataclass(frozen=True, slots=True, eq=False)
class TrainData:
    """Tensors on the device of the run.

    Attributes
    ----------
    images, labels
        uint8 (images, features) and int64 (images,) to train on.
    measured_images, measured_labels
        The same, on which accuracy is measured after each epoch.
    split
        What the measured ones are.
    """

    images: Tensor
    labels: Tensor
    measured_images: Tensor
    measured_labels: Tensor
    split: Split


def prepare(dataset: Dataset, config: TrainConfig) -> TrainData:
    """Hold out the validation images and bring everything to the device, once.

    Raises
    ------
    HbnnError
        If fewer images than one batch are left to train on.
    """
    n_images, held_out = len(dataset.x_train), config.validation_images
    kept = n_images - held_out
    if kept < config.batch_size:
        raise HbnnError(
            f"the training images must fill a batch of {config.batch_size}, but of {n_images} images "
            f"{held_out} are held out for validation; take a smaller batch or a smaller validation split"
        )
    device = torch.device(config.device.value)
    images, labels = dataset.x_train, dataset.y_train
    train = (as_images(images[:kept], device), as_labels(labels[:kept], device))
    if held_out:
        measured = (as_images(images[kept:], device), as_labels(labels[kept:], device))
        return TrainData(*train, *measured, Split.VALIDATION)
    measured = (as_images(dataset.x_test, device), as_labels(dataset.y_test, device))
    return TrainData(*train, *measured, Split.TEST)


def as_images(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Copy images (n, features) to a device."""
    return torch.from_numpy(images.copy()).to(device)


def as_labels(labels: Labels, device: torch.device) -> Tensor:
    """Copy labels (n,) to a device, as int64."""
    return torch.from_numpy(labels.astype(np.int64)).to(device)
