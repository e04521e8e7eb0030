"""Channels of several values behind one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import ShapeError
from hbnn_hw.ops.base import Array, StreamOp, Tensor, integers_of, range_of
from hbnn_hw.types import Element, Integers, PlaneMask, Planes, TensorType, check_mask_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat(StreamOp):
    """``y[..., k]`` runs through the channels (last axis) of the first input, then the second, and so on.

    Planes of the same scales stay planes; of anything else the integers are taken.
    """

    def infer(self, *inputs: TensorType) -> TensorType:
        """Values (..., c_i) become one (..., sum of c_i)."""
        if len(inputs) < 2 or any(value.shape[:-1] != inputs[0].shape[:-1] for value in inputs):
            shapes = ", ".join(str(value.shape) for value in inputs)
            raise ShapeError(f"a concatenation needs two or more values of equal sides, not {shapes}")
        channels = sum(value.shape[-1] for value in inputs)
        return TensorType((*inputs[0].shape[:-1], channels), _joined(inputs))

    def reads(self, *inputs: TensorType) -> tuple[NDArray[np.int64], ...]:
        """Pixel by pixel: first the beats of the first input, then those of the second, and so on."""
        per_pixel = [value.shape[-1] // self.lanes for value in inputs]
        turn = np.repeat(np.arange(len(inputs)), per_pixel)
        pixels = inputs[0].n_elements // inputs[0].shape[-1]
        turns = np.tile(turn, pixels)
        return tuple(np.cumsum(turns == index, dtype=np.int64) for index in range(len(inputs)))

    def compute(self, *inputs: Tensor) -> Array:
        """Return bits uint8 (batch, planes, ..., channels) or int64 (batch, ..., channels)."""
        if isinstance(_joined(tuple(tensor.type for tensor in inputs)), Planes):
            return np.concatenate([tensor.data for tensor in inputs], axis=-1)
        return np.concatenate([integers_of(tensor) for tensor in inputs], axis=-1)


def _joined(inputs: tuple[TensorType, ...]) -> Element:
    planes = [value.element for value in inputs if isinstance(value.element, Planes)]
    if len(planes) < len(inputs) or any(element.scales != planes[0].scales for element in planes):
        ranges = [range_of(value) for value in inputs]
        return Integers(min(r.low for r in ranges), max(r.high for r in ranges))
    if all(element.mask is None for element in planes):
        return Planes(planes[0].scales)
    check_mask_size(planes[0].n_planes * sum(value.n_elements for value in inputs))
    masks = [_mask(element, value) for element, value in zip(planes, inputs, strict=True)]
    return Planes(planes[0].scales, PlaneMask.of(np.concatenate(masks, axis=-1)))


def _mask(element: Planes, value: TensorType) -> Array:
    if element.mask is None:
        return np.ones((element.n_planes, *value.shape), dtype=np.uint8)
    return element.mask.present()
