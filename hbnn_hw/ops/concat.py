"""Channels of several values behind one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.ops.base import Array, Tensor, UnemittedOp
from hbnn_hw.types import Element, Integers, PlaneMask, Planes, Reals, TensorType


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat(UnemittedOp):
    """``y[..., k]`` runs through the channels (last axis) of the first input, then the second, and so on.

    All inputs are integers, or all are planes of the same scales; the numbers stay as they are.
    """

    def infer(self, *inputs: TensorType) -> TensorType:
        """Values (..., c_i) become one (..., sum of c_i)."""
        if len(inputs) < 2 or any(value.shape[:-1] != inputs[0].shape[:-1] for value in inputs):
            shapes = ", ".join(str(value.shape) for value in inputs)
            raise ShapeError(f"a concatenation needs two or more values of equal sides, not {shapes}")
        channels = sum(value.shape[-1] for value in inputs)
        return TensorType((*inputs[0].shape[:-1], channels), _joined(inputs))

    def compute(self, *inputs: Tensor) -> Array:
        """Return the values in their own form."""
        return np.concatenate([tensor.data for tensor in inputs], axis=-1)


def _joined(inputs: tuple[TensorType, ...]) -> Element:
    elements = [value.element for value in inputs]
    if all(isinstance(element, Reals) for element in elements):
        return Reals()
    integers = [element for element in elements if isinstance(element, Integers)]
    if len(integers) == len(elements):
        return Integers(min(r.low for r in integers), max(r.high for r in integers))
    planes = [element for element in elements if isinstance(element, Planes)]
    if len(planes) < len(elements) or any(element.scales != planes[0].scales for element in planes):
        raise RangeError("a concatenation needs integers only, or planes of the same scales only")
    masks = [_mask(element, value) for element, value in zip(planes, inputs, strict=True)]
    return Planes(planes[0].scales, PlaneMask.of(np.concatenate(masks, axis=-1)))


def _mask(element: Planes, value: TensorType) -> Array:
    if element.mask is None:
        return np.ones((element.n_planes, *value.shape), dtype=np.uint8)
    return element.mask.present()
