"""The accelerator: a network between two AXI4-Stream ports, with registers behind an AXI4-Lite port."""

from __future__ import annotations

from amaranth.hdl import Cat, ClockDomain, DomainRenamer, Module, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.axi_lite import BUS, ControlRegisters
from hbnn_hw.backends.rtl.control_registers import network_checksum
from hbnn_hw.backends.rtl.top import Units
from hbnn_hw.graph import Graph
from hbnn_hw.streams import StreamEdge, input_edge, output_edge

CONTROL_PORT = "s_axi_control"


class Accelerator(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """The network with the ports of a Vivado block: ``aclk``, ``aresetn``, ``s_axis_*``, ``m_axis_*``.

    The reset is synchronous and active low. ``s_axis_tlast`` is accepted but not needed: beats are counted,
    so the sender must start with the first beat of a sample after a reset. ``m_axis_tlast`` marks the last
    beat of every result. ``s_axi_control_*`` tells what is inside and what it does
    (:mod:`hbnn_hw.backends.rtl.control_registers`); without a host, its inputs are 0.

    Parameters
    ----------
    graph
        A lowered, scheduled graph.
    """

    def __init__(self, graph: Graph) -> None:
        self.units = Units(graph, text=True)
        self.checksum = network_checksum(graph)
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
                **{f"{CONTROL_PORT}_{name}": member for name, member in BUS.flip().members.items()},
            }
        )

    @property
    def ports(self) -> list[Value]:
        """Port signals in the order of the Verilog module."""
        return [getattr(self, name) for name in self.signature.members]

    def elaborate(self, platform: object) -> Module:
        """Connect clocks, resets and streams; count beats for TLAST and for the registers."""
        m = Module()
        self.units.connect(m)
        m.submodules.control = control = DomainRenamer("control")(ControlRegisters(self.checksum))
        self._reset(m, control.restart)
        self._streams(m, control.restart)
        taken, is_first, is_last = self._beats(m, "s_axis", self.input_edge)
        given, _, is_result = self._beats(m, "m_axis", self.output_edge)
        m.d.comb += [
            self.m_axis_tlast.eq(is_result),
            control.began.eq(taken & is_first),
            control.took.eq(taken & is_last),
            control.misplaced.eq(taken & self.s_axis_tlast & ~is_last),
            control.gave.eq(given & is_result),
        ]
        for name, member in BUS.members.items():
            port, inner = getattr(self, f"{CONTROL_PORT}_{name}"), getattr(control.bus, name)
            m.d.comb += inner.eq(port) if member.flow is Out else port.eq(inner)
        return m

    def _reset(self, m: Module, restart: Value) -> None:
        """Let the host reset the network, but not the registers through which it asked for that."""
        sync, control = ClockDomain("sync"), ClockDomain("control")
        m.domains += sync, control
        m.d.comb += [
            sync.clk.eq(self.aclk),
            sync.rst.eq(~self.aresetn | restart),
            control.clk.eq(self.aclk),
            control.rst.eq(~self.aresetn),
        ]

    def _streams(self, m: Module, restart: Value) -> None:
        """Connect the edges; no beat is taken in the clock of a reset, for it would be lost."""
        first, last = self.units.input, self.units.output
        m.d.comb += [
            first.payload.eq(_significant(self.s_axis_tdata, self.input_edge)),
            first.valid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(first.ready & ~restart),
            self.m_axis_tdata.eq(_extended(last.payload, self.output_edge)),
            self.m_axis_tvalid.eq(last.valid),
            last.ready.eq(self.m_axis_tready),
        ]

    def _beats(self, m: Module, port: str, edge: StreamEdge) -> tuple[Value, Value, Value]:
        """Count the beats of an edge; return whether one moves, and is its image's first, and last."""
        beat, moves = Signal(range(edge.beats), name=f"{port}_beat"), Signal(name=f"{port}_moves")
        is_last = beat == edge.beats - 1
        m.d.comb += moves.eq(getattr(self, f"{port}_tvalid") & getattr(self, f"{port}_tready"))
        with m.If(moves):
            m.d.sync += beat.eq(beat + 1)
            with m.If(is_last):
                m.d.sync += beat.eq(0)
        return moves, beat == 0, is_last


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
