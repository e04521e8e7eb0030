"""Fixtures of the tests that run the emitted Verilog in a simulator."""

import os

import pytest

from hbnn_hw.errors import ToolMissingError
from hbnn_hw.verify.simulators import Simulator, describe


def need(simulator: Simulator) -> Simulator:
    """Skip without the simulator on a developer's machine; fail where everything has to run."""
    try:
        describe(simulator)
    except ToolMissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    return simulator


@pytest.fixture(scope="session")
def icarus() -> Simulator:
    return need(Simulator.ICARUS)


@pytest.fixture(scope="session")
def verilator() -> Simulator:
    return need(Simulator.VERILATOR)
