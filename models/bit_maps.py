"""784-256-256-256-10 on MNIST at every average bitwidth, with bit maps per element, column and row.

Plane scales are trained as powers of two, so that hardware shifts and deployment rounds nothing.
``python -m models.experiments --study bit_maps --fresh --keep models/deployed`` trains them all and writes
the deployed networks, which ``benchmarks/hbnn_area.py`` builds in logic.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hbnn_hw.data import DatasetName
from hbnn_hw.nn import Granularity, HbnnSpec, Loss, Method, PlaneScales, Sharing, TrainConfig
from hbnn_hw.nn.bit_map import Distribution
from models.perceptron import converted
from models.recipe import Recipe

HIDDEN = (256, 256, 256)
CONFIG = TrainConfig(epochs=5, loss=Loss.SQUARED_HINGE)
"""A short training, the same for all rows: the rows are compared with each other."""

SHARINGS = (Sharing.ELEMENT, Sharing.COLUMN, Sharing.ROW)
MIXES: Mapping[float, Distribution] = MappingProxyType(
    {
        1.0: ((1, 1.0),),
        1.2: ((1, 0.85), (2, 0.1), (3, 0.05)),
        1.4: ((1, 0.7), (2, 0.2), (3, 0.1)),
        2.0: ((2, 1.0),),
        3.0: ((3, 1.0),),
    }
)
"""Average bits to P. Source: HBNN, examples of B = 1.2 and 1.4."""


def _is_mixed(average: float) -> bool:
    return len(MIXES[average]) > 1


def recipe_name(sharing: Sharing, average: float) -> str:
    """Return the name of the recipe; full planes are the same recipe whatever shares their bitwidth."""
    suffix = f"_{sharing.value}" if _is_mixed(average) else ""
    return f"bit_map_{round(10 * average)}{suffix}"


def _recipe(sharing: Sharing, average: float) -> Recipe:
    label = f"{average} bits"
    spec = HbnnSpec(
        distribution=MIXES[average],
        granularity=Granularity(sharing=sharing),
        plane_scales=PlaneScales.POWERS_OF_TWO,
    )
    return Recipe(
        name=recipe_name(sharing, average),
        label=f"{label}, map per {sharing.value}" if _is_mixed(average) else label,
        dataset=DatasetName.MNIST,
        method=Method.HBNN,
        shape="784-256-256-256-10",
        network=converted(HIDDEN, spec),
        config=CONFIG,
    )


RECIPES = tuple(
    _recipe(sharing, average)
    for average in MIXES
    for sharing in (SHARINGS if _is_mixed(average) else SHARINGS[:1])
)
