"""The network's input: which codes the hardware reads, and what they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.capture.qonnx.activations import planes_stage, quantizer_of
from hbnn_hw.capture.qonnx.handlers import QUANTIZERS
from hbnn_hw.capture.qonnx.lowering import LARGEST_VALUE, Layer, Lowering
from hbnn_hw.capture.qonnx.quantizers import WIDEST, WIDEST_WEIGHT, Quantizer, Uniform
from hbnn_hw.capture.qonnx.reading import OnnxGraph, OnnxNode
from hbnn_hw.capture.qonnx.shapes import unflattened
from hbnn_hw.capture.qonnx.values import Reals, Tensor, Value
from hbnn_hw.errors import CaptureError
from hbnn_hw.lowering.stages import Integers
from hbnn_hw.ops import EncodeBitPlanes
from hbnn_hw.types import Integers as IntegerElement
from hbnn_hw.types import TensorType


@dataclass(frozen=True, slots=True, kw_only=True)
class InputCode:
    """What the network's input codes stand for: ``scale · code + offset``.

    Attributes
    ----------
    bits
        Codes are 0 … 2**bits - 1.
    scale, offset
        Real numbers; ``InputCode(bits=8, scale=1 / 255)`` is an image of bytes that the network sees as 0…1.
    """

    bits: int
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= WIDEST_WEIGHT or not self.scale > 0:
            raise CaptureError(
                f"an input code must have 1 to {WIDEST_WEIGHT} bits and a positive scale, not {self}"
            )

    def quantizer(self) -> Quantizer:
        """Return the quantizer that makes the codes; real numbers between codes go to the nearest."""
        scale = np.float64(self.scale)
        return _Affine(np.array([scale]), np.array([self.offset]), (1 << self.bits) - 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Affine:
    """The quantizer of an :class:`InputCode`."""

    scale: Reals
    offset: Reals
    levels: int

    def codes(self, x: Reals) -> NDArray[np.int64]:
        codes = np.rint((x - self.offset) / self.scale)
        return np.clip(codes, 0, self.levels).astype(np.int64)


def host_quantizer(
    onnx: OnnxGraph, nodes: list[OnnxNode], tensors: Mapping[str, Tensor], code: InputCode | None
) -> OnnxNode | None:
    """Return the quantizer that alone reads the network's input: the host applies it and sends its codes."""
    readers = [node for node in nodes if onnx.input.name in node.inputs]
    if code is not None or onnx.input.datatype or len(readers) != 1 or readers[0].kind not in QUANTIZERS:
        return None
    is_first = readers[0].inputs[0] == onnx.input.name
    return readers[0] if is_first and all(name in tensors for name in readers[0].inputs[1:]) else None


def begin(
    onnx: OnnxGraph, host: OnnxNode | None, tensors: Mapping[str, Tensor], code: InputCode | None
) -> tuple[Lowering, Value, Quantizer]:
    """Return the walk with the input's operators, the first value, and the quantizer of the host."""
    features = prod(onnx.input.shape)
    if features > LARGEST_VALUE:
        raise CaptureError(f"the input must have at most {LARGEST_VALUE} values, not {features}")
    if host is not None:
        inputs = (None, *(tensors[name] for name in host.inputs[1:]))
        place = Value("x", Integers(scale=1.0, low=0, high=1, spread=1.0), (1,), (0,))
        quantizer = quantizer_of(Layer(host, inputs), place, WIDEST_WEIGHT)
    elif code is not None:
        quantizer = code.quantizer()
    else:
        quantizer = _annotated(onnx)
    if quantizer.levels < 1 or (quantizer.scale < 0).any():
        raise CaptureError("the quantizer of the input must have two values at least, and a positive scale")
    bits = quantizer.levels.bit_length()
    lowering = Lowering("x", TensorType((features,), IntegerElement(0, (1 << bits) - 1)))
    value = Value("x", Integers(scale=1.0, low=0, high=1, spread=1.0), (features,), (0,))
    if len(onnx.input.shape) > 1:
        value = unflattened(lowering, "image", value, onnx.input.shape)
    scale, lowest = (np.full(value.channels, c[0]) for c in (quantizer.scale, quantizer.offset))
    if bits > WIDEST:
        stage = lowering.straight(value.node, scale, lowest)
    else:
        node = lowering.put("encode", EncodeBitPlanes(n_bits=bits), value.node)
        stage = planes_stage(lowering, node, scale, lowest, (1 << bits) - 1)
        value = Value(node, stage, value.shape, value.axes)
    return lowering, Value(value.node, stage, value.shape, value.axes), quantizer


_DATATYPES = {"BIPOLAR": (-1, 1, 2), "BINARY": (0, 1, 1), "TERNARY": (-1, 1, 1)}


def _annotated(onnx: OnnxGraph) -> Quantizer:
    """Return the quantizer of an input whose datatype the file says."""
    name = onnx.input.datatype or ""
    if name in _DATATYPES:
        low, high, step = _DATATYPES[name]
        return _Affine(np.array([float(step)]), np.array([float(low)]), (high - low) // step)
    kind, _, bits = name.partition("INT")
    if kind in ("", "U") and bits.isdigit() and 1 <= int(bits) <= WIDEST_WEIGHT:
        half = 0 if kind else 1 << (int(bits) - 1)
        full = (1 << int(bits)) - 1
        return Uniform(step=np.ones(1), zero=np.zeros(1), low=-half, high=full - half, rounding=np.rint)
    raise CaptureError(
        f"the input '{onnx.input.name}' must be quantized: put a Quant node behind it, annotate its datatype "
        "(set_tensor_datatype), or say what its codes stand for, as in "
        "load(path, InputCode(bits=8, scale=1 / 255)) or 'hbnn-hw convert --input-bits 8 --input-scale'"
    )
