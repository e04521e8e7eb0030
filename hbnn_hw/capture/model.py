"""From a model file to a captured network with everything that export needs of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.capture.sequential import capture
from hbnn_hw.graph import Graph
from hbnn_hw.nn.checkpoint import load
from hbnn_hw.nn.deploy import deploy
from hbnn_hw.nn.deployed_network import DeployedNetwork
from hbnn_hw.scales import DEFAULT_SCALE_ERROR, ScaleForm

Fact = str | int | float
"""One known thing about a model's training."""


@dataclass(frozen=True, slots=True, eq=False)
class CapturedModel:
    """A network read from a model file.

    Attributes
    ----------
    deployed
        The PyTorch network with the deployed constants.
    graph
        The same network as a captured (not yet lowered) graph.
    facts
        What the file says of its training: data set, method, accuracy, seed, command.
    images
        int64 (images, features): real input codes that travel with the file; may be empty.
    labels
        int64 (images,).
    """

    deployed: DeployedNetwork
    graph: Graph
    facts: dict[str, Fact]
    images: NDArray[np.int64]
    labels: NDArray[np.int64]


def capture_file(
    path: Path, scale_error: float = DEFAULT_SCALE_ERROR, scale_form: ScaleForm = ScaleForm.INTEGERS
) -> CapturedModel:
    """Read a checkpoint, without executing anything from it, and capture its network.

    Parameters
    ----------
    path
        A file written by ``hbnn_hw.save``.
    scale_error
        Largest relative error of the integer form of a plane scale (dimensionless).
    scale_form
        What plane coefficients may be.

    Raises
    ------
    CheckpointError
        If the file is not a checkpoint, is damaged, or is not safe to load.
    CaptureError
        If the network cannot be lowered; names every offending module.
    """
    checkpoint = load(path)
    shape = tuple(checkpoint.example_input.shape[1:])
    deployed = deploy(checkpoint.model, scale_error, scale_form=scale_form, input_shape=shape)
    metadata = asdict(checkpoint.metadata)
    facts = {key: value.value if isinstance(value, Enum) else value for key, value in metadata.items()}
    images = checkpoint.golden.images.astype(np.int64)
    return CapturedModel(deployed, capture(deployed, path.stem), facts, images, checkpoint.golden.labels)
