"""The network: a unit for every hardware operator, and the streams and queues between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count, takewhile

from amaranth.hdl import Module, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl import (
    add,
    arg_max,
    concat,
    decode,
    encode_bit_planes,
    fork,
    mvtu,
    pad,
    pad_planes,
    pool,
    rescale,
    sliding_window,
    threshold,
    width_converter,
    window_pool,
)
from hbnn_hw.backends.rtl.deep_fifo import queue
from hbnn_hw.backends.rtl.identifiers import kernel_name
from hbnn_hw.backends.rtl.lut import Fabric
from hbnn_hw.backends.rtl.mvtu_kernel_text import kernel_text
from hbnn_hw.backends.rtl.mvtu_unrolled import UnrolledMvtu
from hbnn_hw.backends.rtl.queues import queue_words
from hbnn_hw.backends.rtl.unrolled.plan import LayerPlan, plan_layer
from hbnn_hw.errors import GraphError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import (
    Add,
    ArgMax,
    Concat,
    Decode,
    EncodeBitPlanes,
    Fork,
    HardwareOp,
    Mvtu,
    Op,
    Pad,
    PadPlanes,
    Pool,
    Rescale,
    SlidingWindow,
    Threshold,
    WidthConverter,
    WindowPool,
)

BUILDERS: dict[type[HardwareOp], Callable[..., wiring.Component]] = {
    Add: add.build,
    ArgMax: arg_max.build,
    Concat: concat.build,
    Decode: decode.build,
    EncodeBitPlanes: encode_bit_planes.build,
    Fork: fork.build,
    Mvtu: mvtu.build,
    Pad: pad.build,
    PadPlanes: pad_planes.build,
    Pool: pool.build,
    Rescale: rescale.build,
    SlidingWindow: sliding_window.build,
    Threshold: threshold.build,
    WidthConverter: width_converter.build,
    WindowPool: window_pool.build,
}
"""How to build the unit of every hardware operator, from the operator and the types of its inputs.

That of a Fork is told its number of readers as well.
"""


def check_network(graph: Graph) -> None:
    """Raise GraphError unless the hardware operators are scheduled and all have a unit."""
    if not graph.hardware_nodes or not graph.is_scheduled:
        raise GraphError(f"the graph '{graph.name}' must be lowered and scheduled before it can be emitted")
    graph.check()
    check_known(graph)
    for node in graph.hardware_nodes[:-1]:
        readers = len(graph.readers(node))
        if readers != 1 and not isinstance(node.op, Fork):
            raise GraphError(f"'{node.name}' must have one reader, not {readers}; a Fork may have several")


def check_known(graph: Graph) -> None:
    """Raise GraphError, naming all such nodes, if operators have no RTL."""
    nodes = graph.hardware_nodes
    unknown = [f"'{node.name}' ({type(node.op).__name__})" for node in nodes if type(node.op) not in BUILDERS]
    if unknown:
        raise GraphError(f"the RTL back end does not emit {', '.join(unknown)} yet; use '--backend hls'")
    apart = [f"'{node.name}'" for node in nodes if _has_rows_apart(node.op)]
    if apart:
        raise GraphError(
            f"a folded unit must have one coefficient for each plane, not one for each row as in "
            f"{', '.join(apart)}; run the pass split_planes before the schedule"
        )


def _has_rows_apart(op: Op) -> bool:
    """Tell whether an operator is a folded unit whose rows have coefficients of their own."""
    if not isinstance(op, Mvtu) or op.weights.row_coefficients is None:
        return False
    return op.folding is None or not op.folding.unrolled


def unrolled_plans(graph: Graph) -> dict[str, LayerPlan]:
    """Plan every unrolled layer, by node name."""
    return {
        node.name: plan_layer(node.op, graph.source_type(node))
        for node in graph.hardware_nodes
        if isinstance(node.op, Mvtu) and node.op.scheduled_folding.unrolled
    }


def text_kernels(graph: Graph, plans: Mapping[str, LayerPlan], fabric: Fabric = Fabric.GENERIC) -> list[str]:
    """Verilog text of every unrolled layer's kernel, from the plans of :func:`unrolled_plans`."""
    texts = []
    for node in graph.hardware_nodes:
        if isinstance(node.op, Mvtu) and node.name in plans:
            plan, stages = plans[node.name], node.op.scheduled_folding.stages
            name = kernel_name(graph, node)
            texts.append(kernel_text(name, plan.netlist, stages, fabric, plan.explanation))
    return texts


