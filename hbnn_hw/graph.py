"""The IR: a small typed graph in SSA form, executable at every stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from hbnn_hw.errors import GraphError
from hbnn_hw.ops import HardwareOp, Op, Tensor, UnemittedOp, WiringOp
from hbnn_hw.ops.base import Array
from hbnn_hw.types import Bordered, Integers, Planes, TensorType


@dataclass(frozen=True, slots=True)
class Node:
    """One operator application; the node's name is also the name of the value it makes.

    Attributes
    ----------
    name
        Unique within the graph: the model's layer name, or derived from it.
    op
        The operator.
    inputs
        Names of the values it reads.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]

    def infer(self, *inputs: TensorType) -> TensorType:
        """Return the type of the node's value; raise GraphError, naming the node, if inputs do not fit."""
        try:
            return self.op.infer(*inputs)
        except GraphError as error:
            raise type(error)(f"'{self.name}': {error}") from error

    @property
    def hardware(self) -> HardwareOp:
        """The operator, which must be one that the accelerator executes; raises GraphError otherwise."""
        if not isinstance(self.op, HardwareOp):
            raise GraphError(
                f"'{self.name}' is a {type(self.op).__name__}, which hardware has in parts; lower the graph"
            )
        return self.op


@dataclass(frozen=True)
class Graph:
    """A network: nodes in topological order from one input to one output.

    Attributes
    ----------
    name
        Name of the network, an identifier.
    input_name
        Name of the input value.
    input_type
        Its type.
    nodes
        Operators, every value defined before it is used.
    """

    name: str
    input_name: str
    input_type: TensorType
    nodes: tuple[Node, ...]

    @cached_property
    def types(self) -> dict[str, TensorType]:
        """Type of every value, inferred node by node.

        Raises
        ------
        GraphError
            Naming the node at which a value is missing, defined twice, or of the wrong type.
        """
        types = {self.input_name: self.input_type}
        for node in self.nodes:
            if node.name in types:
                raise GraphError(f"'{node.name}' is defined twice")
            missing = [name for name in node.inputs if name not in types]
            if missing:
                raise GraphError(f"'{node.name}' reads '{missing[0]}', which is not defined before it")
            types[node.name] = node.infer(*(types[name] for name in node.inputs))
        return types

    @property
    def output_name(self) -> str:
        """Name of the output value: the last node's."""
        if not self.nodes:
            raise GraphError(f"the graph '{self.name}' has no nodes")
        return self.nodes[-1].name

    @property
    def output_type(self) -> TensorType:
        """Type of the output value."""
        return self.types[self.output_name]

    def source_type(self, node: Node) -> TensorType:
        """Type of a node's first input."""
        return self.types[node.inputs[0]]

    def input_types(self, node: Node) -> tuple[TensorType, ...]:
        """Types of a node's inputs."""
        return tuple(self.types[name] for name in node.inputs)

    def producer(self, name: str) -> str:
        """Name of the value whose stream carries a value: the value itself, unless wiring gives it."""
        return self._streams.get(name, name)

    @cached_property
    def _streams(self) -> dict[str, str]:
        """Values that wiring gives, each with the value whose stream carries it."""
        carried: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node.op, WiringOp):
                carried[node.name] = carried.get(node.inputs[0], node.inputs[0])
        return carried

    def consumers(self, name: str) -> tuple[Node, ...]:
        """Nodes that read a value."""
        return tuple(node for node in self.nodes if name in node.inputs)

    def readers(self, node: Node) -> tuple[tuple[Node, int], ...]:
        """Hardware nodes that read a node's stream, each with the position among its inputs."""
        return tuple(
            (reader, position)
            for reader in self.hardware_nodes
            for position, name in enumerate(reader.inputs)
            if self.producer(name) == node.name
        )

    @cached_property
    def hardware_nodes(self) -> tuple[Node, ...]:
        """Nodes that the accelerator executes, in order."""
        return tuple(node for node in self.nodes if isinstance(node.op, HardwareOp))

    @cached_property
    def cycles(self) -> dict[str, int]:
        """Clock cycles per sample of every hardware node, by name; kept, for counting steps takes long."""
        return {node.name: node.hardware.cycles(*self.input_types(node)) for node in self.hardware_nodes}

    @cached_property
    def host_nodes(self) -> tuple[Node, ...]:
        """Nodes that stay on the host."""
        return tuple(node for node in self.nodes if not isinstance(node.op, HardwareOp))

    @cached_property
    def nodes_behind(self) -> tuple[Node, ...]:
        """Host nodes that follow the accelerator's output."""
        seen = {self.hardware_output}
        for node in self.host_nodes:
            if not seen.isdisjoint(node.inputs):
                seen.add(node.name)
        return tuple(node for node in self.host_nodes if node.name in seen)

    @property
    def hardware_input(self) -> str:
        """Name of the value that enters the accelerator: the input, in the order that its stream has."""
        if not self.hardware_nodes:
            raise GraphError(f"the graph '{self.name}' has no hardware operators; lower it first")
        return self.hardware_nodes[0].inputs[0]

    @property
    def hardware_output(self) -> str:
        """Name of the value that leaves the accelerator."""
        if not self.hardware_nodes:
            raise GraphError(f"the graph '{self.name}' has no hardware operators; lower it first")
        return self.hardware_nodes[-1].name

    def check(self) -> None:
        """Check types, ranges and, between scheduled hardware nodes, stream widths; raise GraphError."""
        _ = self.types, self.output_name
        if not self.is_scheduled:
            return
        producers = {node.name: node for node in self.hardware_nodes}
        for node in self.hardware_nodes:
            for name in map(self.producer, node.inputs):
                if name in producers:
                    _check_stream(producers[name], node)

    @property
    def is_scheduled(self) -> bool:
        """Whether every operator between the accelerator's ends is one of the hardware and has its lanes."""
        in_parts = any(isinstance(node.op, UnemittedOp) for node in self.nodes)
        return not in_parts and all(node.hardware.is_scheduled for node in self.hardware_nodes)

    def run(self, data: Array) -> Tensor:
        """Compute the output of a batch by the operators' own plain meaning (slow, exact)."""
        return dict(self.trace(data))[self.output_name]

    def trace(self, data: Array) -> Iterator[tuple[str, Tensor]]:
        """Yield every value of a batch by name, in graph order, by the operators' plain meaning."""
        values = {self.input_name: Tensor(self.input_type, data)}
        yield self.input_name, values[self.input_name]
        for node in self.nodes:
            values[node.name] = node.op.run(*(values[name] for name in node.inputs))
            yield node.name, values[node.name]

    def text(self) -> str:
        """Print the graph, one value a line: ``fc1 : planes(1) [256] = mvtu(encode)``."""
        lines = [f"graph {self.name}", f"  {self.input_name} : {type_text(self.input_type)}"]
        for node in self.nodes:
            op = type(node.op).__name__
            lines.append(
                f"  {node.name} : {type_text(self.types[node.name])} = {op}({', '.join(node.inputs)})"
            )
        return "\n".join(lines) + "\n"


def _check_stream(producer: Node, node: Node) -> None:
    if producer.hardware.lanes_out != node.hardware.lanes_in:
        raise GraphError(
            f"'{node.name}' reads {node.hardware.lanes_in} lanes a beat, "
            f"but '{producer.name}' writes {producer.hardware.lanes_out}"
        )


def type_text(value: TensorType) -> str:
    """Print a type in one short phrase."""
    shape = "×".join(map(str, value.shape))
    match value.element:
        case Planes(scales):
            return f"{len(scales)} plane{'s' if len(scales) > 1 else ''} [{shape}]"
        case Bordered(planes):
            return f"{planes.n_planes} plane{'s' if planes.n_planes > 1 else ''} in a frame [{shape}]"
        case Integers(low, high):
            return f"integer {low}…{high} [{shape}]"
        case _:
            return f"real [{shape}]"
