"""Windows, frames and poolings as Verilog: under Icarus with stalls and resets, and under lint."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from hbnn_hw.backends.rtl.verilog import to_verilog
from hbnn_hw.ops import Pad, PadPlanes, PoolKind
from hbnn_hw.types import Bordered, TensorType
from hbnn_hw.verify.simulators import find_simulators
from rtl_tests import job
from tests.rtl.window_cases import BIT, BYTE, CODE, COUNT, LEVELS, Case, pooling, window, window_pooling

pytestmark = pytest.mark.cosim

WAIVERS = Path(__file__).with_name("lint.vlt")
ODD = np.arange(6) % 2 == 1

CASES = {
    "window": window((6, 5, 4), Bordered(BIT), (3, 3), block=4, lanes=2),
    "window_of_channels": window((7, 4, 2), BYTE, (2, 2), (3, 2), block=1, lanes=1),
    "frame_of_numbers": Case(
        Pad(padding=(1, 0, 2, 1), channels=(2, 0), value=-9, lanes=2), TensorType((2, 3, 4), COUNT)
    ),
    "frame_of_nothing": Case(PadPlanes(padding=(1, 1, 1, 2), lanes=3), TensorType((3, 2, 6), CODE)),
    "maximum": pooling((4, 5, 6), LEVELS, (2, 2), smallest=ODD, lanes=2),
    "maximum_of_windows": window_pooling((2, 2, 6), Bordered(CODE), 4, smallest=ODD, lanes=3),
}

LINTED = {
    **CASES,
    "window_of_whole_pixels": window((34, 34, 64), BIT, (3, 3), block=64, lanes=64),
    "window_in_a_ring_of_blocks": window((9, 400, 1), BYTE, (3, 3), (2, 2), block=1, lanes=1),
    "sum_of_windows": window_pooling((2, 2, 2), COUNT, 9, PoolKind.SUM, lanes=2),
}


@pytest.mark.parametrize("name", CASES)
def test_full_rate_stalls_and_resets(icarus, tmp_path, name):
    case = CASES[name]
    words, expected = case.words(2)
    verilog = to_verilog(case.unit(), name)
    job.run(icarus, verilog, name, "tb_stream", tmp_path, {"words": words, "expected": expected})


@pytest.mark.parametrize("name", LINTED)
def test_no_warnings(verilator, tmp_path, name):
    program = next(found.path for found in find_simulators() if found.name == verilator.value)
    source = tmp_path / f"{name}.v"
    source.write_text(to_verilog(LINTED[name].unit(), name))
    done = subprocess.run(
        [program, "--lint-only", "-Wall", WAIVERS, source], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "%Warning" not in done.stderr
