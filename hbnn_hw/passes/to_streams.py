"""Pass: operators on images become operators on streams, which is what the hardware has.

A convolution is a frame, a sliding window and a matrix unit; pooling is a unit of its own where windows do
not overlap, and a sliding window with a reduction where they do. Values with several readers get a fork.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import GraphError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import (
    Add,
    ArgMax,
    Concat,
    Convolution,
    Decode,
    EncodeBitPlanes,
    Fork,
    HardwareOp,
    HostOp,
    MaxPool,
    Mvtu,
    Op,
    Pad,
    PadPlanes,
    Pool,
    PoolKind,
    Rescale,
    SlidingWindow,
    SumPool,
    Threshold,
    WindowPool,
    WiringOp,
)
from hbnn_hw.ops.base import range_of
from hbnn_hw.ops.convolution import MASKED
from hbnn_hw.types import Integers, Planes, TensorType


@dataclass(slots=True)
class _Streams:
    """The graph that is being built, with the types of its values."""

    source: Graph
    nodes: list[Node] = field(default_factory=list)
    types: dict[str, TensorType] = field(default_factory=dict)
    decoded: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, op: Op, *inputs: str) -> str:
        """Append a node and return its name."""
        node = Node(name, op, inputs)
        self.types[name] = node.infer(*(self.types[value] for value in inputs))
        self.nodes.append(node)
        return name

    def fresh(self, name: str) -> str:
        """Return a name that nothing has in either graph."""
        taken = self.types.keys() | self.source.types.keys()
        candidate, count = name, 2
        while candidate in taken:
            candidate, count = f"{name}_{count}", count + 1
        return candidate

    def integers(self, value: str) -> str:
        """Return a value as integers, decoding planes once for all readers."""
        if isinstance(self.types[value].element, Integers):
            return value
        if value not in self.decoded:
            self.decoded[value] = self.put(self.fresh(f"{value}_decoded"), Decode(), value)
        return self.decoded[value]

    def without_map(self, value: str) -> str:
        """Return a value as it is, or as integers if some of its elements lack planes."""
        element = self.types[value].element
        return self.integers(value) if isinstance(element, Planes) and element.mask else value


def frame_code(planes: Planes, value: int) -> tuple[int, ...] | None:
    """Return the bits of an element that has a value; None if no element can have it."""
    if planes.n_planes > 16 or abs(value) > planes.largest:
        return None
    for bits in product((0, 1), repeat=planes.n_planes):
        if sum(scale if bit else -scale for scale, bit in zip(planes.scales, bits, strict=True)) == value:
            return bits
    return None


def _framed(streams: _Streams, node: Node, value: str, padding: tuple[int, ...], border: int) -> str:
    """Put the frame of a convolution around an image."""
    if not any(padding):
        return value
    name, element = streams.fresh(f"{node.name}_pad"), streams.types[value].element
    if isinstance(element, Planes):
        code = None if border == MASKED else frame_code(element, border)
        if border == MASKED or code is not None:
            return streams.put(name, PadPlanes(padding=padding, frame=code), value)
    return streams.put(name, Pad(padding=padding, value=border), streams.integers(value))


def _convolution(streams: _Streams, node: Node, op: Convolution, value: str) -> None:
    value = _framed(streams, node, streams.without_map(value), op.padding, op.border)
    if max(op.kernel) > 1 or max(op.stride) > 1:
        window = SlidingWindow(
            kernel=op.kernel, stride=op.stride, dilation=op.dilation, block=op.group_inputs
        )
        value = streams.put(streams.fresh(f"{node.name}_window"), window, value)
    streams.put(node.name, Mvtu(weights=op.weights, groups=op.groups, window=prod(op.kernel)), value)


def _pooling(streams: _Streams, node: Node, op: MaxPool | SumPool, value: str) -> None:
    kind = PoolKind.SUM if isinstance(op, SumPool) else PoolKind.MAX
    smallest = None if isinstance(op, SumPool) else op.smallest
    value = streams.integers(value) if kind is PoolKind.SUM else streams.without_map(value)
    overlap = op.stride[0] < op.kernel[0] or op.stride[1] < op.kernel[1]
    if not overlap and not any(op.padding):
        pool = Pool(kind=kind, kernel=op.kernel, stride=op.stride, smallest=smallest)
        streams.put(node.name, pool, value)
        return
    if any(op.padding) and isinstance(streams.types[value].element, Planes):
        value = streams.put(streams.fresh(f"{node.name}_pad"), PadPlanes(padding=op.padding), value)
        _window_pool(streams, node.name, op, kind, smallest, value)
    elif any(op.padding) and smallest is not None:
        # The smallest is the largest of the negated numbers, so that one frame fits all channels.
        turned = streams.put(streams.fresh(f"{node.name}_turned"), _negate(smallest), value)
        framed = _framed(streams, node, turned, op.padding, range_of(streams.types[turned]).low)
        pooled = _window_pool(streams, streams.fresh(f"{node.name}_largest"), op, kind, None, framed)
        streams.put(node.name, _negate(smallest), pooled)
    else:
        # Every window sees a pixel as well, so what lies outside must only not change the result.
        outside = 0 if kind is PoolKind.SUM else range_of(streams.types[value]).low
        value = _framed(streams, node, value, op.padding, outside)
        _window_pool(streams, node.name, op, kind, smallest, value)


def _window_pool(
    streams: _Streams,
    name: str,
    op: MaxPool | SumPool,
    kind: PoolKind,
    smallest: NDArray[np.bool_] | None,
    value: str,
) -> str:
    window = SlidingWindow(kernel=op.kernel, stride=op.stride, block=1)
    value = streams.put(streams.fresh(f"{name}_window"), window, value)
    pool = WindowPool(kind=kind, window=prod(op.kernel), block=1, smallest=smallest)
    return streams.put(name, pool, value)


def _negate(channels: NDArray[np.bool_]) -> Rescale:
    """Turn the sign of some channels."""
    return Rescale(
        multipliers=np.where(channels, -1, 1).astype(np.int64)[np.newaxis],
        offsets=np.zeros((1, len(channels)), dtype=np.int64),
        knees=np.zeros((0, len(channels)), dtype=np.int64),
        shift=0,
    )


def _kept(streams: _Streams, node: Node, inputs: tuple[str, ...]) -> None:
    """Keep an operator that streams have as it is, giving it the form of element that it reads there."""
    match node.op:
        case Add() | ArgMax() | Rescale() | Threshold() | Pad():
            inputs = tuple(map(streams.integers, inputs))
        case Concat():
            kept = isinstance(streams.source.types[node.name].element, Planes)
            as_planes = kept and all(streams.without_map(value) == value for value in inputs)
            inputs = inputs if as_planes else tuple(map(streams.integers, inputs))
        case Mvtu():
            inputs = tuple(map(streams.without_map, inputs))
        case EncodeBitPlanes() | HostOp() | WiringOp():
            pass
        case other:
            raise GraphError(f"'{node.name}' is a {type(other).__name__}, which streams do not have")
    streams.put(node.name, node.op, *inputs)


_IMAGE_OPS: dict[type[Op], Callable[..., None]] = {
    Convolution: _convolution,
    MaxPool: _pooling,
    SumPool: _pooling,
}


def to_streams(graph: Graph) -> Graph:
    """Replace operators on images by those on streams; the values that leave the graph stay the same.

    Weights must have one coefficient per plane (:func:`hbnn_hw.passes.split_planes`).

    Raises
    ------
    GraphError
        Naming an operator that streams do not have.
    """
    streams = _Streams(graph, types={graph.input_name: graph.input_type})
    for node in graph.nodes:
        build = _IMAGE_OPS.get(type(node.op))
        if build:
            build(streams, node, node.op, *node.inputs)
        else:
            _kept(streams, node, node.inputs)
    built = Graph(graph.name, graph.input_name, graph.input_type, tuple(streams.nodes))
    return _fork(_fuse(_alive(built)))


def _alive(graph: Graph) -> Graph:
    """Leave out what leads to no output: a stream without a reader would stop its writer."""
    needed = {graph.output_name}
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.inputs)
    nodes = tuple(node for node in graph.nodes if node.name in needed)
    return Graph(graph.name, graph.input_name, graph.input_type, nodes)


def _fuse(graph: Graph) -> Graph:
    """Move thresholds that alone read a matrix unit's sums into the unit, which keeps its name."""
    nodes: list[Node] = []
    renamed: dict[str, str] = {}
    for node in graph.nodes:
        if node.name in renamed:
            continue
        op, readers = node.op, graph.consumers(node.name)
        if isinstance(op, Mvtu) and op.thresholds is None and len(readers) == 1:
            behind = readers[0].op
            if isinstance(behind, Threshold):
                op = replace(op, thresholds=behind.thresholds)
                renamed[readers[0].name] = node.name
        nodes.append(Node(node.name, op, tuple(renamed.get(name, name) for name in node.inputs)))
    return Graph(graph.name, graph.input_name, graph.input_type, tuple(nodes))


