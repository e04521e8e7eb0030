"""An ONNX graph that grows node by node, with the exact range of every tensor in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hbnn_hw.errors import RangeError
from hbnn_hw.types import Element, Integers, Planes, Reals

DOMAIN = "qonnx.custom_op.general"
OPSET = 13
EXACT_FLOAT32 = 1 << 24
"""Integers up to this magnitude are exact in float32; up to 2**53 in float64."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of the ONNX graph; ``shape`` has the batch, ``double`` tells float64 from float32."""

    name: str
    shape: tuple[int, ...]
    double: bool = False


class Writer:
    """Collects nodes, constants and types.

    Parameters
    ----------
    batch
        Samples at a time.
    """

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.value_infos: list[onnx.ValueInfoProto] = []
        self.datatypes: dict[str, str] = {}
        self._names: set[str] = set()

    def unique(self, name: str) -> str:
        """Return a tensor name that is not taken yet, and take it."""
        found, n = name, 1
        while found in self._names:
            n += 1
            found = f"{name}_{n}"
        self._names.add(found)
        return found

    def constant(self, name: str, values: NDArray[Any]) -> Tensor:
        """Add a constant; float64 stays float64, all else is written as it is."""
        name = self.unique(name)
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return Tensor(name, values.shape, values.dtype == np.float64)

    def numbers(self, name: str, values: NDArray[Any], *, double: bool) -> Tensor:
        """Add real constants in float64 or float32."""
        return self.constant(name, values.astype(np.float64 if double else np.float32))

    def node(
        self,
        kind: str,
        inputs: list[Tensor],
        output: str,
        shape: tuple[int, ...],
        *,
        double: bool = False,
        **attributes: int | float | str | list[int],
    ) -> Tensor:
        """Add a node; returns its tensor, which is named ``output`` if that is free."""
        name = self.unique(output)
        custom = kind in ("MultiThreshold", "BipolarQuant", "Quant")
        node = helper.make_node(
            kind,
            [tensor.name for tensor in inputs],
            [name],
            name=name,
            domain=DOMAIN if custom else "",
        )
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        kind_of = TensorProto.DOUBLE if double else TensorProto.FLOAT
        self.value_infos.append(helper.make_tensor_value_info(name, kind_of, shape))
        return Tensor(name, shape, double)

    def cast(self, tensor: Tensor, *, double: bool) -> Tensor:
        """Return a tensor in float64 or float32."""
        if tensor.double == double:
            return tensor
        to = TensorProto.DOUBLE if double else TensorProto.FLOAT
        name = f"{tensor.name}_{'double' if double else 'float'}"
        return self.node("Cast", [tensor], name, tensor.shape, double=double, to=to)

    def annotate(self, tensor: Tensor, element: Element) -> None:
        """Say which integers a tensor holds."""
        self.datatypes[tensor.name] = datatype(element)

    def annotations(self) -> list[onnx.TensorAnnotation]:
        """Return the integer types of all tensors, as FINN writes them."""
        return [
            onnx.TensorAnnotation(
                tensor_name=name,
                quant_parameter_tensor_names=[onnx.StringStringEntryProto(key="finn_datatype", value=value)],
            )
            for name, value in self.datatypes.items()
        ]


def layout_of(tensor: Tensor) -> str:
    """Return the names of a tensor's axes, as FINN writes them."""
    return "NC" if len(tensor.shape) == 2 else "NCHW"


def reached(element: Element) -> Integers:
    """Return the range of planes or integers."""
    if isinstance(element, Planes):
        return Integers(-element.largest, element.largest)
    if isinstance(element, Integers):
        return element
    raise RangeError(f"integers or planes are needed, not {element}")


def needs_double(element: Element) -> bool:
    """Tell whether integers leave the range that float32 holds exactly."""
    if isinstance(element, Reals):
        return False
    bound = reached(element)
    return max(-bound.low, bound.high) >= EXACT_FLOAT32


def datatype(element: Element) -> str:
    """Return FINN's name of the smallest type that holds all values: ``BIPOLAR``, ``UINT4``, ``INT9``."""
    if isinstance(element, Reals):
        return "FLOAT32"
    if isinstance(element, Planes) and element.scales == (1,) and element.mask is None:
        return "BIPOLAR"
    bound = reached(element)
    return f"{'INT' if bound.signed else 'UINT'}{bound.bits}"
