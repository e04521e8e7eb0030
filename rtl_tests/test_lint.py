"""The emitted Verilog is clean under Verilator's full lint, apart from the waivers in ``lint.vlt``."""

import subprocess
from pathlib import Path

import pytest

from hbnn_hw.verify.simulators import find_simulators
from rtl_tests.networks import write_verilog
from rtl_tests.test_networks import NETWORKS

pytestmark = pytest.mark.cosim

WAIVERS = Path(__file__).with_name("lint.vlt")


@pytest.mark.parametrize("name", NETWORKS)
def test_no_warnings(verilator, tmp_path, name):
    program = next(found.path for found in find_simulators() if found.name == verilator.value)
    verilog = write_verilog(NETWORKS[name](), tmp_path)
    done = subprocess.run(
        [program, "--lint-only", "-Wall", WAIVERS, verilog], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "%Warning" not in done.stderr
