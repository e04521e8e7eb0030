"""Activation quantizers: real numbers to the code of the interval they lie in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.ops.base import Array, HostOp, Tensor
from hbnn_hw.planes import code_to_bits
from hbnn_hw.types import PlaneMask, Planes, Reals, TensorType


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantize(HostOp):
    """``code = number of boundaries that x has passed``; bit p of the code is plane p.

    Uniform quantizers (PACT, DoReFa) have scales 1, 2, 4 and so on; residual binarization (HBNN eq. 4-5) has
    its plane scales, the last plane first, and a mask for entries with fewer bits: the first bits of the
    full code are the code of fewer bits.

    Attributes
    ----------
    boundaries
        float64 (levels,), levels = 2**planes - 1, ascending.
    inclusive
        bool (levels,): whether the boundary itself has been passed.
    scales
        Integer factor of every plane, least significant bit of the code first.
    mask
        uint8 (planes, *shape) of the value, 1 where an entry has a plane; None where all have all.
    """

    boundaries: NDArray[np.float64]
    inclusive: NDArray[np.bool_]
    scales: tuple[int, ...]
    mask: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        levels = (1 << len(self.scales)) - 1
        for name, dtype in (("boundaries", np.float64), ("inclusive", np.bool_)):
            array: NDArray[np.generic] = getattr(self, name)
            if array.dtype != dtype or array.shape != (levels,):
                raise ShapeError(
                    f"{len(self.scales)} planes need {name} {np.dtype(dtype)} ({levels},), "
                    f"not {array.dtype} {array.shape}"
                )
        if np.isnan(self.boundaries).any() or (np.diff(self.boundaries) < 0).any():
            raise RangeError("boundaries must be numbers that ascend")
        _ = self.output

    @property
    def output(self) -> Planes:
        """Element type of the codes."""
        return Planes(self.scales, None if self.mask is None else PlaneMask.of(self.mask))

    def infer(self, *inputs: TensorType) -> TensorType:
        """Reals become planes of the same shape."""
        (source,) = inputs
        if not isinstance(source.element, Reals):
            raise RangeError(f"a quantizer needs reals, not {source.element}")
        return TensorType(source.shape, self.output)

    def codes(self, x: NDArray[np.float64]) -> NDArray[np.int64]:
        """Count passed boundaries, int64 of x's shape."""
        codes = np.zeros(x.shape, dtype=np.int64)
        for boundary, inclusive in zip(self.boundaries, self.inclusive, strict=True):
            codes += (x >= boundary) if inclusive else (x > boundary)
        return codes

    def compute(self, *inputs: Tensor) -> Array:
        """Compute bits uint8 (batch, planes, *shape); 0 where the mask is 0."""
        (source,) = inputs
        bits = code_to_bits(self.codes(source.data), len(self.scales))
        return bits if self.mask is None else bits & self.mask
