"""AXI4-Lite slave with the control and status registers of an accelerator."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.control_registers import (
    ADDRESS_BITS,
    CONTROL,
    ID,
    IDENTITY,
    IMAGES_IN,
    IMAGES_OUT,
    MAP_VERSION,
    NETWORK,
    STATUS,
    VERSION,
    Register,
)

WORD_BITS = 32

IN_FLIGHT_BITS = 16
"""Enough to count the images inside an accelerator: no network holds more than a few in its queues."""

BUS = wiring.Signature(
    {
        "awaddr": Out(ADDRESS_BITS),
        "awprot": Out(3),
        "awvalid": Out(1),
        "awready": In(1),
        "wdata": Out(WORD_BITS),
        "wstrb": Out(WORD_BITS // 8),
        "wvalid": Out(1),
        "wready": In(1),
        "bresp": In(2),
        "bvalid": In(1),
        "bready": Out(1),
        "araddr": Out(ADDRESS_BITS),
        "arprot": Out(3),
        "arvalid": Out(1),
        "arready": In(1),
        "rdata": In(WORD_BITS),
        "rresp": In(2),
        "rvalid": In(1),
        "rready": Out(1),
    }
)
"""The bus, as its master sees it."""


class ControlRegisters(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """Registers of :mod:`~hbnn_hw.backends.rtl.control_registers` behind an AXI4-Lite slave.

    A read is answered one clock after its address; a write is taken when address and data are both there, and
    answered one clock later. Registers that do not exist read 0, and writing them does nothing; every answer
    is OKAY, as a host that probes must not hang or trap. All outputs to the network are registers.

    Throughput: an access in two clocks. Area: 64 LUTs, 116 flip-flops (Yosys, xc7).

    Source: AMBA AXI and ACE Protocol Specification (IHI 0022), chapter B1.

    Parameters
    ----------
    checksum
        What the register NETWORK reads.

    Attributes
    ----------
    bus
        The AXI4-Lite port.
    began, took
        Pulses: the first, and the last, beat of an image was taken.
    gave
        Pulse: the last beat of a result was taken.
    misplaced
        Pulse: an image's beat other than the last came with TLAST.
    restart
        High for one clock when the host asks for a reset.
    """

    def __init__(self, checksum: int) -> None:
        self.checksum = checksum
        super().__init__(
            {
                "bus": In(BUS),
                "began": In(1),
                "took": In(1),
                "gave": In(1),
                "misplaced": In(1),
                "restart": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the counters and both halves of the slave."""
        m = Module()
        images_in, images_out = Signal(WORD_BITS), Signal(WORD_BITS)
        in_flight, is_misplaced = Signal(IN_FLIGHT_BITS), Signal()
        with m.If(self.restart):
            m.d.sync += [images_in.eq(0), images_out.eq(0), in_flight.eq(0), is_misplaced.eq(0)]
        with m.Else():
            m.d.sync += [
                in_flight.eq(in_flight + self.began - self.gave),
                images_in.eq(images_in + self.took),
                images_out.eq(images_out + self.gave),
                is_misplaced.eq(is_misplaced | self.misplaced),
            ]
        self._write(m)
        self._read(
            m,
            {
                ID: IDENTITY,
                VERSION: MAP_VERSION,
                NETWORK: self.checksum,
                STATUS: Cat(in_flight == 0, is_misplaced),
                IMAGES_IN: images_in,
                IMAGES_OUT: images_out,
            },
        )
        return m

    def _write(self, m: Module) -> None:
        bus, taken = self.bus, Signal()
        m.d.comb += [
            taken.eq(bus.awvalid & bus.wvalid & (~bus.bvalid | bus.bready)),
            bus.awready.eq(taken),
            bus.wready.eq(taken),
        ]
        is_control = bus.awaddr[2:] == CONTROL.offset >> 2
        m.d.sync += [
            bus.bvalid.eq(taken | (bus.bvalid & ~bus.bready)),
            self.restart.eq(taken & is_control & bus.wstrb[0] & bus.wdata[0]),
        ]

    def _read(self, m: Module, words: dict[Register, int | Value]) -> None:
        bus, taken = self.bus, Signal()
        m.d.comb += [bus.arready.eq(~bus.rvalid | bus.rready), taken.eq(bus.arvalid & bus.arready)]
        m.d.sync += bus.rvalid.eq(taken | (bus.rvalid & ~bus.rready))
        # An OR of what the address lets through, in which lint finds no overlapping cases.
        index = bus.araddr[2:]
        chosen = [Mux(index == register.offset >> 2, word, 0) for register, word in words.items()]
        with m.If(taken):
            m.d.sync += bus.rdata.eq(reduce(or_, chosen))
