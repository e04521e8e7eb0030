"""Tables and carry chains: both fabrics mean the same, and the models are the vendor's primitives."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.lut import MODELS, Fabric, carry_chain, lut, lut_pair, with_models
from hbnn_hw.backends.rtl.truth_tables import truth_table
from hbnn_hw.target import XC7Z045, Target
from hbnn_hw.templating import static_text
from hbnn_hw.verify.proof import component_verilog, prove_equal

PRIMITIVES = {
    **{f"LUT{n}": ([f"I{k}" for k in range(n)], ["O"]) for n in range(1, 7)},
    "LUT6_2": ([f"I{k}" for k in range(6)], ["O5", "O6"]),
}


def wrapped(model: str, name: str, init: int) -> str:
    """One instance behind plain ports, in a text that needs no include."""
    pins, outputs = PRIMITIVES[name]
    bits = 1 << len(pins)
    ports = ", ".join([*(f"input {pin}" for pin in pins), *(f"output {pin}" for pin in outputs)])
    links = ", ".join(f".{pin}({pin})" for pin in [*pins, *outputs])
    return f"{model}\nmodule top({ports}); {name} #(.INIT({bits}'h{init:x})) cell({links}); endmodule\n"


def vendor_model(name: str) -> str:
    """Cut one module out of the cell library that comes with Yosys."""
    path = Path(find_spec("pyosys").origin).parent / "share" / "xilinx" / "cells_sim.v"
    text = path.read_text()
    start = text.index(f"module {name}(")
    return text[start : text.index("endmodule", start) + len("endmodule")]


@pytest.mark.parametrize("name", PRIMITIVES)
def test_models_equal_the_vendors_primitives(name):
    bits = 1 << len(PRIMITIVES[name][0])
    init = int.from_bytes(np.random.default_rng(bits).bytes(8), "little") % (1 << bits)
    ours = wrapped(static_text(f"{MODELS}/{name}.v"), name, init)
    theirs = wrapped(vendor_model(name), name, init)
    assert prove_equal(theirs, ours, gold_top="top", gate_top="top").equal
    flipped = wrapped(static_text(f"{MODELS}/{name}.v"), name, init ^ 2)
    assert not prove_equal(theirs, flipped, gold_top="top", gate_top="top").equal


def test_carry_model_equals_the_vendors_primitive():
    text = "\nmodule top(input ci, init, input [3:0] d, s, output [3:0] o, co);\n"
    text += "CARRY4 cell(.CI(ci), .CYINIT(init), .DI(d), .S(s), .O(o), .CO(co)); endmodule\n"
    theirs, ours = vendor_model("CARRY4") + text, static_text(f"{MODELS}/CARRY4.v") + text
    assert prove_equal(theirs, ours, gold_top="top", gate_top="top").equal


class Primitives(wiring.Component):
    """One of everything, with random tables."""

    def __init__(self):
        super().__init__({"i": In(6), "carry": In(1), "p": In(6), "g": In(6), "o": Out(18), "sums": Out(6)})

    def elaborate(self, platform):
        m, fabric = Module(), Fabric.of(platform)
        rng = np.random.default_rng(3)
        table = lambda n: int.from_bytes(rng.bytes(8), "little") % (1 << (1 << n))  # noqa: E731
        single = [lut(m, fabric, table(n), self.i[:n], f"single{n}") for n in range(1, 7)]
        pairs = [
            lut_pair(m, fabric, (table(n), table(n)), self.i[:n], (f"low{n}", f"high{n}"))
            for n in range(1, 6)
        ]
        chain = carry_chain(m, fabric, self.carry, self.p, self.g, "chain")
        m.d.comb += [
            self.o.eq(Cat(*single, *(bit for pair in pairs for bit in pair))),
            self.sums.eq(chain),
        ]
        return m


def test_both_fabrics_are_equal():
    generic, xc7 = (component_verilog(Primitives(), "top", fabric) for fabric in Fabric)
    assert "LUT6_2 #" not in generic
    assert "LUT6_2 #" in xc7
    assert prove_equal(generic, xc7, gold_top="top", gate_top="top").equal


def test_truth_table_counts_input_zero_as_the_lowest_bit():
    assert truth_table(3, lambda a, b, c: a) == 0b10101010
    assert truth_table(2, lambda a, b: a & ~b) == 0b0010


def test_models_of_used_primitives_only_and_not_for_synthesis():
    text = "  LUT3 #(.INIT(8'h1)) a(.I0(x));\n"
    models = with_models(text)
    assert models.count("module ") == 1
    assert models.index("`ifndef SYNTHESIS") < models.index("module LUT3(") < models.index("`endif")
    assert with_models("assign a = LUT3;\n") == "assign a = LUT3;\n"


def test_fabric_follows_from_the_device():
    assert Fabric.of_target(Target()) is Fabric.XC7
    assert XC7Z045.part.startswith("xc7")
    assert Fabric.of(None) is Fabric.GENERIC