def build_unit(graph: Graph, node: Node, text: bool) -> wiring.Component:
    """Return the unit of a node; ``text`` replaces the kernels of unrolled layers by instances."""
    op, sources = node.hardware, graph.input_types(node)
    if text and isinstance(op, Mvtu) and op.scheduled_folding.unrolled:
        return UnrolledMvtu(op, sources[0], kernel_name=kernel_name(graph, node))
    if isinstance(op, Fork):
        return BUILDERS[Fork](op, *sources, readers=len(graph.readers(node)))
    return BUILDERS[type(op)](op, *sources)


class Units:
    """The units of a graph and the streams between them, with the queues that branches and layers need.

    A unit has its node's name; the queue in front of it has ``_fifo`` behind that, and the position of the
    input where there are several.

    Parameters
    ----------
    graph
        A lowered, scheduled graph.
    text
        Whether unrolled kernels are instances of separately printed modules.
    """

    def __init__(self, graph: Graph, text: bool) -> None:
        check_network(graph)
        self.units = {node.name: build_unit(graph, node, text) for node in graph.hardware_nodes}
        self.queues: dict[str, wiring.Component] = {}
        self.streams: list[tuple[stream.Interface, stream.Interface]] = []
        outputs = {name: iter(_ports(unit, "o")) for name, unit in self.units.items()}
        words = queue_words(graph)
        for node in graph.hardware_nodes:
            for position, name in enumerate(node.inputs):
                end = self._entrance(node, position, words[node.name, position])
                source = graph.producer(name)
                if source in outputs:
                    self.streams.append((next(outputs[source]), end))
                else:
                    self.input = end
        self.output = next(outputs[graph.hardware_output])

    def _entrance(self, node: Node, position: int, words: int) -> stream.Interface:
        """Return where a stream enters: the unit's port, or the queue in front of it."""
        ports = _ports(self.units[node.name], "i")
        port = ports[position]
        if not words:
            return port
        fifo = queue(len(port.payload), words)
        self.queues[f"{node.name}_fifo{position if len(ports) > 1 else ''}"] = fifo
        self.streams.append((fifo.o, port))
        return fifo.i

    def connect(self, m: Module) -> None:
        """Add units and queues to a module and connect them."""
        for name, unit in (self.units | self.queues).items():
            m.submodules[name] = unit
        for before, after in self.streams:
            wiring.connect(m, before, after)


def _ports(unit: wiring.Component, side: str) -> list[stream.Interface]:
    """Streams of a unit on one side: ``i``, or ``i0``, ``i1`` and so on."""
    members = unit.signature.members
    names = [side] if side in members else takewhile(members.__contains__, (f"{side}{n}" for n in count()))
    return [getattr(unit, name) for name in names]


class Network(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """All units of a graph, connected: the accelerator without the AXI4-Stream edges.

    Latency and interval: :mod:`hbnn_hw.latency`.

    Parameters
    ----------
    graph
        A lowered, scheduled graph.

    Attributes
    ----------
    i, o
        Streams of the first unit's input and the last unit's output words.
    """

    def __init__(self, graph: Graph) -> None:
        self.units = Units(graph, text=False)
        first, last = self.units.input, self.units.output
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(len(first.payload)))),
                "o": Out(stream.Signature(unsigned(len(last.payload)))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Connect the units and the two ports."""
        m = Module()
        self.units.connect(m)
        wiring.connect(m, wiring.flipped(self.i), self.units.input)
        wiring.connect(m, self.units.output, wiring.flipped(self.o))
        return m
