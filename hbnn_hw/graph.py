"""The IR: a small typed graph in SSA form, executable at every stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from hbnn_hw.errors import GraphError
from hbnn_hw.ops import Dense, HardwareOp, Mvtu, Op, Tensor, UnemittedOp
from hbnn_hw.ops.base import Array
from hbnn_hw.types import Integers, Planes, TensorType
from hbnn_hw.weights import WeightPlanes


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
                f"'{self.name}' is a {type(self.op).__name__}, which no back end emits; lower the graph"
            )
        return self.op

    @property
    def missing_form(self) -> str | None:
        """What the operator is that no back end emits yet; None if they know it."""
        name = type(self.op).__name__
        if isinstance(self.op, UnemittedOp):
            return name
        weights = getattr(self.op, "weights", None)
        if isinstance(weights, WeightPlanes) and weights.row_coefficients is not None:
            return f"{name} with one coefficient for each plane and row"
        return None


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

    def consumers(self, name: str) -> tuple[Node, ...]:
        """Nodes that read a value."""
        return tuple(node for node in self.nodes if name in node.inputs)

    @cached_property
    def hardware_nodes(self) -> tuple[Node, ...]:
        """Nodes that the accelerator executes, in order."""
        return tuple(node for node in self.nodes if isinstance(node.op, HardwareOp))

    @cached_property
    def host_nodes(self) -> tuple[Node, ...]:
        """Nodes that stay on the host."""
        return tuple(node for node in self.nodes if not isinstance(node.op, HardwareOp))

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
            for name in node.inputs:
                if name in producers:
                    _check_stream(producers[name], node)

    @property
    def is_emittable(self) -> bool:
        """Whether the back ends know all operators of the network, once it is lowered."""
        return not self._unemitted()

    def check_emittable(self) -> None:
        """Raise GraphError, naming all such nodes, if operators have no hardware form yet."""
        offenders = self._unemitted()
        if offenders:
            raise GraphError(
                f"no back end emits {', '.join(offenders)} yet; 'evaluate' and 'inspect' work on this "
                "network, export and estimates need one of linear layers"
            )

    def _unemitted(self) -> list[str]:
        """Name the nodes that no back end emits, each with what it is."""
        return [
            f"'{node.name}' ({form})"
            for node in self.nodes
            if (form := node.missing_form or self._missing_input_form(node))
        ]

    def _missing_input_form(self, node: Node) -> str | None:
        """Tell what other than planes that all elements have a matrix product reads, if it does."""
        if not isinstance(node.op, Dense | Mvtu):
            return None
        element = self.source_type(node).element
        if not isinstance(element, Planes):
            return f"{type(node.op).__name__} of integers"
        return None if element.mask is None else f"{type(node.op).__name__} of planes with a map"

    @property
    def is_scheduled(self) -> bool:
        """Whether every hardware operator has its parallelism."""
        return all(node.hardware.is_scheduled for node in self.hardware_nodes)

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
        case Integers(low, high):
            return f"integer {low}…{high} [{shape}]"
        case _:
            return f"real [{shape}]"
