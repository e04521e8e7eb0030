"""Simulator side: any unit with streams ``i`` and ``o``; full rate, stalls, and a reset in mid-stream."""

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, with_timeout

from rtl_tests import job
from rtl_tests.axis import StreamSink, StreamSource, always, stalls


async def reset(dut):
    dut.rst.value, dut.i__valid.value, dut.i__payload.value, dut.o__ready.value = 1, 0, 0, 0
    await ClockCycles(dut.clk, 2)
    await FallingEdge(dut.clk)
    dut.rst.value = 0


async def run(dut, seed):
    words, expected = (job.load()[name] for name in ("words", "expected"))
    pattern = always if seed is None else lambda: stalls(seed)
    source = StreamSource(dut.clk, dut.i__valid, dut.i__ready, dut.i__payload, pattern())
    sink = StreamSink(dut.clk, dut.o__valid, dut.o__ready, dut.o__payload, pattern())
    sending = cocotb.start_soon(source.send(words))
    await with_timeout(sink.receive(len(expected)), 50_000, "ns")
    wrong = [at for at, pair in enumerate(zip(sink.words, expected, strict=True)) if pair[0] != pair[1]]
    assert not wrong, f"word {wrong[0]} is {sink.words[wrong[0]]:x}, not {expected[wrong[0]]:x}"
    await sending


@cocotb.test()
async def full_rate(dut):
    Clock(dut.clk, 2, unit="ns").start()
    await reset(dut)
    await run(dut, None)
    await run(dut, None)


@cocotb.test()
async def random_stalls(dut):
    Clock(dut.clk, 2, unit="ns").start()
    for seed in (1, 2):
        await reset(dut)
        await run(dut, seed)


@cocotb.test()
async def reset_in_mid_stream(dut):
    Clock(dut.clk, 2, unit="ns").start()
    for cycles in (1, 4, 7, 12):
        await reset(dut)
        source = StreamSource(dut.clk, dut.i__valid, dut.i__ready, dut.i__payload, always())
        sending = cocotb.start_soon(source.send(job.load()["words"]))
        dut.o__ready.value = cycles % 2
        await ClockCycles(dut.clk, cycles)
        sending.cancel()
        await FallingEdge(dut.clk)
        await reset(dut)
        await run(dut, cycles)
