"""What every operator of the IR is: a frozen dataclass that knows its type, its meaning and its work."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import RangeError
from hbnn_hw.types import Bordered, Integers, Planes, TensorType

Array = NDArray[Any]
"""Run-time data of a batch; dtype and layout follow from the value's type (:mod:`hbnn_hw.types`)."""


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A batch of values: the data together with the type that says what the numbers mean."""

    type: TensorType
    data: Array


def integers_of(tensor: Tensor) -> NDArray[np.int64]:
    """Return the numbers that planes or integers stand for, int64 (batch, *shape)."""
    element = tensor.type.element
    if isinstance(element, Planes | Bordered):
        return element.values(tensor.data)
    return tensor.data.astype(np.int64, copy=False)


def range_of(value: TensorType) -> Integers:
    """Return the range of planes or integers; raise RangeError for reals."""
    match value.element:
        case Planes() as planes:
            return Integers(-planes.largest, planes.largest)
        case Bordered(planes):
            return Integers(-planes.largest, planes.largest)
        case Integers() as integers:
            return integers
        case other:
            raise RangeError(f"the operator needs integers or bit-planes, not {other}")


@dataclass(frozen=True, slots=True)
class Work:
    """Technology-free cost of one sample.

    Attributes
    ----------
    binary_macs
        One-bit multiply-accumulates (weight plane entries present × activation planes).
    weight_bits
        Bits of weight planes that exist (map entries summed).
    map_bits
        Bits of masks that a folded implementation has to store beside the weights.
    threshold_bits
        Bits of threshold tables.
    comparisons
        Threshold comparisons.
    """

    binary_macs: int = 0
    weight_bits: int = 0
    map_bits: int = 0
    threshold_bits: int = 0
    comparisons: int = 0


class Op(ABC):
    """One operator. Subclasses are frozen dataclasses, one per file of ``hbnn_hw/ops``."""

    __slots__ = ()

    @abstractmethod
    def infer(self, *inputs: TensorType) -> TensorType:
        """Return the output type; raise ShapeError or RangeError when the inputs do not fit."""

    @abstractmethod
    def compute(self, *inputs: Tensor) -> Array:
        """Compute the exact output for a batch, plainly and slowly: the meaning of the operator."""

    def run(self, *inputs: Tensor) -> Tensor:
        """Compute the typed output for a batch."""
        return Tensor(self.infer(*(tensor.type for tensor in inputs)), self.compute(*inputs))

    def work(self, *inputs: TensorType) -> Work:
        """Return the technology-free cost of one sample; nothing unless the operator says otherwise."""
        del inputs
        return Work()


class HardwareOp(Op):
    """An operator that the back ends emit. It has a room in ``backends/rtl`` and ``templates/hls``.

    Streams carry ``lanes`` elements a beat: beat ``b`` holds elements ``b*lanes … b*lanes + lanes - 1``,
    element ``b*lanes + i`` in lane ``i``, lane 0 in the least significant bits.
    """

    __slots__ = ()

    @property
    def is_scheduled(self) -> bool:
        """Whether the parallelism is chosen, so that lanes and cycles are known."""
        return True

    @property
    @abstractmethod
    def lanes_in(self) -> int:
        """Elements per input beat."""

    @property
    @abstractmethod
    def lanes_out(self) -> int:
        """Elements per output beat."""

    @abstractmethod
    def cycles(self, *inputs: TensorType) -> int:
        """Clock cycles between two samples at full throughput, for the given input types."""

    def reads(self, *inputs: TensorType) -> tuple[NDArray[np.int64], ...]:
        """Beats of each input that are read when each output beat is written, int64 (output beats,).

        What has to be buffered where branches meet again follows from it (:mod:`hbnn_hw.buffering`). The
        rule here is that of operators that take and give beat by beat.
        """
        n_beats = self.infer(*inputs).n_elements // self.lanes_out
        return (np.arange(1, n_beats + 1, dtype=np.int64),) * len(inputs)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StreamOp(HardwareOp):
    """An operator that takes and gives the same number of elements a beat, one beat a clock.

    Attributes
    ----------
    lanes
        Elements per beat, which divide the channels; 0 before scheduling.
    """

    lanes: int = 0

    @property
    def is_scheduled(self) -> bool:
        """Whether the beat width is chosen."""
        return self.lanes > 0

    @property
    def lanes_in(self) -> int:
        """Elements per input beat."""
        return self.lanes

    @property
    def lanes_out(self) -> int:
        """Elements per output beat."""
        return self.lanes

    def cycles(self, *inputs: TensorType) -> int:
        """One cycle per beat of the larger side."""
        elements = max(self.infer(*inputs).n_elements, *(value.n_elements for value in inputs))
        return elements // self.lanes


class WiringOp(Op):
    """An operator that does nothing to a stream: the elements come in the same order before and after."""

    __slots__ = ()


class HostOp(Op):
    """An operator that stays on the host: behind the accelerator's output, or only before lowering."""

    __slots__ = ()


class UnemittedOp(Op):
    """An operator of a network that the streams of the hardware have in parts: see ``to_streams``."""

    __slots__ = ()
