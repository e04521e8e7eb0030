"""What a model file says beside the network: its training, and real inputs with their classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray


class Method(Enum):
    """How the weights were trained."""

    FLOAT = "float"
    BNN = "bnn"
    HBNN = "hbnn"
    SLB = "slb"
    FLEXOR = "flexor"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What is known about the training of a checkpoint; everything has a neutral default.

    Attributes
    ----------
    dataset
        Name of the data set; empty if unknown.
    method
        Training method.
    bits_per_weight
        Mean bitwidth over all weights; 0 if unknown.
    accuracy
        Share of right answers on the full test set, 0 .. 1, of the deployed twin (of the network itself
        for a float one); 0 if unknown.
    scale_error
        Bound on the relative error of the integer plane scales that the deployed twin was measured with.
    trained_accuracy
        The same, of the network as trained, with real scales.
    test_images
        Number of test images behind both figures.
    seed, epochs
        Training seed and passes over the training set.
    command
        The command line that made the file.
    """

    dataset: str = ""
    method: Method = Method.OTHER
    bits_per_weight: float = 0.0
    accuracy: float = 0.0
    scale_error: float = 0.0
    trained_accuracy: float = 0.0
    test_images: int = 0
    seed: int = 0
    epochs: int = 0
    command: str = ""


def _no_images() -> NDArray[np.uint8]:
    return np.zeros((0, 0), np.uint8)


def _no_labels() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """Real inputs that travel with a checkpoint, for verification without the data set.

    Attributes
    ----------
    images
        uint8 (images, features), input codes; may be empty.
    labels
        int64 (images,), true classes.
    """

    images: NDArray[np.uint8] = field(default_factory=_no_images)
    labels: NDArray[np.int64] = field(default_factory=_no_labels)
