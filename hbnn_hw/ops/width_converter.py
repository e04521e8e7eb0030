"""Stream width conversion between layers of different parallelism."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import FoldingError, ShapeError
from hbnn_hw.ops.base import Array, HardwareOp, Tensor
from hbnn_hw.types import TensorType


@dataclass(frozen=True, slots=True, kw_only=True)
class WidthConverter(HardwareOp):
    """Regroup a stream from ``lanes_from`` to ``lanes_to`` elements per beat; the values stay.

    One count must divide the other, so that a beat is either cut into parts or collected from parts,
    lowest lanes first.

    Attributes
    ----------
    lanes_from, lanes_to
        Elements per input and output beat.
    """

    lanes_from: int
    lanes_to: int

    def __post_init__(self) -> None:
        low, high = sorted((self.lanes_from, self.lanes_to))
        if low < 1 or high % low:
            raise FoldingError(
                f"a width converter needs an integer ratio, not {self.lanes_from} to {self.lanes_to}"
            )

    @property
    def lanes_in(self) -> int:
        """Elements per input beat."""
        return self.lanes_from

    @property
    def lanes_out(self) -> int:
        """Elements per output beat."""
        return self.lanes_to

    def cycles(self, *inputs: TensorType) -> int:
        """One cycle per beat of the narrower side."""
        (source,) = inputs
        return source.n_elements // min(self.lanes_from, self.lanes_to)

    def reads(self, *inputs: TensorType) -> tuple[NDArray[np.int64], ...]:
        """Parts are cut from one input beat, or the last part of a beat completes it."""
        (source,) = inputs
        written = np.arange(source.n_elements // self.lanes_to, dtype=np.int64)
        return (-(-(written + 1) * self.lanes_to // self.lanes_from),)

    def infer(self, *inputs: TensorType) -> TensorType:
        """The type stays; whole beats must cover the sample."""
        (source,) = inputs
        if source.n_elements % max(self.lanes_from, self.lanes_to):
            wider = max(self.lanes_from, self.lanes_to)
            raise ShapeError(f"{source.n_elements} elements are no whole number of beats of {wider}")
        return source

    def compute(self, *inputs: Tensor) -> Array:
        """Return the input unchanged."""
        (source,) = inputs
        return source.data
