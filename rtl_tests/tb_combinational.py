"""Simulator side: a combinational unit; apply values to ports, compare one output."""

import cocotb
from cocotb.triggers import Timer

from rtl_tests import job


@cocotb.test()
async def values(dut):
    task = job.load()
    for case, expected in zip(task["cases"], task["expected"], strict=True):
        for name, value in case.items():
            getattr(dut, name).value = value
        await Timer(1, "ns")
        found = int(getattr(dut, task["output"]).value)
        assert found == expected, f"{case} gives {found:x}, not {expected:x}"
