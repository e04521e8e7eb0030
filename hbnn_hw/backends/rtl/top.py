"""The accelerator: a chain of stream units between two AXI4-Stream ports."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from amaranth.hdl import Cat, ClockDomain, Module, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl import encode_bit_planes, mvtu, width_converter
from hbnn_hw.backends.rtl.identifiers import kernel_name
from hbnn_hw.backends.rtl.mvtu_kernel_text import kernel_text
from hbnn_hw.backends.rtl.mvtu_unrolled import KERNEL_STAGES, UnrolledMvtu
from hbnn_hw.backends.rtl.stream_buffers import StreamFifo
from hbnn_hw.backends.rtl.unrolled.plan import plan_layer
from hbnn_hw.errors import GraphError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import EncodeBitPlanes, HardwareOp, Mvtu, WidthConverter
from hbnn_hw.streams import StreamEdge, input_buffer_words, input_edge, output_edge
from hbnn_hw.types import Planes

BUILDERS: dict[type[HardwareOp], Callable[..., wiring.Component]] = {
    EncodeBitPlanes: encode_bit_planes.build,
    Mvtu: mvtu.build,
    WidthConverter: width_converter.build,
}
"""How to build the unit of every hardware operator, from the operator and its input type."""


def check_chain(graph: Graph) -> None:
    """Raise GraphError unless the hardware operators are scheduled and follow each other in one chain."""
    if not graph.hardware_nodes or not graph.is_scheduled:
        raise GraphError(f"the graph '{graph.name}' must be lowered and scheduled before it can be emitted")
    graph.check()
    check_known(graph)
    expected = graph.producer(graph.hardware_input)
    for node in graph.hardware_nodes:
        if tuple(map(graph.producer, node.inputs)) != (expected,):
            raise GraphError(
                f"'{node.name}' must read '{expected}' alone; the RTL is a chain, not {node.inputs}"
            )
        expected = node.name


def check_known(graph: Graph) -> None:
    """Raise GraphError, naming all such nodes, if operators have no RTL yet."""
    unknown = [f"'{node.name}' ({form})" for node in graph.hardware_nodes if (form := _unknown(graph, node))]
    if unknown:
        raise GraphError(
            f"the RTL back end does not emit {', '.join(unknown)} yet; use '--backend hls', or a network of "
            "linear layers on bit-planes"
        )


def _unknown(graph: Graph, node: Node) -> str | None:
    """Tell what a node is that has no RTL; None if it has."""
    op, source = node.op, graph.source_type(node)
    if type(op) not in BUILDERS:
        return type(op).__name__
    if not isinstance(op, Mvtu):
        return None
    if len(source.shape) > 1 or op.groups > 1:
        return "Mvtu of an image"
    return None if isinstance(source.element, Planes) else "Mvtu of integers"


def text_kernels(graph: Graph) -> dict[str, str]:
    """Verilog text of every unrolled layer's kernel, by node name."""
    texts = {}
    for node in graph.hardware_nodes:
        op, source = node.op, graph.source_type(node)
        if isinstance(op, Mvtu) and op.scheduled_folding.unrolled:
            netlist = plan_layer(op, source).netlist
            texts[node.name] = kernel_text(kernel_name(graph, node), netlist, KERNEL_STAGES)
    return texts


def build_unit(graph: Graph, node: Node, text: bool) -> wiring.Component:
    """Return the unit of a node; ``text`` replaces the kernels of unrolled layers by instances."""
    op, source = node.hardware, graph.source_type(node)
    if text and isinstance(op, Mvtu) and op.scheduled_folding.unrolled:
        return UnrolledMvtu(op, source, kernel_name=kernel_name(graph, node))
    return BUILDERS[type(op)](op, source)


