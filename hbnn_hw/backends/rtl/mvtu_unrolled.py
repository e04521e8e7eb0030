"""Unrolled matrix-vector-threshold unit: all rows, columns and planes at once, weights as constants."""

from __future__ import annotations

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.rom import register
from hbnn_hw.backends.rtl.stream_buffers import SkidBuffer
from hbnn_hw.backends.rtl.unrolled.netlist import ONE, CarryChain, Lut, Netlist
from hbnn_hw.backends.rtl.unrolled.plan import plan_layer
from hbnn_hw.ops import Mvtu
from hbnn_hw.streams import beat_bits
from hbnn_hw.timing import matrix_depth
from hbnn_hw.types import TensorType


class UnrolledKernel(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """A kernel's netlist, combinational: the Amaranth form of ``mvtu_kernel_text.kernel_text``.

    Latency 0. Area: that of the netlist, ``netlist.luts``.

    Parameters
    ----------
    netlist
        The planned kernel.

    Attributes
    ----------
    lanes
        Input elements; plane q of element j is bit ``j * planes + q``.
    results
        Output elements, row 0 in the least significant bits.
    """

    def __init__(self, netlist: Netlist) -> None:
        self.netlist = netlist
        super().__init__(
            {"lanes": In(unsigned(netlist.n_inputs)), "results": Out(unsigned(len(netlist.outputs)))}
        )

    def elaborate(self, platform: object) -> Module:
        """Build cell by cell."""
        m = Module()
        nets: dict[int, Value] = dict(enumerate(self.lanes))
        for cell in self.netlist.cells:
            for net in cell.outputs:
                nets[net] = Signal(name=f"n{net}")
        build = _Cells(m, nets)
        for cell in self.netlist.cells:
            if isinstance(cell, Lut):
                build.lut(cell)
            else:
                build.chain(cell)
        m.d.comb += self.results.eq(Cat(build.value(net) for net in self.netlist.outputs))
        return m


class _Cells:
    """Adds the cells of a netlist to a module."""

    def __init__(self, m: Module, nets: dict[int, Value]) -> None:
        self.m = m
        self.nets = nets

    def value(self, net: int) -> Value:
        return Const(net == ONE, 1) if net < 0 else self.nets[net]

    def lut(self, cell: Lut) -> None:
        address = Cat(self.nets[net] for net in cell.inputs)
        for table, net in zip(cell.tables, cell.outputs, strict=True):
            bits = Const(table, 1 << len(cell.inputs))
            self.m.d.comb += self.nets[net].eq(bits.bit_select(address, 1))

    def chain(self, cell: CarryChain) -> None:
        carry = self.value(cell.carry_in)
        for select, generate, total in zip(cell.selects, cell.generates, cell.sums, strict=True):
            following = Signal(name=f"carry{total}")
            self.m.d.comb += [
                self.nets[total].eq(self.value(select) ^ carry),
                following.eq(Mux(self.value(select), carry, self.value(generate))),
            ]
            carry = following
        self.m.d.comb += self.nets[cell.carry_out].eq(carry)


class UnrolledMvtu(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """``thresholds(W x)`` or ``W x`` of a whole vector per clock, place by place.

    Latency ``timing.matrix_depth`` clocks: input register, the kernel's stages with ranks of registers
    between them, output register. Throughput: one vector per clock. Area grows with the average bitwidth: 64
    inputs of one bit and 32 rows of ±1 with thresholds take about 450 LUTs, 0.22 per weight.

    Parameters
    ----------
    op
        The scheduled, unrolled operator.
    source
        Type of its input: planes, planes in a frame of nothing, or integers.
    kernel_name
        Name of the Verilog module that is the kernel; its text is ``mvtu_kernel_text.kernel_text``. None
        builds the kernel here, for simulation and proof of small layers.

    Attributes
    ----------
    i
        Stream of whole vectors; bit q of element j is bit ``j * planes + q``. In a frame of nothing a bit
        above all elements tells that the vector lies outside the image.
    o
        Stream of whole results.
    """

    def __init__(self, op: Mvtu, source: TensorType, kernel_name: str | None = None) -> None:
        self.op = op
        self.source = source
        self.kernel_name = kernel_name
        element_bits = op.infer(source).element.bits
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(beat_bits(source, op.lanes_in)))),
                "o": Out(stream.Signature(unsigned(op.lanes_out * element_bits))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the pipeline around the kernel."""
        m = Module()
        m.submodules.skid = output = SkidBuffer(len(self.o.payload))
        advance = output.i.ready
        m.d.comb += self.i.ready.eq(advance)
        valid = self.i.valid
        for stage in range(1, matrix_depth(self.op) + 1):
            valid = register(m, valid, advance, f"valid{stage}")
        results = self._kernel(m, register(m, self.i.payload, advance, "lanes"), advance)
        m.d.comb += [
            output.i.payload.eq(register(m, results, advance, "result")),
            output.i.valid.eq(valid),
        ]
        wiring.connect(m, output.o, wiring.flipped(self.o))
        return m

    def _kernel(self, m: Module, lanes: Value, advance: Value) -> Value:
        """Add the kernel in either form; return its results, a clock later for every stage but the first."""
        stages = self.op.scheduled_folding.stages
        if self.kernel_name is not None:
            results = Signal(len(self.o.payload), name="results")
            clock = {"i_clk": ClockSignal(), "i_enable": advance} if stages > 1 else {}
            m.submodules.kernel = Instance(self.kernel_name, i_lanes=lanes, o_results=results, **clock)
            return results
        m.submodules.kernel = kernel = UnrolledKernel(plan_layer(self.op, self.source).netlist)
        m.d.comb += kernel.lanes.eq(lanes)
        results = kernel.results
        for stage in range(1, stages):
            results = register(m, results, advance, f"results{stage}")
        return results
