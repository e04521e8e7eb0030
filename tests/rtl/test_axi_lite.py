"""The registers behind AXI4-Lite: what a host reads, under any pauses, and what it can reset."""

import random

import numpy as np
import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from hbnn_hw.backends.rtl.accelerator import CONTROL_PORT, Accelerator
from hbnn_hw.backends.rtl.axi_lite import ControlRegisters
from hbnn_hw.backends.rtl.control_registers import (
    ADDRESS_BITS,
    CONTROL,
    ID,
    IMAGES_IN,
    IMAGES_OUT,
    MAP_VERSION,
    NETWORK,
    REGISTERS,
    STATUS,
    VERSION,
    network_checksum,
)
from hbnn_hw.passes import FoldingRequest, lower
from tests.graphs import random_inputs, random_mlp
from tests.rtl.harness import golden

LIMIT = 50


class Host:
    """An AXI4-Lite master: one access at a time, with pauses of its own in every channel."""

    def __init__(self, ctx, port, seed, domain="sync"):
        self.ctx, self.port, self.rng, self.domain = ctx, port, random.Random(seed), domain

    def _tick(self):
        return self.ctx.tick(self.domain)

    async def _transfer(self, valid, ready):
        """Raise one side of a handshake, after a pause, until both are high."""
        await self._tick().repeat(self.rng.randrange(3) + 1)
        self.ctx.set(self.port(valid), 1)
        for _ in range(LIMIT):
            *_, taken = await self._tick().sample(self.port(ready))
            if taken:
                self.ctx.set(self.port(valid), 0)
                return
        pytest.fail(f"{ready} never came")

    async def read(self, offset):
        self.ctx.set(self.port("araddr"), offset)
        await self._transfer("arvalid", "arready")
        await self._tick().repeat(self.rng.randrange(3) + 1)
        self.ctx.set(self.port("rready"), 1)
        for _ in range(LIMIT):
            *_, valid, word, answer = await self._tick().sample(
                self.port("rvalid"), self.port("rdata"), self.port("rresp")
            )
            if valid:
                self.ctx.set(self.port("rready"), 0)
                assert answer == 0
                return word
        pytest.fail("no answer to a read")

    async def write(self, offset, word, strobe=0xF):
        """Address and data arrive in either order, or together."""
        self.ctx.set(self.port("awaddr"), offset)
        self.ctx.set(self.port("wdata"), word)
        self.ctx.set(self.port("wstrb"), strobe)
        early = self.rng.choice(("awvalid", "wvalid"))
        self.ctx.set(self.port(early), 1)
        *_, taken = await self._tick().sample(self.port("awready"))
        assert not taken, "a write needs its address and its data"
        self.ctx.set(self.port("awvalid"), 1)
        self.ctx.set(self.port("wvalid"), 1)
        *_, aw, w = await self._tick().sample(self.port("awready"), self.port("wready"))
        assert (aw, w) == (1, 1)
        self.ctx.set(self.port("awvalid"), 0)
        self.ctx.set(self.port("wvalid"), 0)
        await self._transfer("bready", "bvalid")


def simulate(unit, bench, domain="sync"):
    simulator = Simulator(unit)
    simulator.add_clock(1e-9, domain=domain)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("seed", range(4))
def test_every_register_reads_what_its_table_says(seed):
    unit = ControlRegisters(0xCAFE0123)

    async def bench(ctx):
        host = Host(ctx, lambda name: getattr(unit.bus, name), seed)
        expected = {ID: 0x4E4E4248, VERSION: MAP_VERSION, NETWORK: 0xCAFE0123, STATUS: 1}
        for _ in range(2):
            for register in random.Random(seed).sample(REGISTERS, len(REGISTERS)):
                assert await host.read(register.offset) == expected.get(register, 0)
        for offset in range(len(REGISTERS) * 4, 1 << ADDRESS_BITS, 4):
            assert await host.read(offset) == 0, "no such register"

    simulate(unit, bench)


def test_counters_count_pulses_and_start_over_on_request():
    unit = ControlRegisters(0)

    async def bench(ctx):
        host = Host(ctx, lambda name: getattr(unit.bus, name), 0)

        async def pulse(*names):
            for name in names:
                ctx.set(getattr(unit, name), 1)
            await ctx.tick()
            for name in names:
                ctx.set(getattr(unit, name), 0)

        async def state():
            return tuple([await host.read(register.offset) for register in (STATUS, IMAGES_IN, IMAGES_OUT)])

        await pulse("began")
        assert await state() == (0, 0, 0)
        await pulse("took")
        await pulse("began", "took", "misplaced")
        assert await state() == (2, 2, 0)
        await pulse("gave")
        await pulse("gave", "began")
        assert await state() == (2, 2, 2)
        await pulse("gave")
        assert await state() == (3, 2, 3)
        for offset, word, strobe in (
            (STATUS.offset, 1, 0xF),
            (CONTROL.offset, 2, 0xF),
            (CONTROL.offset, 1, 0xE),
        ):
            await host.write(offset, word, strobe)
        assert await state() == (3, 2, 3), "only bit 0 of CONTROL resets"
        await host.write(CONTROL.offset, 1)
        assert await state() == (1, 0, 0)
        assert ctx.get(unit.restart) == 0, "for one clock"

    simulate(unit, bench)


def test_a_host_counts_images_and_resets_a_network_in_mid_stream():
    graph = lower(random_mlp(3, [8, 6, 4], 2, (2, 1)), FoldingRequest(pe=2, simd=2))
    unit, inputs = Accelerator(graph), random_inputs(graph, 3, 0)
    beats = unit.input_edge.to_beats(inputs)
    expected = golden(graph, inputs)
    m = Module()
    m.domains.clock = clock = ClockDomain(reset_less=True)
    m.submodules.unit = unit
    m.d.comb += unit.aclk.eq(clock.clk)

    async def bench(ctx):
        host = Host(ctx, lambda name: getattr(unit, f"{CONTROL_PORT}_{name}"), 1, "clock")
        out = []

        async def send(words, misplaced=False):
            ctx.set(unit.s_axis_tlast, misplaced)
            for word in words:
                ctx.set(unit.s_axis_tdata, word)
                ctx.set(unit.s_axis_tvalid, 1)
                while not (await tick())[0]:
                    pass
            ctx.set(unit.s_axis_tvalid, 0)

        async def tick():
            *_, ready, valid, data, last = await ctx.tick("clock").sample(
                unit.s_axis_tready, unit.m_axis_tvalid, unit.m_axis_tdata, unit.m_axis_tlast
            )
            if valid:
                out.append(data)
                assert last == (len(out) % unit.output_edge.beats == 0)
            return (ready,)

        ctx.set(unit.aresetn, 1)
        ctx.set(unit.m_axis_tready, 1)
        assert await host.read(NETWORK.offset) == network_checksum(graph)
        await send(beats[: unit.input_edge.beats + 2], misplaced=True)
        status = await host.read(STATUS.offset)
        assert status == 2, "an image is inside, and TLAST came early"
        assert await host.read(IMAGES_IN.offset) == 1
        await host.write(CONTROL.offset, 1)
        assert await host.read(STATUS.offset) == 1
        out.clear()
        await send(beats)
        for _ in range(200):
            await tick()
        np.testing.assert_array_equal(unit.output_edge.from_beats(out), expected)
        assert await host.read(IMAGES_IN.offset) == await host.read(IMAGES_OUT.offset) == len(inputs)
        assert await host.read(STATUS.offset) == 1

    simulate(m, bench, "clock")
