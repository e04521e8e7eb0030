"""Layers with weights: convolutions and matrix products over integers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.capture.qonnx.lowering import Layer, Lowering
from hbnn_hw.capture.qonnx.values import Constant, Reals, Value, whole
from hbnn_hw.capture.qonnx.windows import padding_of, pair_of
from hbnn_hw.errors import CaptureError, ShapeError
from hbnn_hw.lowering.integer_planes import integer_planes
from hbnn_hw.lowering.lines import Lines
from hbnn_hw.lowering.stages import Integers
from hbnn_hw.ops import Convolution, Dense
from hbnn_hw.weights import WeightPlanes
from hbnn_hw.windows import span


def _integers_of(layer: Layer, value: Value) -> Integers:
    if isinstance(value.stage, Integers):
        return value.stage
    raise CaptureError(
        f"{layer.title} must read numbers that are quantized with one scale; put a Quant with a scalar scale "
        "before it"
    )


def _planes(layer: Layer, weights: Constant) -> tuple[WeightPlanes, Reals]:
    """Return the planes of a matrix (rows, columns), and what one step stands for in every row."""
    numbers, steps = weights.numbers, weights.steps
    if not np.isfinite(numbers).all() or (numbers != np.rint(numbers)).any():
        raise CaptureError(
            f"the weights of {layer.title} must be quantized; put a Quant or BipolarQuant node before them, "
            "or store integers"
        )
    if steps is None:
        rows = np.ones(len(numbers))
    elif (steps != steps[:, :1]).any():
        raise CaptureError(f"the weights of {layer.title} must have one scale, or one per output channel")
    else:
        rows = steps[:, 0]
    planes, factor = integer_planes(numbers.astype(np.int64))
    return planes, rows * factor


def _sums(
    lowering: Lowering, stage: Integers, node: str, planes: WeightPlanes, step: Reals, bias: Reals
) -> Integers | Lines:
    """Say what sums of integers stand for, with the layer's bias and the offset of its inputs.

    The border of a convolution stands for 0 like any input that does, so places at the border need no
    constants of their own.
    """
    offset = bias + step * stage.offset * planes.values().sum(axis=1)
    return lowering.straight(node, step * stage.scale, offset)


def add_convolution(lowering: Lowering, layer: Layer) -> Value:
    """Turn a convolution of quantized weights into one over integers."""
    value, weights = layer.image(), layer.constant(1)
    stage = _integers_of(layer, value)
    if weights is None or weights.numbers.ndim != 1 + len(value.axes):
        raise ShapeError(f"{layer.title} must have weights of {1 + len(value.axes)} axes")
    kernel = weights.numbers.shape[2:]
    rows, columns = pair_of(kernel)
    matrix = Constant(
        *(
            None
            if a is None
            else a.reshape(*a.shape[:2], rows, columns).transpose(0, 2, 3, 1).reshape(len(a), -1)
            for a in (weights.numbers, weights.steps)
        )  # type: ignore[arg-type]
    )
    if not matrix.numbers.size or layer.node.integers("kernel_shape", kernel) != kernel:
        raise ShapeError(f"kernel_shape of {layer.title} must be that of its weights, {kernel}")
    planes, step = _planes(layer, matrix)
    dilation = pair_of(layer.node.integers("dilations", (1,) * len(kernel)))
    stride = pair_of(layer.node.integers("strides", (1,) * len(kernel)))
    spans = (span(rows, dilation[0]), span(columns, dilation[1]))
    padding = padding_of(layer, value, spans, stride)
    op = Convolution(
        weights=planes,
        kernel=(rows, columns),
        stride=stride,
        padding=padding,
        border=_border(layer, stage) if any(padding) else 0,
        groups=layer.node.integer("group", 1),
        dilation=dilation,
    )
    node = lowering.put(layer.name, op, value.node)
    bias = _bias(layer, 2, planes.rows)
    return replace(
        value,
        node=node,
        stage=_sums(lowering, stage, node, planes, step, bias),
        shape=lowering.types[node].shape,
    )


def _border(layer: Layer, stage: Integers) -> int:
    """Return the integer that stands for 0."""
    return whole(
        -stage.offset / stage.scale,
        f"0, the border of {layer.title}, in steps of {stage.scale:g} from the offset {stage.offset:g},",
    )


def _bias(layer: Layer, index: int, rows: int) -> Reals:
    if index >= len(layer.inputs) or layer.inputs[index] is None:
        return np.zeros(rows)
    bias = layer.reals(index)
    if bias.size not in (1, rows):
        raise ShapeError(f"the bias of {layer.title} must have {rows} entries, not {bias.shape}")
    return np.broadcast_to(bias.ravel(), (rows,))


def add_matmul(lowering: Lowering, layer: Layer) -> Value:
    """Turn a product with a matrix (in, out) into dot products of integers."""
    weights = layer.constant(1)
    if weights is None:
        raise CaptureError(f"{layer.title} must have weights")
    return _product(lowering, layer, weights, np.zeros(1))


def add_gemm(lowering: Lowering, layer: Layer) -> Value:
    """Turn a general product into dot products of integers."""
    weights, node = layer.constant(1), layer.node
    if weights is None or node.integer("transA", 0) or node.number("alpha", 1.0) != 1.0:
        raise CaptureError(f"{layer.title} must have weights, transA = 0 and alpha = 1")
    if node.integer("transB", 0):
        weights = Constant(weights.numbers.T, None if weights.steps is None else weights.steps.T)
    bias = _bias(layer, 2, weights.numbers.shape[-1]) * node.number("beta", 1.0)
    return _product(lowering, layer, weights, bias)


def _product(lowering: Lowering, layer: Layer, weights: Constant, bias: Reals) -> Value:
    value = layer.plain()
    stage = _integers_of(layer, value)
    if weights.numbers.ndim != 2 or weights.numbers.shape[0] != value.channels or not weights.numbers.size:
        raise ShapeError(
            f"the weights of {layer.title} must have {value.channels} rows, not the shape "
            f"{weights.numbers.shape}"
        )
    if value.axes[-1] != len(value.shape) - 1:
        raise ShapeError(f"{layer.title} must read channels last, not {value.onnx_shape}")

    def rows(array: NDArray[np.float64]) -> NDArray[np.float64]:
        return array.T if value.order is None else array.T[:, value.order]

    matrix = Constant(rows(weights.numbers), None if weights.steps is None else rows(weights.steps))
    planes, step = _planes(layer, matrix)
    op = Dense(weights=planes) if len(value.shape) == 1 else Convolution(weights=planes, kernel=(1, 1))
    node = lowering.put(layer.name, op, value.node)
    bias = np.broadcast_to(bias, (planes.rows,))
    return replace(
        value,
        node=node,
        stage=_sums(lowering, stage, node, planes, step, bias),
        shape=lowering.types[node].shape,
        order=None,
    )
