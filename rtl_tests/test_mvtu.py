"""Matrix units of every kind as Verilog: exact under Icarus, clean under Verilator's lint."""

import re
import subprocess

import numpy as np
import pytest

from hbnn_hw.backends.rtl.lut import Fabric, with_models
from hbnn_hw.backends.rtl.mvtu import FoldedMvtu, build
from hbnn_hw.backends.rtl.rom import RomStyle
from hbnn_hw.backends.rtl.verilog import to_verilog
from hbnn_hw.folding import Folding
from hbnn_hw.ops import Mvtu, Tensor
from hbnn_hw.types import Bordered, Integers, Planes, TensorType
from hbnn_hw.verify.simulators import find_simulators
from rtl_tests import job
from rtl_tests.test_lint import WAIVERS
from tests.rtl.beats import beats_of
from tests.rtl.mvtu_cases import Case, Maps
from tests.rtl.test_mvtu import ROW_MAJOR, encoded

pytestmark = pytest.mark.cosim

CASES = {
    "frame": Case(
        groups=2,
        places=(2,),
        window=3,
        rows=2,
        element=Bordered(Planes((1, 2))),
        folding=Folding(4, 4),
        coefficients=(2, 1),
    ),
    "signed": Case(
        places=(2, 2), channels=8, element=Integers(-9, 7), folding=Folding(3, 2), maps=Maps.COLUMNS, levels=0
    ),
    "deep": Case(places=(2,), rows=15, channels=10, folding=Folding(1, 1), maps=Maps.FULL),
    "unrolled": Case(
        places=(3,), channels=5, element=Bordered(Planes((1,))), folding=Folding(6, 5, unrolled=True)
    ),
}


def simulate(icarus, folder, unit, op: Mvtu, inputs: Tensor, fabric: Fabric = Fabric.GENERIC) -> str:
    """Full rate, stalls, a reset in mid-stream; return the text."""
    words = beats_of(inputs.type, inputs.data, op.lanes_in)
    expected = beats_of(op.infer(inputs.type), op.compute(inputs), op.lanes_out)
    text = with_models(to_verilog(unit, "unit", fabric=fabric))
    beats = {"words": words, "expected": expected}
    pace = {"interval": op.cycles(inputs.type), "samples": len(inputs.data)}
    job.run(icarus, text, "unit", "tb_stream", folder, beats | pace)
    return text


def lint(text: str, folder) -> None:
    """Verilator has nothing to say, apart from the waivers."""
    program = next(found.path for found in find_simulators() if found.name == "verilator")
    (folder / "unit.v").write_text(text)
    command = [program, "--lint-only", "-Wall", "--top-module", "unit", WAIVERS, folder / "unit.v"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "%Warning" not in done.stderr


@pytest.mark.parametrize("name", CASES)
def test_units(icarus, verilator, tmp_path, name):
    case = CASES[name]
    op, inputs = case.op(), case.inputs(4)
    text = simulate(icarus, tmp_path, build(op, inputs.type), op, inputs)
    if not op.scheduled_folding.unrolled:  # whose kernel is emitted as a text of its own
        lint(text, tmp_path)


@pytest.mark.parametrize("folding", [Folding(1, 1), Folding(2, 2)])
def test_instantiated_tables(icarus, tmp_path, folding):
    """Weights in a LUT6 per bit at 64 words, in half of one at 16."""
    case = Case(rows=8, channels=8, places=(2,), folding=folding, maps=Maps.FULL, levels=0)
    op, inputs = case.op(), case.inputs(4)
    text = simulate(icarus, tmp_path, build(op, inputs.type), op, inputs, Fabric.XC7)
    assert "memory [" not in text


def test_encoded_weights_in_block_ram(icarus, verilator, tmp_path):
    """The memory holds four bits for five weights, and says where it wants to be."""
    weights = encoded(ROW_MAJOR, (6, 20), 4, 5, turned=True)
    op, source = Mvtu(weights=weights, folding=Folding(3, 10)), TensorType((20,), Planes((1,)))
    bits = np.random.default_rng(0).integers(0, 2, (4, 1, 20), dtype=np.uint8)
    unit = FoldedMvtu(op, source, rom_style=RomStyle.BLOCK)
    text = simulate(icarus, tmp_path, unit, op, Tensor(source, bits))
    assert re.search(r'\(\* rom_style = "block" \*\)\n  reg \[23:0\] memory \[3:0\];', text)
    lint(text, tmp_path)
