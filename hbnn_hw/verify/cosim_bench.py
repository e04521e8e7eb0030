"""Cocotb test module: drive an accelerator's AXI4-Stream ports and record every transfer.

It runs inside the simulator and judges nothing: :mod:`hbnn_hw.verify.cosim` gives it a job and compares what
it recorded. All actions happen at the falling clock edge and all looks in the read-only phase after it, when
everything that the next rising edge will see has settled; so no simulator's event order matters.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.handle import HierarchyObject, LogicArrayObject, LogicObject
from cocotb.triggers import ClockCycles, FallingEdge, First, ReadOnly, RisingEdge, Timer
from cocotb.types import Logic, LogicArray
from cocotb.utils import get_sim_time

from hbnn_hw.verify.simulators import BENCH_JOB

PERIOD_NS = 10

CONTROL_INPUTS = (
    *("awaddr", "awprot", "awvalid", "wdata", "wstrb", "wvalid", "bready"),
    *("araddr", "arprot", "arvalid", "rready"),
)
"""Inputs of the control port, which has no host here."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the bench has to do.

    Attributes
    ----------
    beats
        Input beats, hexadecimal.
    output_beats
        How many output beats to wait for.
    max_cycles
        When to give up.
    stall_seed
        Seed of random stalls on both sides; None for none.
    record
        Where the record goes.
    """

    beats: tuple[str, ...]
    output_beats: int
    max_cycles: int
    stall_seed: int | None
    record: str


@dataclass(frozen=True, slots=True)
class Ports:
    """The accelerator's ports."""

    aclk: LogicObject
    aresetn: LogicObject
    s_axis_tdata: LogicArrayObject
    s_axis_tvalid: LogicObject
    s_axis_tready: LogicObject
    s_axis_tlast: LogicObject
    m_axis_tdata: LogicArrayObject
    m_axis_tvalid: LogicObject
    m_axis_tready: LogicObject
    m_axis_tlast: LogicObject

    @classmethod
    def of(cls, top: HierarchyObject) -> Ports:
        """Look the ports up."""
        return cls(*(getattr(top, port.name) for port in fields(cls)))


@dataclass(slots=True)
class Record:
    """What happened, beat by beat; cycles count from the release of the reset.

    Attributes
    ----------
    input_cycles, output_cycles
        Cycle of every transfer.
    outputs
        Output beats, hexadecimal, or as bit strings where a bit was undefined.
    lasts
        TLAST of every output beat.
    violations
        Breaches of the AXI4-Stream rule that valid and data hold until they are taken.
    """

    input_cycles: list[int] = field(default_factory=list)
    output_cycles: list[int] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    lasts: list[int] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


def stall_pattern(seed: int) -> Iterator[int]:
    """Yield 1 to go and 0 to stall: runs of random length, so that bursts and long pauses both occur."""
    rng = random.Random(seed)
    while True:
        go, length = rng.random() < 0.6, rng.choice((1, 1, 1, 2, 3, 8, 20))
        yield from [int(go)] * length


def _cycle() -> int:
    return round(get_sim_time("ns") / PERIOD_NS)


def _text(value: LogicArray | Logic) -> str:
    return f"{int(value):x}" if value.is_resolvable else str(value)


async def _send(dut: Ports, job: Job, record: Record, start: int) -> None:
    """Offer the beats; at full rate sleep while the accelerator refuses."""
    pattern = stall_pattern(job.stall_seed) if job.stall_seed is not None else None
    for beat in job.beats:
        while pattern is not None and not next(pattern):
            dut.s_axis_tvalid.value = 0
            await FallingEdge(dut.aclk)
        dut.s_axis_tvalid.value = 1
        dut.s_axis_tdata.value = int(beat, 16)
        await ReadOnly()
        while not int(dut.s_axis_tready.value):
            if pattern is None:
                await RisingEdge(dut.s_axis_tready)
            await FallingEdge(dut.aclk)
            await ReadOnly()
        record.input_cycles.append(_cycle() - start)
        await FallingEdge(dut.aclk)
    dut.s_axis_tvalid.value = 0


async def _receive(dut: Ports, job: Job, record: Record, start: int) -> None:
    """Take the beats; at full rate sleep while there are none."""
    pattern = stall_pattern(job.stall_seed + 1) if job.stall_seed is not None else None
    held: tuple[str, int] | None = None
    while len(record.outputs) < job.output_beats:
        go = 1 if pattern is None else next(pattern)
        dut.m_axis_tready.value = go
        await ReadOnly()
        valid = int(dut.m_axis_tvalid.value)
        shown = (_text(dut.m_axis_tdata.value), int(dut.m_axis_tlast.value)) if valid else None
        if held is not None and shown != held:
            record.violations.append(f"cycle {_cycle() - start}: {held} became {shown} while refused")
        held = shown if valid and not go else None
        if valid and go and shown:
            record.output_cycles.append(_cycle() - start)
            record.outputs.append(shown[0])
            record.lasts.append(shown[1])
        if pattern is None and not valid:
            await RisingEdge(dut.m_axis_tvalid)
        await FallingEdge(dut.aclk)


@cocotb.test()
async def stream(dut: HierarchyObject) -> None:
    """Reset, send and receive side by side, then watch for beats too many."""
    job = Job(**json.loads(Path(os.environ[BENCH_JOB]).read_text(encoding="utf-8")))
    record, ports = Record(), Ports.of(dut)
    ports.aresetn.value, ports.s_axis_tvalid.value, ports.m_axis_tready.value = 0, 0, 0
    ports.s_axis_tdata.value, ports.s_axis_tlast.value = 0, 0
    for name in CONTROL_INPUTS:
        getattr(dut, f"s_axi_control_{name}").value = 0
    Clock(ports.aclk, PERIOD_NS, unit="ns").start(start_high=False)
    await ClockCycles(ports.aclk, 3)
    await FallingEdge(ports.aclk)
    ports.aresetn.value = 1
    await ClockCycles(ports.aclk, 2)
    await FallingEdge(ports.aclk)
    start = _cycle()
    cocotb.start_soon(_send(ports, job, record, start))
    receiver = cocotb.start_soon(_receive(ports, job, record, start))
    await First(receiver, Timer(job.max_cycles * PERIOD_NS, unit="ns"))
    await FallingEdge(ports.aclk)
    await _watch(ports, record, start)
    Path(job.record).write_text(json.dumps(asdict(record)), encoding="utf-8")


async def _watch(dut: Ports, record: Record, start: int) -> None:
    """Note every beat that comes although nothing more is due."""
    dut.m_axis_tready.value = 1
    for _ in range(64):
        await ReadOnly()
        if int(dut.m_axis_tvalid.value):
            record.outputs.append(_text(dut.m_axis_tdata.value))
            record.lasts.append(int(dut.m_axis_tlast.value))
            record.output_cycles.append(_cycle() - start)
        await FallingEdge(dut.aclk)
