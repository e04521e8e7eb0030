"""What becomes of every kind of ONNX node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from hbnn_hw.capture.qonnx.activations import add_bend, add_quantizer, add_sign
from hbnn_hw.capture.qonnx.arithmetic import add_batchnorm, add_floor, add_negative, add_product, add_sum
from hbnn_hw.capture.qonnx.lowering import Layer, Lowering
from hbnn_hw.capture.qonnx.pools import (
    add_average_pool,
    add_global_average_pool,
    add_max_pool,
    add_reduce_mean,
)
from hbnn_hw.capture.qonnx.shapes import (
    add_concat,
    add_depth_to_space,
    add_flatten,
    add_pad,
    add_reshape,
    add_shape,
    add_transpose,
    skip,
)
from hbnn_hw.capture.qonnx.values import Tensor
from hbnn_hw.capture.qonnx.weights import add_convolution, add_gemm, add_matmul

Handler: TypeAlias = Callable[[Lowering, Layer], Tensor]
"""Adds what a node becomes to the IR, and says what its tensor then is."""

QUANTIZERS = ("BipolarQuant", "Quant", "IntQuant", "MultiThreshold")

HANDLERS: Mapping[str, Handler] = {
    **dict.fromkeys(QUANTIZERS, add_quantizer),
    "Sign": add_sign,
    "Relu": add_bend,
    "PRelu": add_bend,
    "LeakyRelu": add_bend,
    "Clip": add_bend,
    "Conv": add_convolution,
    "MatMul": add_matmul,
    "Gemm": add_gemm,
    "BatchNormalization": add_batchnorm,
    "Add": add_sum,
    "Sub": add_sum,
    "Mul": add_product,
    "Div": add_product,
    "Neg": add_negative,
    "Floor": add_floor,
    "MaxPool": add_max_pool,
    "AveragePool": add_average_pool,
    "GlobalAveragePool": add_global_average_pool,
    "ReduceMean": add_reduce_mean,
    "Flatten": add_flatten,
    "Reshape": add_reshape,
    "Squeeze": add_reshape,
    "Unsqueeze": add_reshape,
    "Transpose": add_transpose,
    "DepthToSpace": add_depth_to_space,
    "Concat": add_concat,
    "Pad": add_pad,
    "Shape": add_shape,
    "Identity": skip,
    "Dropout": skip,
    "Cast": skip,
}
"""Everything that can be lowered, by operator."""

CHOICES = ("TopK", "ArgMax", "Softmax", "LogSoftmax")
"""What may stand behind the scores: the host does it."""

REMEDIES: Mapping[str, str] = {
    "FloatQuant": "quantize to integers: floating point has no bit-planes",
    "Trunc": "quantize the average again instead, or average without truncation",
    "Im2Col": "read the model before its convolutions are lowered to matrix products",
    "XnorPopcountMatMul": "read the model before ConvertBipolarMatMulToXnorPopcount",
    "QuantizeLinear": "convert QCDQ to QONNX with qonnx.transformation.qcdq_to_qonnx",
    "DequantizeLinear": "convert QCDQ to QONNX with qonnx.transformation.qcdq_to_qonnx",
    "Sigmoid": "train with a piecewise linear activation",
    "Tanh": "train with a hard tanh (Clip)",
}
"""What to do about operators that cannot be lowered; all others must be replaced by supported ones."""
