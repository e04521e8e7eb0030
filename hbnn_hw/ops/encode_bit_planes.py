"""Unsigned fixed-point input as bipolar bit-planes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.ops.base import Array, HardwareOp, Tensor
from hbnn_hw.planes import code_to_bits, uniform_scales
from hbnn_hw.types import Integers, Planes, TensorType


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeBitPlanes(HardwareOp):
    """Read unsigned codes as bipolar planes: ``value = 2*x - (2**n_bits - 1)``.

    Plane p is bit p of the code with scale 2**p, so the encoder is wiring: no logic, no latency.
    Source: BNN (Hubara et al. 2016), Alg. 4, first layer, in the ±1 form that makes XnorDot exact
    (s = 1/2 [sum_n 2^(n-1) XnorDot(p^n, w) + (2^8 - 1) sum w] with p = 2x - 1).

    Attributes
    ----------
    n_bits
        Bits per input element, 1 to 8.
    lanes
        Elements per stream beat; 0 before scheduling.
    """

    n_bits: int
    lanes: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.n_bits <= 8:
            raise RangeError(f"the input encoder must have 1 to 8 bits, not {self.n_bits}")

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
        """One cycle per beat."""
        (source,) = inputs
        return source.n_elements // self.lanes

    def infer(self, *inputs: TensorType) -> TensorType:
        """Integers 0 … 2**n_bits - 1 become planes of scales 1, 2, 4 and so on."""
        (source,) = inputs
        expected = Integers(0, 2**self.n_bits - 1)
        if source.element != expected:
            raise RangeError(f"the input encoder needs {expected}, not {source.element}")
        if self.lanes and source.n_elements % self.lanes:
            raise ShapeError(f"{self.lanes} lanes do not divide {source.n_elements} elements")
        return TensorType(source.shape, Planes(uniform_scales(self.n_bits)))

    def compute(self, *inputs: Tensor) -> Array:
        """Split codes int64 (batch, *shape) into bits uint8 (batch, n_bits, *shape)."""
        (source,) = inputs
        return code_to_bits(source.data.astype(np.int64), self.n_bits)
