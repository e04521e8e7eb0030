"""Convolutions, fast: windows side by side as a matrix, a bounded number of images at a time."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hbnn_hw.ops import Convolution
from hbnn_hw.ops.base import Tensor, integers_of
from hbnn_hw.types import TensorType
from hbnn_hw.windows import pad, span

EXACT_IN_FLOAT32 = 1 << 24
"""Integers up to this magnitude, and so all partial sums below it, are exact in float32."""

LARGEST_MATRIX = 1 << 24
"""Elements of the matrix of windows (64 MiB in float32); a single image may need more."""

Floats: TypeAlias = NDArray[np.floating[Any]]


def convolve(op: Convolution, source: TensorType, bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Compute what ``op.compute`` does, from uint8 (batch, planes, rows, columns, in).

    Windows of a few images become a matrix (groups, places, kernel · in / groups), so that one matrix
    product for each group does the rest: in float32 as long as no partial sum can reach 2**24, in float64
    beyond. Depthwise convolutions are groups of one channel; nothing is padded to block-diagonal form.

    Returns
    -------
    NDArray
        int64 (batch, rows', columns', out).
    """
    sides = op.output_sides(source)
    weights = _weights(op, source)
    n_columns = sides[0] * sides[1] * op.groups * weights.shape[1]
    step = max(1, LARGEST_MATRIX // n_columns)
    result = np.empty((len(bits), *sides, op.weights.rows), dtype=np.int64)
    for start in range(0, len(bits), step):
        image = integers_of(Tensor(source, bits[start : start + step])).astype(weights.dtype)
        product = _windows(op, pad(image, op.padding, op.border)) @ weights  # (groups, places, out / groups)
        result[start : start + step] = product.transpose(1, 0, 2).reshape(-1, *result.shape[1:])
    return result


def _weights(op: Convolution, source: TensorType) -> Floats:
    """Return the weights (groups, kernel · in / groups, out / groups) in a dtype that computes exactly."""
    values = op.weights.values().reshape(op.groups, op.group_outputs, op.weights.columns).transpose(0, 2, 1)
    reached = op.accumulators(source)
    exact = max(reached.high, -reached.low) < EXACT_IN_FLOAT32
    return values.astype(np.float32) if exact else values.astype(np.float64)


def _windows(op: Convolution, image: Floats) -> Floats:
    """Return the values in every window of padded images, (groups, batch · places, kernel · in / groups)."""
    spans = tuple(span(k, d) for k, d in zip(op.kernel, op.dilation, strict=True))
    windows = sliding_window_view(image, spans, axis=(1, 2))[:, :: op.stride[0], :: op.stride[1]]
    windows = windows[..., :: op.dilation[0], :: op.dilation[1]]
    batch, rows, columns = windows.shape[:3]
    # The view comes as (batch, rows, columns, in, kernel rows, kernel columns).
    by_group = windows.reshape(batch, rows, columns, op.groups, op.group_inputs, *op.kernel)
    ordered = by_group.transpose(3, 0, 1, 2, 5, 6, 4)
    return ordered.reshape(op.groups, batch * rows * columns, op.weights.columns)
