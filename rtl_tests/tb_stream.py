"""Simulator side: any unit with valid/ready streams; full rate, stalls, and a reset in mid-stream.

The job's ``words`` and ``expected`` are lists by port name, or one list each for the ports ``i`` and ``o``.
With ``samples`` and ``intervals``, clocks by port name, in the job, the last words of neighbouring samples
must leave that many clocks apart once the pipeline is full.
"""

from itertools import count, pairwise

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, with_timeout

from rtl_tests import job
from rtl_tests.axis import StreamSink, StreamSource, always, stalls


def by_port(words, name):
    return words if isinstance(words, dict) else {name: words}


def load():
    """The job, its words to send and the words expected, by port name."""
    task = job.load()
    return task, by_port(task["words"], "i"), by_port(task["expected"], "o")


def signals(dut, port):
    return [getattr(dut, f"{port}__{name}") for name in ("valid", "ready", "payload")]


async def reset(dut):
    _, words, expected = load()
    dut.rst.value = 1
    for port in words:
        valid, _, payload = signals(dut, port)
        valid.value, payload.value = 0, 0
    for port in expected:
        signals(dut, port)[1].value = 0
    await ClockCycles(dut.clk, 2)
    await FallingEdge(dut.clk)
    dut.rst.value = 0


async def run(dut, seed):
    """Send everything; a seed gives every port stalls of its own."""
    task, words, expected = load()
    patterns = (always() if seed is None else stalls(16 * seed + at) for at in count())
    sources = {port: StreamSource(dut.clk, *signals(dut, port), next(patterns)) for port in words}
    sinks = {port: StreamSink(dut.clk, *signals(dut, port), next(patterns)) for port in expected}
    sending = [cocotb.start_soon(source.send(words[port])) for port, source in sources.items()]
    receiving = [cocotb.start_soon(sink.receive(len(expected[port]))) for port, sink in sinks.items()]
    for port_task in receiving:
        await with_timeout(port_task, 50_000, "ns")
    for port, sink in sinks.items():
        check_words(port, sink.words, expected[port])
        if seed is None and port in task.get("intervals", {}):
            check_interval(port, sink.cycles, task["samples"], task["intervals"][port])
    for port_task in sending:
        await port_task


def check_words(port, found, expected):
    wrong = [at for at, pair in enumerate(zip(found, expected, strict=True)) if pair[0] != pair[1]]
    assert not wrong, f"word {wrong[0]} of '{port}' is {found[wrong[0]]:x}, not {expected[wrong[0]]:x}"


def check_interval(port, cycles, samples, interval):
    last = cycles[len(cycles) // samples - 1 :: len(cycles) // samples]
    apart = [after - before for before, after in pairwise(last)]
    assert set(apart[1:]) <= {interval}, f"samples leave '{port}' {apart} clocks apart, not {interval}"


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
    _, words, expected = load()
    for cycles in (1, 4, 7, 12):
        await reset(dut)
        sources = [StreamSource(dut.clk, *signals(dut, port), always()) for port in words]
        sending = [
            cocotb.start_soon(source.send(words[port])) for port, source in zip(words, sources, strict=True)
        ]
        for at, port in enumerate(expected):
            signals(dut, port)[1].value = (cycles + at) % 2
        await ClockCycles(dut.clk, cycles)
        for port_task in sending:
            port_task.cancel()
        await FallingEdge(dut.clk)
        await reset(dut)
        await run(dut, cycles)
