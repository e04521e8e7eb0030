"""Nodes that read constants alone, computed at once: quantized weights, shapes of reshapes, biases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TypeAlias

import numpy as np

from hbnn_hw.capture.qonnx.quantizers import (
    WIDEST_WEIGHT,
    check_step,
    integer_range,
    is_bipolar,
    rounding_of,
)
from hbnn_hw.capture.qonnx.reading import OnnxNode
from hbnn_hw.capture.qonnx.values import LARGEST_CONSTANT, Constant, Reals
from hbnn_hw.errors import CaptureError

Folder: TypeAlias = Callable[[OnnxNode, Sequence[Constant]], Constant]
"""Computes what a node makes of constants."""


def fold(node: OnnxNode, inputs: Sequence[Constant]) -> Constant:
    """Compute a node of constants; raise CaptureError if it cannot be."""
    if node.kind not in FOLDERS:
        raise CaptureError(
            f"{node.title} reads constants only and cannot be folded; fold it before, for example with "
            "qonnx.transformation.fold_constants"
        )
    return FOLDERS[node.kind](node, inputs)


def _check_size(node: OnnxNode, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    shape = np.broadcast_shapes(*shapes)
    if prod(shape) > LARGEST_CONSTANT:
        raise CaptureError(f"{node.title} would make a constant of shape {shape}, which is too large")
    return shape


def _quant(node: OnnxNode, inputs: Sequence[Constant]) -> Constant:
    x, scale, zero, bit_width = (constant.reals for constant in inputs)
    check_step(node, scale, zero)
    shape = _check_size(node, x.shape, scale.shape, zero.shape)
    if is_bipolar(node, bit_width):
        integers = np.where(x / scale + zero >= 0, 1.0, -1.0) - zero
    else:
        low, high = integer_range(node, bit_width, WIDEST_WEIGHT)
        integers = rounding_of(node)(np.clip(x / scale + zero, low, high)) - zero
    return Constant(np.broadcast_to(integers, shape), np.broadcast_to(scale, shape))


def _bipolar_quant(node: OnnxNode, inputs: Sequence[Constant]) -> Constant:
    x, scale = (constant.reals for constant in inputs)
    check_step(node, scale, np.zeros(1))
    shape = _check_size(node, x.shape, scale.shape)
    return Constant(np.broadcast_to(np.where(x >= 0, 1.0, -1.0), shape), np.broadcast_to(scale, shape))


def _moved(move: Callable[[OnnxNode, Reals, Sequence[Constant]], Reals]) -> Folder:
    """Make a folder of a function that moves numbers and computes nothing."""

    def folder(node: OnnxNode, inputs: Sequence[Constant]) -> Constant:
        (x, *others) = inputs
        steps = None if x.steps is None else move(node, x.steps, others)
        return Constant(move(node, x.numbers, others), steps)

    return folder


def _transpose(node: OnnxNode, x: Reals, others: Sequence[Constant]) -> Reals:
    return x.transpose(node.integers("perm", tuple(reversed(range(x.ndim)))))


def _reshape(node: OnnxNode, x: Reals, others: Sequence[Constant]) -> Reals:
    shape = [int(extent) for extent in others[0].reals.ravel()] if others else node.integers("shape", ())
    return x.reshape([x.shape[i] if extent == 0 else extent for i, extent in enumerate(shape)])


def _axes(node: OnnxNode, others: Sequence[Constant]) -> tuple[int, ...]:
    return tuple(int(a) for a in others[0].reals.ravel()) if others else node.integers("axes", ())


def _unsqueeze(node: OnnxNode, x: Reals, others: Sequence[Constant]) -> Reals:
    return np.expand_dims(x, _axes(node, others))


def _squeeze(node: OnnxNode, x: Reals, others: Sequence[Constant]) -> Reals:
    return np.squeeze(x, _axes(node, others) or None)


def _flatten(node: OnnxNode, x: Reals, others: Sequence[Constant]) -> Reals:
    axis = node.integer("axis", 1)
    return x.reshape(prod(x.shape[:axis]), -1)


def _gather(node: OnnxNode, x: Reals, others: Sequence[Constant]) -> Reals:
    return np.take(x, others[0].reals.astype(np.int64), axis=node.integer("axis", 0))


def _same(node: OnnxNode, x: Reals, others: Sequence[Constant]) -> Reals:
    return x


def _scaled(function: Callable[[Reals, Reals], Reals]) -> Folder:
    """Make a folder of a product or a quotient: steps are scaled, integers stay."""

    def folder(node: OnnxNode, inputs: Sequence[Constant]) -> Constant:
        x, factor = inputs
        if x.steps is None and factor.steps is not None and node.kind == "Mul":
            x, factor = factor, x
        shape = _check_size(node, x.numbers.shape, factor.numbers.shape)
        if x.steps is None:
            return Constant(function(x.numbers, factor.reals))
        steps = function(x.steps, factor.reals)
        return Constant(np.broadcast_to(x.numbers, shape), np.broadcast_to(steps, shape))

    return folder


def _arithmetic(function: Callable[[Reals, Reals], Reals]) -> Folder:
    def folder(node: OnnxNode, inputs: Sequence[Constant]) -> Constant:
        first, second = (constant.reals for constant in inputs)
        _check_size(node, first.shape, second.shape)
        return Constant(function(first, second))

    return folder


def _negative(node: OnnxNode, inputs: Sequence[Constant]) -> Constant:
    (x,) = inputs
    return Constant(-x.numbers, x.steps)


def _concat(node: OnnxNode, inputs: Sequence[Constant]) -> Constant:
    return Constant(np.concatenate([x.reals for x in inputs], axis=node.integer("axis", 0)))


def _constant(node: OnnxNode, inputs: Sequence[Constant]) -> Constant:
    value = next(iter(node.attributes.values()), None)
    if isinstance(value, str) or value is None:
        raise CaptureError(f"{node.title} must hold numbers")
    return Constant(np.asarray(value, dtype=np.float64))


FOLDERS: Mapping[str, Folder] = {
    "Quant": _quant,
    "IntQuant": _quant,
    "BipolarQuant": _bipolar_quant,
    "Transpose": _moved(_transpose),
    "Reshape": _moved(_reshape),
    "Unsqueeze": _moved(_unsqueeze),
    "Squeeze": _moved(_squeeze),
    "Flatten": _moved(_flatten),
    "Gather": _moved(_gather),
    "Identity": _moved(_same),
    "Cast": _moved(_same),
    "Mul": _scaled(np.multiply),
    "Div": _scaled(np.divide),
    "Add": _arithmetic(np.add),
    "Sub": _arithmetic(np.subtract),
    "Neg": _negative,
    "Concat": _concat,
    "Constant": _constant,
}
"""What can be computed of constants."""
