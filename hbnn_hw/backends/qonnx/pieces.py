"""Functions of an integer that are affine piece by piece: products, sums, and a ``Relu`` for each knee."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.qonnx.thresholds import per_channel
from hbnn_hw.backends.qonnx.writer import Tensor, Writer, layout_of
from hbnn_hw.pieces import Knees

Numbers = NDArray[Any]


def write_pieces(
    writer: Writer, name: str, x: Tensor, slopes: Numbers, offsets: Numbers, knees: Knees
) -> Tensor:
    """Write ``slopes[k, c] · x + offsets[k, c]``: the first line, and what passing each knee adds to it.

    That is ``slope · relu(x - (knee - 1)) + jump · (x >= knee)`` with the change of the slope and the jump of
    the line at ``knee - 1``, so pieces need not meet, and nothing but constants is multiplied with. All is
    computed in the dtype of ``x``.
    """
    total = _plus(writer, name, _times(writer, name, x, slopes[0]), offsets[0])
    for k, knee in enumerate(knees, start=1):
        label = f"{name}_piece_{k}"
        slope = slopes[k] - slopes[k - 1]
        jump = offsets[k] - offsets[k - 1] + slope * (knee - 1)
        if slope.any():
            beyond = _plus(writer, f"{label}_beyond", x, 1 - knee)
            bent = writer.node("Relu", [beyond], f"{label}_relu", x.shape, double=x.double)
            total = _sum(writer, label, total, _times(writer, label, bent, slope))
        if jump.any():
            label = f"{label}_jump"
            total = _sum(writer, label, total, _times(writer, label, _passed(writer, label, x, knee), jump))
    return total


def _times(writer: Writer, label: str, value: Tensor, factor: Numbers) -> Tensor:
    if (factor == 1).all():
        return value
    shaped = per_channel(factor, len(value.shape))
    constant = writer.numbers(f"{label}_slope", shaped, double=value.double)
    return writer.node("Mul", [value, constant], f"{label}_product", value.shape, double=value.double)


def _plus(writer: Writer, label: str, value: Tensor, addend: Numbers) -> Tensor:
    if not addend.any():
        return value
    shaped = per_channel(addend, len(value.shape))
    constant = writer.numbers(f"{label}_offset", shaped, double=value.double)
    return writer.node("Add", [value, constant], f"{label}_line", value.shape, double=value.double)


def _sum(writer: Writer, label: str, first: Tensor, second: Tensor) -> Tensor:
    return writer.node("Add", [first, second], f"{label}_sum", first.shape, double=first.double)


def _passed(writer: Writer, label: str, x: Tensor, knee: NDArray[np.int64]) -> Tensor:
    """Write 1 where x has reached the knee, else 0."""
    constants = writer.numbers(f"{label}_knee", knee[:, np.newaxis], double=x.double)
    return writer.node(
        "MultiThreshold",
        [x, constants],
        f"{label}_passed",
        x.shape,
        double=x.double,
        out_dtype="BINARY",
        data_layout=layout_of(x),
    )
