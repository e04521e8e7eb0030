"""What a recipe is, and the steps from a recipe to a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hbnn_hw import nn as hnn
from hbnn_hw.data import Dataset, DatasetName, load
from hbnn_hw.nn.epoch_report import Progress
from hbnn_hw.scales import DEFAULT_SCALE_ERROR
from models.perceptron import Network

GOLDEN_PER_CLASS = 10
FLOAT_BITS = 32
_FLOAT_LAYERS = (nn.Linear, nn.Conv2d)
_QUANTIZED_LAYERS = (hnn.QuantizedLinear, hnn.QuantizedConv2d)


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
    """One network with one way to train it.

    Attributes
    ----------
    name
        Name of the recipe and, with ``.pt``, of its checkpoint.
    label
        What sets it apart from its neighbours in a table.
    dataset
        What it is trained on.
    method
        How its weights are trained; OTHER where methods are mixed.
    shape
        Its layers, for people.
    network
        Builds the untrained network for a data set with torch's present random state.
    config
        Hyper-parameters; the seed is given at training.
    deployable
        Whether hardware computes it exactly today.
    overrides
        What has been changed in ``config`` by :meth:`changed`.
    """

    name: str
    label: str
    dataset: DatasetName
    method: hnn.Method
    shape: str
    network: Network
    config: hnn.TrainConfig
    deployable: bool = True
    overrides: Overrides = field(default_factory=Overrides)

    def changed(self, overrides: Overrides) -> Recipe:
        """Return the recipe with other hyper-parameters, of which its command tells."""
        if overrides.epochs == self.config.epochs:
            overrides = replace(overrides, epochs=None)
        return replace(self, config=overrides.applied(self.config), overrides=overrides)

    def command(self, seed: int) -> str:
        """Give the command line that makes the checkpoint."""
        command = f"python -m models.train --recipe {self.name} --seed {seed}"
        return f"{command}{self.overrides.arguments()} --out models/{self.name}.pt"


def build(recipe: Recipe, dataset: Dataset, seed: int) -> nn.Sequential:
    """Build the untrained network of a recipe; ``seed`` gives its initial weights."""
    torch.manual_seed(seed)
    return recipe.network(dataset)


def weight_storage(model: nn.Module) -> tuple[int, int]:
    """Return the number of weights and of the bits that store them, 32 for each float weight."""
    n_weights = stored_bits = 0
    for layer in model.modules():
        if isinstance(layer, _QUANTIZED_LAYERS):
            n_weights += layer.n_weights
            stored_bits += layer.stored_bits()
        elif isinstance(layer, _FLOAT_LAYERS):
            n_weights += layer.weight.numel()
            stored_bits += FLOAT_BITS * layer.weight.numel()
    return n_weights, stored_bits


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
    model = build(recipe, dataset, seed)
    config = replace(recipe.config, seed=seed)
    hnn.train(model, dataset, config, on_epoch, state_file=state_file, resume=resume)
    return measure_and_save(recipe, seed, model.cpu(), dataset, out)


def measure_and_save(
    recipe: Recipe, seed: int, model: nn.Module, dataset: Dataset, out: Path
) -> hnn.Metadata:
    """Write the checkpoint of a trained network with what is measured on the full test set."""
    metadata = measure(recipe, model, dataset, seed)
    golden = golden_inputs(dataset)
    hnn.save(model, torch.from_numpy(golden.images[:1]), out, metadata=metadata, golden=golden)
    return metadata


def deployed_accuracy(model: nn.Module, dataset: Dataset) -> float:
    """Measure the deployed twin of a trained network on the full test set."""
    return hnn.evaluate(hnn.deploy(model), dataset.x_test, dataset.y_test)


def measure(recipe: Recipe, model: nn.Module, dataset: Dataset, seed: int) -> hnn.Metadata:
    """Measure a trained network on the full test set, deployed and as trained."""
    trained = hnn.evaluate(model, dataset.x_test, dataset.y_test)
    deployed = deployed_accuracy(model, dataset) if recipe.deployable else trained
    n_weights, stored_bits = weight_storage(model)
    return hnn.Metadata(
        dataset=recipe.dataset.value,
        method=recipe.method,
        bits_per_weight=stored_bits / n_weights,
        accuracy=deployed,
        scale_error=DEFAULT_SCALE_ERROR if recipe.deployable else 0.0,
        trained_accuracy=trained,
        test_images=len(dataset.y_test),
        seed=seed,
        epochs=recipe.config.epochs,
        command=recipe.command(seed),
    )