def _fork(graph: Graph) -> Graph:
    """Put a fork behind every value that several operators of the hardware read."""
    nodes: list[Node] = []
    renamed: dict[str, str] = {}
    names = set(graph.types)

    def fork(value: str) -> None:
        readers = [reader for reader in graph.consumers(value) if not isinstance(reader.op, HostOp)]
        if sum(reader.inputs.count(value) for reader in readers) > 1:
            name = f"{value}_fork"
            while name in names:
                name += "_2"
            names.add(name)
            nodes.append(Node(name, Fork(), (value,)))
            renamed[value] = name

    if not any(isinstance(reader.op, HostOp) for reader in graph.consumers(graph.input_name)):
        fork(graph.input_name)
    for node in graph.nodes:
        inputs = node.inputs if isinstance(node.op, Fork) else tuple(renamed.get(n, n) for n in node.inputs)
        nodes.append(Node(node.name, node.op, inputs))
        if isinstance(node.op, HardwareOp | WiringOp) or node.name == _front(graph):
            fork(node.name)
    return Graph(graph.name, graph.input_name, graph.input_type, tuple(nodes))


def _front(graph: Graph) -> str:
    """Name of the value that enters the accelerator."""
    first = next((node for node in graph.nodes if isinstance(node.op, HardwareOp)), None)
    return first.inputs[0] if first else graph.input_name
