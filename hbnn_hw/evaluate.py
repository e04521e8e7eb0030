"""Accuracy of a model file on a real test set, measured on the golden model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw import data
from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.errors import DatasetMissingError, RangeError, ShapeError
from hbnn_hw.extras import require
from hbnn_hw.graph import Graph
from hbnn_hw.inspection import read_graph
from hbnn_hw.passes import simplify
from hbnn_hw.types import Integers


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
        Layer outputs per image, and numbers in all, that were compared with PyTorch; all equal. 0 where
        there is no PyTorch network.
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
        Model file; or an IR or QONNX file, of which there is no PyTorch network to compare with.
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
    if path.suffix in (".onnx", ".hbnn"):
        return _evaluate_graph(path, dataset, root, progress)
    require("torch", "train", "reading a model file")
    from hbnn_hw.capture import capture_file, compare_with_torch

    model = capture_file(path)
    images = data.load(dataset or str(model.facts["dataset"]), root)
    codes = _codes_for(path, model.graph, images)
    progress(f"comparing PyTorch and golden on {len(codes)} images at every layer")
    equal = compare_with_torch(model.deployed, model.graph, codes)
    progress("classifying with the lowered golden model")
    correct = _correct(model.graph, codes, images)
    return Evaluation(model.graph.name, str(images.name), len(codes), correct, equal.layers, equal.values)


def _evaluate_graph(
    path: Path, dataset: str | None, root: Path | None, progress: Callable[[str], None]
) -> Evaluation:
    """Evaluate a file that holds a graph and no PyTorch network to compare with."""
    if dataset is None:
        raise DatasetMissingError(f"'{path}' does not say what it was trained on; name it with --dataset")
    graph = read_graph(path)
    images = data.load(dataset, root)
    codes = _codes_for(path, graph, images)
    progress("classifying with the lowered golden model")
    return Evaluation(graph.name, str(images.name), len(codes), _correct(graph, codes, images), 0, 0)


def _codes_for(path: Path, graph: Graph, images: data.Dataset) -> NDArray[np.int64]:
    """Return the test images; raise an error if the network does not read such codes."""
    codes = images.x_test.astype(np.int64)
    kind = graph.input_type
    if codes.shape[1:] != kind.shape:
        raise ShapeError(
            f"'{path}' reads {kind.n_elements} values an image, {images.name} has {codes.shape[1]}"
        )
    element = kind.element
    if isinstance(element, Integers) and codes.max(initial=0) > element.high:
        raise RangeError(f"'{path}' reads codes up to {element.high}, {images.name} has {int(codes.max())}")
    return codes


def _correct(graph: Graph, codes: NDArray[np.int64], images: data.Dataset) -> int:
    return int((GoldenModel(simplify(graph)).classes(codes) == images.y_test).sum())
