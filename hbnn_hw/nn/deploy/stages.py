"""What the numbers between two layers of a network mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Reals: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Integers:
    """Values between layers: ``scale`` times integers of magnitude up to ``bound``."""

    scale: float
    bound: int


@dataclass(frozen=True, slots=True, eq=False)
class Accumulators:
    """What a layer with weights left: real value = ``scale · integer + bias``, until an affine takes it.

    ``scale`` and ``bias`` are float64 (features,), or (channels,) of an image; ``name`` is the layer's.
    """

    name: str
    scale: Reals
    bias: Reals


class Codes:
    """The network's input, before :class:`~hbnn_hw.nn.activations.BitPlaneInput`."""


class Logits:
    """Real values behind an affine; only pooling, flattening and a sign may follow."""


Stage: TypeAlias = Codes | Integers | Accumulators | Logits
