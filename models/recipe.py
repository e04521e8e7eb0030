"""What a recipe is, and the steps from a recipe to a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import nn

from hbnn_hw import nn as hnn
from hbnn_hw.data import Dataset, DatasetName, load
from hbnn_hw.nn.epoch_report import Progress
from hbnn_hw.scales import DEFAULT_SCALE_ERROR

GOLDEN_PER_CLASS = 10
METHODS = (hnn.Method.BNN, hnn.Method.HBNN, hnn.Method.SLB, hnn.Method.FLEXOR, hnn.Method.FLOAT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What a command line changes in a recipe; the defaults change nothing.

    Attributes
    ----------
    epochs
        Passes over the training set; None for the recipe's own.
    validation_images, device, threads
        See :class:`~hbnn_hw.nn.train_config.TrainConfig`.
    """

    epochs: int | None = None
    validation_images: int = 0
    device: hnn.Device = hnn.Device.CPU
    threads: int = 1

    def applied(self, config: hnn.TrainConfig) -> hnn.TrainConfig:
        """Return the changed hyper-parameters."""
        return replace(
            config,
            epochs=config.epochs if self.epochs is None else self.epochs,
            validation_images=self.validation_images,
            device=self.device,
            threads=self.threads,
        )

    def arguments(self) -> str:
        """Return the options of the command line that make these changes, each with a blank before it."""
        given = (
            ("--epochs", self.epochs, None),
            ("--validation", self.validation_images, 0),
            ("--device", self.device.value, hnn.Device.CPU.value),
            ("--threads", self.threads, 1),
        )
        return "".join(f" {option} {value}" for option, value, default in given if value != default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One reference network with one training method.

    Attributes
    ----------
    name
        Name of the recipe and, with ``.pt``, of its checkpoint.
    dataset
        What it is trained on.
    method
        How its weights are trained.
    hidden
        Widths of the hidden layers.
    config
        Hyper-parameters; the seed is given at training.
    average_bits
        Bits per weight of an HBNN.
    overrides
        What has been changed in ``config`` by :meth:`changed`.
    """

    name: str
    dataset: DatasetName
    method: hnn.Method
    hidden: tuple[int, ...]
    config: hnn.TrainConfig
    average_bits: float = 1.4
    overrides: Overrides = field(default_factory=Overrides)

    def changed(self, overrides: Overrides) -> Recipe:
        """Return the recipe with other hyper-parameters, of which its command tells."""
        if overrides.epochs == self.config.epochs:
            overrides = replace(overrides, epochs=None)
        return replace(self, config=overrides.applied(self.config), overrides=overrides)

    def build(self, dataset: Dataset) -> nn.Sequential:
        """Build the untrained network with torch's present random state."""
        widths = (dataset.n_features, *self.hidden, dataset.n_classes)
        distribution = hnn.dist_from_avg(self.average_bits)
        return hnn.mlp(self.method, dataset.input_bits, widths, distribution=distribution)

    def command(self, seed: int) -> str:
        """Give the command line that makes the checkpoint."""
        command = f"python -m models.train --recipe {self.name} --seed {seed}"
        return f"{command}{self.overrides.arguments()} --out models/{self.name}.pt"


def methods_of(
    prefix: str,
    dataset: DatasetName,
    hidden: tuple[int, ...],
    config: hnn.TrainConfig,
    rates: Mapping[hnn.Method, float] = MappingProxyType({}),
) -> Iterable[Recipe]:
    """Yield one recipe a training method, alike in everything but the step sizes in ``rates``."""
    for method in METHODS:
        name = f"{prefix}_{method.value}"
        rate = rates.get(method, config.learning_rate)
        own = replace(config, learning_rate=rate)
        yield Recipe(name=name, dataset=dataset, method=method, hidden=hidden, config=own)


def bits_per_weight(model: nn.Module) -> float:
    """Return the mean number of stored bits over all weights of the linear layers; 32 for float layers."""
    bits = weights = 0
    for layer in model.modules():
        if isinstance(layer, hnn.QuantizedLinear):
            bits += layer.stored_bits()
            weights += layer.n_weights
        elif isinstance(layer, nn.Linear):
            bits += 32 * layer.weight.numel()
            weights += layer.weight.numel()
    return bits / weights


def golden_inputs(dataset: Dataset) -> hnn.Golden:
    """Take the first test images of every class, in the order of the test set."""
    first = [np.flatnonzero(dataset.y_test == label)[:GOLDEN_PER_CLASS] for label in range(dataset.n_classes)]
    rows = np.sort(np.concatenate(first))
    return hnn.Golden(dataset.x_test[rows], dataset.y_test[rows].astype(np.int64))


def run(
    recipe: Recipe,
    seed: int,
    out: Path,
    on_epoch: Progress | None = None,
    *,
    state_file: Path | None = None,
    resume: bool = False,
) -> hnn.Metadata:
    """Train, measure on the full test set, save to ``out``; return what is now known."""
    dataset = load(recipe.dataset)
    torch.manual_seed(seed)
    model = recipe.build(dataset)
    config = replace(recipe.config, seed=seed)
    hnn.train(model, dataset, config, on_epoch, state_file=state_file, resume=resume)
    return measure_and_save(recipe, seed, model.cpu(), dataset, out)


def measure_and_save(
    recipe: Recipe, seed: int, model: nn.Sequential, dataset: Dataset, out: Path
) -> hnn.Metadata:
    """Write the checkpoint of a trained network with what is measured on the full test set."""
    metadata = measure(recipe, model, dataset, seed)
    golden = golden_inputs(dataset)
    hnn.save(model, torch.from_numpy(golden.images[:1]), out, metadata=metadata, golden=golden)
    return metadata


def measure(recipe: Recipe, model: nn.Sequential, dataset: Dataset, seed: int) -> hnn.Metadata:
    """Measure a trained network on the full test set, deployed and as trained."""
    trained = hnn.evaluate(model, dataset.x_test, dataset.y_test)
    deployable = recipe.method is not hnn.Method.FLOAT
    deployed = hnn.evaluate(hnn.deploy(model), dataset.x_test, dataset.y_test) if deployable else trained
    return hnn.Metadata(
        dataset=recipe.dataset.value,
        method=recipe.method,
        bits_per_weight=bits_per_weight(model),
        accuracy=deployed,
        scale_error=DEFAULT_SCALE_ERROR if deployable else 0.0,
        trained_accuracy=trained,
        test_images=len(dataset.y_test),
        seed=seed,
        epochs=recipe.config.epochs,
        command=recipe.command(seed),
    )
