"""A graph made ready to run: one step for each node, and what may be forgotten behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hbnn_hw.backends.golden.steps import KernelOf, Step, step_of
from hbnn_hw.backends.golden.values import Value
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops.base import Array
from hbnn_hw.types import Planes, TensorType


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How to compute the values of a graph, one after the other.

    Attributes
    ----------
    graph
        The graph.
    steps
        One for each node.
    last_reads
        For each node the names of the values that no later node reads.
    """

    graph: Graph
    steps: tuple[Step, ...]
    last_reads: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, graph: Graph, kernel_of: KernelOf) -> Plan:
        """Choose the steps and prepare their constants."""
        steps = tuple(
            step_of(node.op, _sources(graph, node), graph.types[node.name], kernel_of) for node in graph.nodes
        )
        return cls(graph, steps, last_reads(graph))

    def run(self, data: Array) -> Iterator[tuple[str, Value]]:
        """Yield every value of a batch by name, in graph order; keep none that is not needed any more."""
        graph = self.graph
        values = {graph.input_name: Value(graph.input_type, data=data)}
        del data  # or this frame would keep it
        yield graph.input_name, values[graph.input_name]
        for node, step, done in zip(graph.nodes, self.steps, self.last_reads, strict=True):
            value = values[node.name] = step(*(values[name] for name in node.inputs))
            for name in done:
                del values[name]
            yield node.name, value

    def value(self, data: Array, wanted: str) -> Array:
        """Return one value of a batch in the form that the IR documents."""
        return next(value.data() for name, value in self.run(data) if name == wanted)


def _sources(graph: Graph, node: Node) -> tuple[TensorType, ...]:
    return tuple(graph.types[name] for name in node.inputs)


def last_reads(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """Return for each node the values that it is the last one to read."""
    last = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    return tuple(tuple(name for name, i in last.items() if i == index) for index in range(len(graph.nodes)))


def bytes_alive(graph: Graph) -> int:
    """Return the most memory of one image's values that are needed at the same time."""
    alive, most = _bytes(graph.input_type), 0
    for node, done in zip(graph.nodes, last_reads(graph), strict=True):
        alive += _bytes(graph.types[node.name])
        most = max(most, alive)
        alive -= sum(_bytes(graph.types[name]) for name in done)
    return max(most, alive)


def _bytes(value: TensorType) -> int:
    """Memory of one image's value: a byte for each bit and a float32 for each element, or 8 for a number."""
    per_element = value.element.n_planes + 4 if isinstance(value.element, Planes) else 8
    return per_element * value.n_elements
