"""Sign activation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from hbnn_hw.errors import RangeError
from hbnn_hw.ops.base import Array, HostOp, Tensor
from hbnn_hw.types import Integers, Planes, Reals, TensorType


class SignOfZero(Enum):
    """What sign(0) is: the papers disagree (BNN +1, the HBNN code -1)."""

    PLUS = 1
    MINUS = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign(HostOp):
    """``bit = x > 0``, or ``x >= 0`` where sign(0) is +1.

    Source: BNN (Hubara et al. 2016) eq. 1 for +1; the HBNN authors' operator tests ``x > 0``.
    """

    zero: SignOfZero

    def infer(self, *inputs: TensorType) -> TensorType:
        """Reals or integers become one bipolar plane."""
        (source,) = inputs
        if not isinstance(source.element, Reals | Integers):
            raise RangeError(f"the sign activation needs reals or integers, not {source.element}")
        return TensorType(source.shape, Planes((1,)))

    def compute(self, *inputs: Tensor) -> Array:
        """Compute bits uint8 (batch, 1, *shape)."""
        (source,) = inputs
        fires = source.data >= 0 if self.zero is SignOfZero.PLUS else source.data > 0
        return fires.astype(np.uint8)[:, np.newaxis]
