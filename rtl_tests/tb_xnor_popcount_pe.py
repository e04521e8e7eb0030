"""Simulator side: the processing element, one step per clock with frozen clocks in between."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from rtl_tests import job

PORTS = {"weights": 0, "mask": 0, "lanes": 0, "plane": 1, "accumulate": 2, "restart": 2}
"""How many advancing clocks after its operands each port belongs to a step."""


@cocotb.test()
async def steps(dut):
    task, rng = job.load(), random.Random(0)
    Clock(dut.clk, 2, unit="ns").start()
    dut.rst.value, dut.advance.value, dut.accumulate.value = 1, 0, 0
    await FallingEdge(dut.clk)
    await FallingEdge(dut.clk)
    dut.rst.value = 0
    n_steps = len(task["expected"])
    for clock in range(n_steps + 2):
        while rng.random() < 0.3:
            dut.advance.value = 0
            await FallingEdge(dut.clk)
        dut.advance.value = 1
        for name, delay in PORTS.items():
            if 0 <= clock - delay < n_steps:
                getattr(dut, name).value = task[name][clock - delay]
        await FallingEdge(dut.clk)
        if clock >= 2:
            found, expected = int(dut.agreement.value), task["expected"][clock - 2]
            assert found == expected, f"step {clock - 2} gives {found}, not {expected}"