class Chain:
    """The units of a graph in order, with a FIFO of one sample in front of folded units behind other layers.

    Parameters
    ----------
    graph
        A lowered, scheduled graph.
    text
        Whether unrolled kernels are instances of separately printed modules.
    """

    def __init__(self, graph: Graph, text: bool) -> None:
        check_chain(graph)
        self.units: dict[str, wiring.Component] = {}
        for node in graph.hardware_nodes:
            unit = build_unit(graph, node, text)
            words = input_buffer_words(graph, node)
            if words:
                self.units[f"{node.name}_fifo"] = StreamFifo(len(unit.i.payload), words)
            self.units[node.name] = unit

    @property
    def ends(self) -> tuple[stream.Interface, stream.Interface]:
        """Input stream of the first and output stream of the last unit."""
        units = list(self.units.values())
        return units[0].i, units[-1].o

    def connect(self, m: Module) -> None:
        """Add the units to a module and connect neighbours."""
        units = list(self.units.values())
        for name, unit in self.units.items():
            m.submodules[name] = unit
        for before, after in pairwise(units):
            wiring.connect(m, before.o, after.i)


class Network(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """All units of a graph, connected: the accelerator without the AXI4-Stream edges.

    Latency and interval: :mod:`hbnn_hw.timing`.

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
        self.chain = Chain(graph, text=False)
        first, last = self.chain.ends
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(len(first.payload)))),
                "o": Out(stream.Signature(unsigned(len(last.payload)))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Connect the units and the two ports."""
        m = Module()
        self.chain.connect(m)
        first, last = self.chain.ends
        wiring.connect(m, wiring.flipped(self.i), first)
        wiring.connect(m, last, wiring.flipped(self.o))
        return m


class Accelerator(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """The network with the ports of a Vivado block: ``aclk``, ``aresetn``, ``s_axis_*``, ``m_axis_*``.

    The reset is synchronous and active low. ``s_axis_tlast`` is accepted but not needed: beats are counted,
    so the sender must start with the first beat of a sample after a reset. ``m_axis_tlast`` marks the last
    beat of every result.

    Parameters
    ----------
    graph
        A lowered, scheduled graph.
    """

    def __init__(self, graph: Graph) -> None:
        self.chain = Chain(graph, text=True)
        self.input_edge, self.output_edge = input_edge(graph), output_edge(graph)
        super().__init__(
            {
                "aclk": In(1),
                "aresetn": In(1),
                "s_axis_tdata": In(unsigned(self.input_edge.data_bits)),
                "s_axis_tvalid": In(1),
                "s_axis_tready": Out(1),
                "s_axis_tlast": In(1),
                "m_axis_tdata": Out(unsigned(self.output_edge.data_bits)),
                "m_axis_tvalid": Out(1),
                "m_axis_tready": In(1),
                "m_axis_tlast": Out(1),
            }
        )

    @property
    def ports(self) -> list[Value]:
        """Port signals in the order of the Verilog module."""
        return [getattr(self, name) for name in self.signature.members]

    def elaborate(self, platform: object) -> Module:
        """Connect clock, reset, streams, and count output beats for TLAST."""
        m = Module()
        m.domains.sync = sync = ClockDomain()
        self.chain.connect(m)
        first, last = self.chain.ends
        beat = Signal(range(self.output_edge.beats))
        m.d.comb += [
            sync.clk.eq(self.aclk),
            sync.rst.eq(~self.aresetn),
            first.payload.eq(_significant(self.s_axis_tdata, self.input_edge)),
            first.valid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(first.ready),
            self.m_axis_tdata.eq(_extended(last.payload, self.output_edge)),
            self.m_axis_tvalid.eq(last.valid),
            last.ready.eq(self.m_axis_tready),
            self.m_axis_tlast.eq(beat == self.output_edge.beats - 1),
        ]
        with m.If(self.m_axis_tvalid & self.m_axis_tready):
            m.d.sync += beat.eq(beat + 1)
            with m.If(self.m_axis_tlast):
                m.d.sync += beat.eq(0)
        return m


def _significant(data: Value, edge: StreamEdge) -> Value:
    """Take the significant bits of every lane."""
    return Cat(data[lane * edge.lane_bits :][: edge.element_bits] for lane in range(edge.lanes))


def _extended(word: Value, edge: StreamEdge) -> Value:
    """Extend every element to its lane, with its sign where it has one."""
    lanes = []
    for lane in range(edge.lanes):
        element = word[lane * edge.element_bits :][: edge.element_bits]
        fill = element[-1] if edge.signed else 0
        lanes.append(Cat(element, *[fill for _ in range(edge.lane_bits - edge.element_bits)]))
    return Cat(*lanes)
