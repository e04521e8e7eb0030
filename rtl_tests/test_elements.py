"""Units of operators on elements, converters and buffers as Verilog under Icarus, side by side in one module.

Every port has words and stalls of its own, so that the units run independently of each other.
"""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring

from hbnn_hw.backends.rtl import add, arg_max, concat, decode, fork, rescale, threshold, width_converter
from hbnn_hw.backends.rtl.stream_buffers import SkidBuffer, StreamFifo
from hbnn_hw.backends.rtl.verilog import to_verilog
from hbnn_hw.ops import Add, ArgMax, Concat, Decode, Fork, Rescale, Threshold, Thresholds, WidthConverter
from hbnn_hw.types import Bordered, Integers, PlaneMask, Planes, TensorType
from hbnn_hw.verify.simulators import find_simulators
from rtl_tests import job
from tests.rtl.beats import operation, random_mask, random_values

pytestmark = pytest.mark.cosim

SAMPLES = 5
SHAPE, LANES = (2, 1, 6), 2
CODES = Integers(-9, 14)
WAIVERS = Path(__file__).with_name("lint.vlt")


class SideBySide(wiring.Component):
    """Units with the ports of all, by ``<unit>_<port>``."""

    def __init__(self, units):
        self.units = units
        members = (unit.signature.members.items() for unit in units.values())
        super().__init__(
            {
                f"{name}_{port}": member
                for name, ports in zip(units, members, strict=True)
                for port, member in ports
            }
        )

    def elaborate(self, platform):
        m = Module()
        for name, unit in self.units.items():
            m.submodules[name] = unit
            for port in unit.signature.members:
                wiring.connect(m, wiring.flipped(getattr(self, f"{name}_{port}")), getattr(unit, port))
        return m


def thresholds(rng, mask=None, channels=6):
    table = np.sort(rng.integers(CODES.low - 1, CODES.high + 3, (channels, 3)), axis=1)
    return Thresholds(table=table, inverted=np.arange(channels) % 2 == 1, mask=mask)


def operators():
    """Name, operator, types of its inputs, how to build the unit; constants from ROMs and in logic."""
    rng = np.random.default_rng(1)
    integers, planes = TensorType(SHAPE, CODES), TensorType(SHAPE, Planes((5, 2)))
    masked = TensorType(SHAPE, Planes((4, 1), PlaneMask.of(random_mask(rng, 2, SHAPE, by_channel=False))))
    one_pixel = TensorType((6,), CODES)
    bent = Rescale(
        multipliers=rng.integers(-99, 99, (2, 6)),
        offsets=rng.integers(-900, 900, (2, 6)),
        knees=rng.integers(CODES.low, CODES.high, (1, 6)),
        shift=4,
        lanes=LANES,
    )
    line = Rescale(
        multipliers=np.full((1, 6), -37),
        offsets=np.arange(6)[np.newaxis],
        knees=np.empty((0, 6), np.int64),
        shift=0,
        lanes=6,
    )
    mask = random_mask(rng, 2, SHAPE, by_channel=True)
    offsets = rng.integers(-8, 9, 6)
    return [
        ("add", Add(lanes=LANES), [integers, planes, masked], add.build),
        ("concat", Concat(lanes=LANES), [integers, masked], concat.build),
        ("planes_concat", Concat(lanes=1), [planes, planes], concat.build),
        ("decode", Decode(lanes=LANES), [masked], decode.build),
        ("threshold", Threshold(thresholds=thresholds(rng, mask), lanes=LANES), [integers], threshold.build),
        ("wide_threshold", Threshold(thresholds=thresholds(rng), lanes=6), [one_pixel], threshold.build),
        ("rescale", bent, [integers], rescale.build),
        ("wide_rescale", line, [one_pixel], rescale.build),
        ("arg_max", ArgMax(offsets=offsets, shift=2, lanes=3), [one_pixel], arg_max.build),
        ("wide_arg_max", ArgMax(offsets=np.zeros(6, np.int64), lanes=6), [one_pixel], arg_max.build),
        *converters(),
    ]


def converters():
    bordered = TensorType((2, 3, 6), Bordered(Planes((1, 2))))
    return [
        ("collect", WidthConverter(lanes_from=2, lanes_to=6), [bordered], width_converter.build),
        ("cut", WidthConverter(lanes_from=6, lanes_to=1), [bordered], width_converter.build),
        ("halve", WidthConverter(lanes_from=2, lanes_to=1), [bordered], width_converter.build),
    ]


def everything():
    """All units, and the job: words, expected words and intervals by port."""
    rng = np.random.default_rng(2)
    units, task = {}, {"words": {}, "expected": {}, "intervals": {}, "samples": SAMPLES}
    for name, op, sources, build in operators():
        units[name] = build(op, *sources)
        batches = [random_values(rng, source, SAMPLES) for source in sources]
        lanes = [op.lanes_in] * len(sources) + [op.lanes_out]
        words, task["expected"][f"{name}_o"] = operation(op, sources, batches, lanes)
        task["intervals"][f"{name}_o"] = op.cycles(*sources)
        ports = ["i"] if len(sources) == 1 else [f"i{at}" for at in range(len(sources))]
        task["words"] |= {f"{name}_{port}": column for port, column in zip(ports, words, strict=True)}
    add_buffers(units, task, rng.integers(0, 512, 60).tolist())
    return SideBySide(units), task


def add_buffers(units, task, words):
    units["fork"] = fork.build(Fork(lanes=3), TensorType((6,), Integers(0, 7)), readers=3)
    units |= {"skid": SkidBuffer(9), "fifo": StreamFifo(9, 2), "odd_fifo": StreamFifo(9, 5)}
    for name in ("fork", "skid", "fifo", "odd_fifo"):
        task["words"][f"{name}_i"] = words
        for port in units[name].signature.members:
            if port.startswith("o"):
                task["expected"][f"{name}_{port}"] = words
                task["intervals"][f"{name}_{port}"] = len(words) // SAMPLES


def test_all_units_at_full_rate_under_stalls_and_resets(icarus, tmp_path):
    unit, task = everything()
    job.run(icarus, to_verilog(unit, "elements"), "elements", "tb_stream", tmp_path, task)


def test_all_units_have_no_warnings(verilator, tmp_path):
    program = next(found.path for found in find_simulators() if found.name == verilator.value)
    source = tmp_path / "elements.v"
    source.write_text(to_verilog(everything()[0], "elements"))
    done = subprocess.run(
        [program, "--lint-only", "-Wall", WAIVERS, source], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "%Warning" not in done.stderr
