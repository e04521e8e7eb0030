"""The values of an image as a flat vector."""

from __future__ import annotations

from dataclasses import dataclass

from hbnn_hw.ops.base import Array, Tensor, WiringOp
from hbnn_hw.types import Element, PlaneMask, Planes, TensorType


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten(WiringOp):
    """``y[(r * columns + c) * channels + k] = x[r, c, k]``: the order of the stream stays.

    PyTorch flattens one channel after the other; capture permutes what reads the vector to make up for it.
    """

    def infer(self, *inputs: TensorType) -> TensorType:
        """An image becomes a vector of the same elements."""
        (source,) = inputs
        return TensorType((source.n_elements,), _flat(source.element))

    def compute(self, *inputs: Tensor) -> Array:
        """Return the values in their order; the form of the elements stays."""
        (source,) = inputs
        leading = source.data.ndim - len(source.type.shape)
        return source.data.reshape(*source.data.shape[:leading], source.type.n_elements)


def _flat(element: Element) -> Element:
    if not isinstance(element, Planes) or element.mask is None:
        return element
    return Planes(element.scales, PlaneMask.of(element.mask.present().reshape(element.n_planes, -1)))
