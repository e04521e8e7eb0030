"""Matrix units of every kind that the IR holds, with inputs for them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from hbnn_hw.folding import Folding
from hbnn_hw.ops import Mvtu, Tensor, Thresholds
from hbnn_hw.types import Bordered, Element, Integers, Planes, TensorType
from hbnn_hw.weights import WeightPlanes
from tests.graphs import random_weights

SIGN = Planes((1,))

TWO_BY_TWO = Folding(2, 2)


class Maps(Enum):
    """Bit map of the weights."""

    FULL = "full"
    COLUMNS = "columns"
    ELEMENTS = "elements"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One unit; ``rows`` and ``channels`` are those of a group."""

    element: Element = SIGN
    places: tuple[int, ...] = ()
    groups: int = 1
    rows: int = 6
    channels: int = 4
    window: int = 1
    folding: Folding = TWO_BY_TWO
    coefficients: tuple[int, ...] = (1,)
    maps: Maps = Maps.ELEMENTS
    levels: int = 1
    seed: int = 0

    def weights(self) -> WeightPlanes:
        """Random planes; some entries without any."""
        rng = np.random.default_rng(self.seed)
        rows, columns = self.groups * self.rows, self.window * self.channels
        if self.maps is Maps.FULL:
            shape = (len(self.coefficients), rows, columns)
            return WeightPlanes.from_bits(
                rng.integers(0, 2, shape, dtype=np.uint8), np.ones(shape, np.uint8), self.coefficients
            )
        shared = self.maps is Maps.COLUMNS
        return random_weights(rng, rows, columns, self.coefficients, shared_columns=shared, zero_bit=True)

    def source(self) -> TensorType:
        """Type of the input."""
        return TensorType((*self.places, self.groups * self.window * self.channels), self.element)

    def op(self) -> Mvtu:
        """The unit, with thresholds near the middle of what is reached, and some at both ends."""
        weights = self.weights()
        op = Mvtu(weights=weights, folding=self.folding, groups=self.groups, window=self.window)
        return op if not self.levels else with_thresholds(op, self.source(), self.levels, self.seed)

    def inputs(self, batch: int) -> Tensor:
        """Random values, the smallest and the largest sample first."""
        rng, source = np.random.default_rng(self.seed + 1), self.source()
        match self.element:
            case Integers(low, high):
                data = rng.integers(low, high + 1, (batch, *source.shape))
                data[0], data[-1] = low, high
                return Tensor(source, data)
            case Bordered(planes):
                return Tensor(source, self._bordered(rng, batch, planes.n_planes))
            case Planes() as planes:
                data = rng.integers(0, 2, (batch, planes.n_planes, *source.shape), dtype=np.uint8)
                data[0], data[-1] = 0, 1
                return Tensor(source, data)
        raise AssertionError(self.element)

    def _bordered(self, rng: np.random.Generator, batch: int, n_planes: int) -> np.ndarray:
        """All channels that come of a pixel lie in the frame, or none do."""
        source, op = self.source(), self.op()
        pixel = op.spread * self.channels
        marks = rng.integers(0, 2, (batch, 1, *source.shape[:-1], source.shape[-1] // pixel), dtype=np.uint8)
        marks[0], marks[-1] = 0, 1
        marks = np.repeat(marks, pixel, axis=-1)
        bits = rng.integers(0, 2, (batch, n_planes, *source.shape), dtype=np.uint8)
        return np.concatenate([bits & (1 - marks), marks], axis=1)


def with_thresholds(op: Mvtu, source: TensorType, levels: int, seed: int) -> Mvtu:
    """Give a unit thresholds; the first row always passes and the second never."""
    rng = np.random.default_rng(seed + 2)
    rows, element = op.weights.rows, op.infer(source).element
    assert isinstance(element, Integers)
    spread = max(2, (element.high - element.low) // 3)
    table = np.sort(rng.integers(-spread, spread + 1, (rows, levels)), axis=1).astype(np.int64)
    table[0] = -(1 << 40)
    if rows > 1:
        table[1] = 1 << 40
    thresholds = Thresholds(table=table, inverted=rng.random(rows) < 0.4)
    return Mvtu(
        weights=op.weights, thresholds=thresholds, folding=op.folding, groups=op.groups, window=op.window
    )
