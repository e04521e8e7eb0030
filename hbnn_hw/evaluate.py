"""Accuracy of a model file on a real test set, measured on the golden model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hbnn_hw import data
from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.errors import ShapeError
from hbnn_hw.extras import require
from hbnn_hw.passes import lower


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured.

    Attributes
    ----------
    network, dataset
        Names.
    images, correct
        Test images, and those classified right by the lowered golden model.
    layers, values
        Layer outputs per image, and numbers in all, that were compared with PyTorch; all equal.
    """

    network: str
    dataset: str
    images: int
    correct: int
    layers: int
    values: int

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0 to 1."""
        return self.correct / self.images

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self) | {"accuracy": self.accuracy}


def evaluate_file(
    path: Path, dataset: str | None, root: Path | None, progress: Callable[[str], None] = lambda _: None
) -> Evaluation:
    """Evaluate a model file on a whole test set, and hold golden against PyTorch at every layer.

    Parameters
    ----------
    path
        Model file.
    dataset
        Name of the data set; None takes the one that the model was trained on.
    root
        Folder of the data files; None searches the usual places.
    progress
        Told the stages.

    Raises
    ------
    DatasetMissingError
        With the command that fetches the data.
    MismatchError
        If golden and PyTorch differ anywhere.
    """
    require("torch", "train", "reading a model file")
    from hbnn_hw.capture import capture_file, compare_with_torch

    model = capture_file(path)
    images = data.load(dataset or str(model.facts["dataset"]), root)
    codes = images.x_test.astype(np.int64)
    if codes.shape[1:] != model.graph.input_type.shape:
        raise ShapeError(
            f"'{path}' reads {model.graph.input_type.n_elements} values an image, "
            f"{images.name} has {codes.shape[1]}"
        )
    progress(f"comparing PyTorch and golden on {len(codes)} images at every layer")
    equal = compare_with_torch(model.deployed, model.graph, codes)
    progress("classifying with the lowered golden model")
    correct = int((GoldenModel(lower(model.graph)).classes(codes) == images.y_test).sum())
    return Evaluation(model.graph.name, str(images.name), len(codes), correct, equal.layers, equal.values)
