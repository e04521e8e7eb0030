"""The walk through an ONNX graph, and the IR that grows on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from hbnn_hw.capture.names import identifier
from hbnn_hw.capture.qonnx.reading import OnnxNode
from hbnn_hw.capture.qonnx.values import Constant, Reals, Tensor, Value
from hbnn_hw.errors import CaptureError
from hbnn_hw.graph import Node
from hbnn_hw.lowering.common_step import common_step
from hbnn_hw.lowering.fixed_point import fixed_point
from hbnn_hw.lowering.lines import Lines
from hbnn_hw.lowering.stages import Integers
from hbnn_hw.ops import Affine, Op, PiecewiseAffine, Rescale
from hbnn_hw.ops.base import range_of
from hbnn_hw.types import TensorType

LARGEST_VALUE = 1 << 26
"""Elements of the largest value of one sample."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One ONNX node at its place; ``inputs`` has None for an optional input that is left out."""

    node: OnnxNode
    inputs: tuple[Tensor | None, ...]

    @property
    def title(self) -> str:
        """Name and operator, for a complaint."""
        return self.node.title

    @property
    def name(self) -> str:
        """Name of the node."""
        return self.node.name

    @property
    def input(self) -> Value:
        """The first input, which must depend on the network's."""
        return self.value(0)

    def value(self, index: int) -> Value:
        """Return an input that depends on the network's input; raise CaptureError if it does not."""
        found = self.inputs[index] if index < len(self.inputs) else None
        if not isinstance(found, Value):
            raise CaptureError(f"input {index} of {self.title} must depend on the network's input")
        return found

    def constant(self, index: int) -> Constant | None:
        """Return a constant input, None if it is left out; raise CaptureError if it is computed."""
        found = self.inputs[index] if index < len(self.inputs) else None
        if isinstance(found, Value):
            raise CaptureError(f"input {index} of {self.title} must be a constant")
        return found

    def reals(self, index: int) -> Reals:
        """Return a constant input's numbers; raise CaptureError unless there are some, all finite."""
        found = self.constant(index)
        if found is None or not found.numbers.size:
            raise CaptureError(f"{self.title} must have an input {index}")
        reals = found.reals
        if not np.isfinite(reals).all():
            raise CaptureError(f"input {index} of {self.title} must be finite; it holds NaN or infinity")
        return reals

    def image(self) -> Value:
        """Return the first input, which must be an image or a sequence with its channels first."""
        value = self.input
        if value.axes not in ((2, 0, 1), (2, 1)) or value.rearranged:
            raise CaptureError(
                f"{self.title} must read images (batch, channels, rows, columns), not {value.onnx_shape}; "
                "convert the model to channels-first"
            )
        return value

    def plain(self) -> Value:
        """Return the first input, which the host must not have to rearrange."""
        if self.input.rearranged:
            raise CaptureError(
                f"{self.title} cannot stand behind a DepthToSpace, which stays on the host; only one "
                "function of all values can"
            )
        return self.input


class Lowering:
    """Collects the IR's nodes.

    Parameters
    ----------
    name, kind
        The graph's input.

    Attributes
    ----------
    nodes
        In topological order.
    types
        Of every value.
    notes
        What a user should know of what was left out.
    """

    def __init__(self, name: str, kind: TensorType) -> None:
        self.nodes: list[Node] = []
        self.types: dict[str, TensorType] = {name: kind}
        self.notes: list[str] = []

    def put(self, name: str, op: Op, *sources: str) -> str:
        """Add an operator; return the name of its value."""
        base = unique = identifier(name)
        n = 1
        while unique in self.types:
            n += 1
            unique = f"{base}_{n}"
        node = Node(unique, op, sources)
        kind = node.infer(*(self.types[source] for source in sources))
        if prod(kind.shape) > LARGEST_VALUE:
            raise CaptureError(f"'{unique}' must have at most {LARGEST_VALUE} elements, not {kind.shape}")
        self.nodes.append(node)
        self.types[unique] = kind
        return unique

    def bound(self, node: str) -> tuple[int, int]:
        """Return the proven range of a value."""
        reached = range_of(self.types[node])
        return reached.low, reached.high

    def lines(self, value: Value) -> Lines:
        """Return a value as a function of its integers."""
        if isinstance(value.stage, Lines):
            return value.stage
        stage = value.stage
        slope, offset, spread = (
            np.full(value.channels, v) for v in (stage.scale, stage.offset, stage.spread)
        )
        return Lines.straight(slope, offset, (stage.low, stage.high), spread)

    def straight(self, node: str, slope: Reals, offset: Reals) -> Integers | Lines:
        """Return the meaning of integers: with one scale and offset for all channels, if that is so."""
        low, high = self.bound(node)
        if (slope == slope[0]).all() and (offset == offset[0]).all() and slope[0] > 0:
            scale = float(slope[0])
            spread = scale * max(-low, high)
            return Integers(scale=scale, low=low, high=high, spread=spread, offset=float(offset[0]))
        return Lines.straight(slope, offset, (low, high), np.abs(slope) * max(-low, high, 1))

    def integers(self, layer: Layer, value: Value) -> Value:
        """Return a value as integers of one scale; what is not so yet is brought to fixed point."""
        if isinstance(value.stage, Integers):
            return value
        return self.on_step(layer, value, common_step([value.stage], with_offsets=True))

    def on_step(self, layer: Layer, value: Value, step: float) -> Value:
        """Return a value as integers without offset that are ``step`` apart."""
        lines = self.lines(value)
        form = fixed_point(lines, step)
        op = Rescale(multipliers=form.multipliers, offsets=form.offsets, knees=lines.knees, shift=form.shift)
        node = self.put(f"{layer.name}_fixed", op, value.node)
        low, high = self.bound(node)
        return replace(
            value, node=node, stage=Integers(scale=step, low=low, high=high, spread=step * max(-low, high))
        )

    def rising(self, layer: Layer, value: Value) -> Value:
        """Return a value whose integers rise with what they stand for, in every channel."""
        lines = self.lines(value)
        if lines.rises:
            return value
        if not lines.is_straight:
            return self.integers(layer, value)
        signs = np.where(lines.slopes < 0, -1, 1).astype(np.int64)
        op = Rescale(multipliers=signs, offsets=np.zeros_like(signs), knees=lines.knees, shift=0)
        node = self.put(f"{layer.name}_rising", op, value.node)
        return replace(value, node=node, stage=self.straight(node, np.abs(lines.slopes[0]), lines.offsets[0]))

    def finish(self, value: Value) -> Value:
        """Add the affine that makes real numbers of the last integers, if they are not those already."""
        stage = value.stage
        if isinstance(stage, Integers) and (stage.scale, stage.offset) == (1.0, 0.0):
            return value
        lines = self.lines(value)
        alpha, beta = lines.slopes.astype(np.float32), lines.offsets.astype(np.float32)
        op = (
            Affine(alpha=alpha[0], beta=beta[0])
            if lines.is_straight
            else PiecewiseAffine(alpha=alpha, beta=beta, knees=lines.knees)
        )
        return replace(value, node=self.put(f"{value.node}_affine", op, value.node))
