"""Sign activation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from hbnn_hw.ops.base import Array, HostOp, Tensor, integers_of
from hbnn_hw.types import Planes, Reals, TensorType


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
        """Numbers of any kind become one bipolar plane."""
        (source,) = inputs
        return TensorType(source.shape, Planes((1,)))

    def compute(self, *inputs: Tensor) -> Array:
        """Compute bits uint8 (batch, 1, *shape)."""
        (source,) = inputs
        x = source.data if isinstance(source.type.element, Reals) else integers_of(source)
        fires = x >= 0 if self.zero is SignOfZero.PLUS else x > 0
        return fires.astype(np.uint8)[:, np.newaxis]
