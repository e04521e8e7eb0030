"""Threshold tables as ``MultiThreshold`` nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.qonnx.writer import Tensor, Writer, layout_of
from hbnn_hw.ops import Thresholds
from hbnn_hw.planes import code_to_bits, uniform_scales
from hbnn_hw.types import Planes, TensorType


def per_channel(values: NDArray[Any], rank: int) -> NDArray[Any]:
    """Give constants (channels,) the shape in which they are broadcast over (batch, channels, ...)."""
    return values.reshape(1, -1, *(1,) * (rank - 2))


def write_thresholds(
    writer: Writer, name: str, source: Tensor, thresholds: Thresholds, output: TensorType
) -> Tensor:
    """Write a table, whose planes become the integers that they stand for.

    A ``MultiThreshold`` counts the thresholds that are not above x. Channels whose sums fall with the code
    are negated before. Where all steps between neighbouring codes are equal, one node does it; otherwise
    there is one for each size of step, and they are summed.
    """
    table = np.where(thresholds.inverted[:, np.newaxis], 1 - thresholds.table[:, ::-1], thresholds.table)
    if thresholds.inverted.any():
        signs = np.where(thresholds.inverted, -1.0, 1.0)
        factor = writer.numbers(f"{name}_sign", per_channel(signs, len(source.shape)), double=source.double)
        source = writer.node("Mul", [source, factor], f"{name}_turned", source.shape, double=source.double)
    if thresholds.mask is None:
        parts = _plain(writer, name, source, table, thresholds)
    else:
        parts = _masked(writer, name, source, table, thresholds, output)
    total = parts[0]
    for index, part in enumerate(parts[1:], start=2):
        last = index == len(parts)
        total = writer.node("Add", [total, part], name if last else f"{name}_sum", total.shape)
    return total


def _values(thresholds: Thresholds) -> NDArray[np.int64]:
    """Return what each code stands for where all planes are there, int64 (levels + 1,)."""
    codes = np.arange(thresholds.levels + 1, dtype=np.int64)[:, np.newaxis]
    scales = thresholds.scales or uniform_scales(thresholds.n_bits)
    return Planes(scales).values(code_to_bits(codes, thresholds.n_bits))[:, 0]


def _plain(
    writer: Writer, name: str, source: Tensor, table: NDArray[np.int64], thresholds: Thresholds
) -> list[Tensor]:
    values = _values(thresholds)
    steps = np.diff(values)
    sizes = [int(size) for size in np.unique(steps) if size]
    if not sizes:
        sizes = [int(steps[0])]
    parts = []
    for index, size in enumerate(sizes):
        bias = int(values[0]) if index == 0 else 0
        output = name if len(sizes) == 1 else f"{name}_steps_of_{abs(size)}"
        parts.append(_multi_threshold(writer, output, source, table[:, steps == size], size, bias))
    return parts


def _multi_threshold(
    writer: Writer, name: str, source: Tensor, table: NDArray[np.int64], size: int, bias: int
) -> Tensor:
    constants = writer.numbers(f"{name}_thresholds", table, double=source.double)
    low, high = sorted((bias, bias + size * table.shape[1]))
    kind = "BIPOLAR" if (low, high, size) == (-1, 1, 2) else f"INT{max(high, -low).bit_length() + 1}"
    counted = writer.node(
        "MultiThreshold",
        [source, constants],
        f"{name}_counted" if source.double else name,
        source.shape,
        double=source.double,
        out_dtype=kind,
        out_scale=float(size),
        out_bias=float(bias),
        data_layout=layout_of(source),
    )
    return writer.cast(counted, double=False)


def _masked(
    writer: Writer,
    name: str,
    source: Tensor,
    table: NDArray[np.int64],
    thresholds: Thresholds,
    output: TensorType,
) -> list[Tensor]:
    """Write one node per level, times what its step adds at every place: elements have their own planes."""
    assert isinstance(output.element, Planes)
    codes = np.arange(thresholds.levels + 1, dtype=np.int64).reshape(-1, *(1,) * len(output.shape))
    codes = np.broadcast_to(codes, (thresholds.levels + 1, *output.shape))
    values = output.element.values(code_to_bits(codes, thresholds.n_bits))
    if len(output.shape) == 3:
        values = np.moveaxis(values, -1, 1)
    first = writer.numbers(f"{name}_lowest", values[:1], double=False)
    parts = []
    for level, steps in enumerate(np.diff(values, axis=0)):
        passed = _multi_threshold(writer, f"{name}_passed_{level}", source, table[:, level : level + 1], 1, 0)
        factor = writer.numbers(f"{name}_step_{level}", _smallest(steps), double=False)
        parts.append(writer.node("Mul", [passed, factor], f"{name}_part_{level}", source.shape))
    parts[0] = writer.node("Add", [parts[0], first], f"{name}_part", source.shape)
    if len(parts) == 1:
        parts[0] = writer.node("Identity", parts, name, source.shape)
    return parts


def _smallest(steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return constants (channels, ...) as (1, channels, 1, ...) if they are the same at all pixels."""
    if steps.ndim == 3 and (steps == steps[:, :1, :1]).all():
        return steps[np.newaxis, :, :1, :1]
    return steps[np.newaxis]
