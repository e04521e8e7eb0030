"""Mapped netlists are simulated as the Verilog in front of the mapper would be."""

import numpy as np
import pytest

from hbnn_hw.errors import MismatchError, ToolFailedError
from hbnn_hw.estimate.synthesis import map_verilog
from hbnn_hw.synthesis import Simulation, check_function, flat_netlist, to_bits, to_integers
from hbnn_hw.synthesis.check import input_vectors
from hbnn_hw.synthesis.lanes import pack, unpack

EVERYTHING = """
module top(
  input clk, rst, we, input [31:0] a, b, input [7:0] d, input [4:0] ra, wa,
  output greater, output reg [5:0] agree, output reg [31:0] sum, output reg [7:0] late
);
  integer i;
  reg [5:0] t;
  always @* begin t = 0; for (i = 0; i < 32; i = i + 1) t = t + (a[i] ~^ b[i]); end
  always @(posedge clk) if (rst) agree <= 5; else agree <= t;
  always @(posedge clk) sum <= a + b;
  assign greater = a > b;
  reg [7:0] words [0:31];
  initial for (i = 0; i < 32; i = i + 1) words[i] = 7 * i;
  always @(posedge clk) if (we) words[wa] <= d;
  reg [7:0] pipe [0:9];
  always @(posedge clk) begin
    pipe[0] <= words[ra];
    for (i = 1; i < 10; i = i + 1) pipe[i] <= pipe[i - 1];
    late <= pipe[9];
  end
endmodule
"""
WIDTHS = {"rst": 1, "we": 1, "a": 32, "b": 32, "d": 8, "ra": 5, "wa": 5}


@pytest.fixture(scope="module")
def everything():
    return map_verilog(EVERYTHING, "top").modules


@pytest.mark.synth
def test_luts_carries_registers_memories_and_shift_registers_compute_what_the_verilog_says(everything):
    kinds = {cell["type"] for cell in everything["top"]["cells"].values()}
    assert {"LUT6", "CARRY4", "FDRE", "FDSE", "RAM32M", "SRL16E"} <= kinds
    lanes, rng = 70, np.random.default_rng(0)
    simulation = Simulation.load(everything, "top", lanes)
    words, at = np.tile(7 * np.arange(32), (lanes, 1)), np.arange(lanes)
    read, agree, total = [], None, None
    for clock in range(40):
        bits = {name: rng.integers(0, 2, (lanes, width), dtype=np.uint8) for name, width in WIDTHS.items()}
        value = {name: to_integers(found) for name, found in bits.items()}
        for name, found in bits.items():
            simulation.set(name, found)
        assert np.array_equal(to_integers(simulation.get("greater")), value["a"] > value["b"])
        if clock:
            assert np.array_equal(to_integers(simulation.get("agree")), agree)
            assert np.array_equal(to_integers(simulation.get("sum")), total)
        if clock > 11:
            assert np.array_equal(to_integers(simulation.get("late")), read[clock - 11])
        agree = np.where(value["rst"] == 1, 5, (bits["a"] == bits["b"]).sum(axis=1))
        total = (value["a"] + value["b"]) % 2**32
        read.append(words[at, value["ra"]])
        written = value["we"] == 1
        words[at[written], value["wa"][written]] = value["d"][written]
        simulation.clock()


def cell(kind, pins, **parameters):
    return {"type": kind, "connections": pins, "parameters": parameters}


def module(cells, **ports):
    return {
        "attributes": {},
        "ports": {
            name: {"direction": "input" if name.startswith("i") else "output", "bits": bits}
            for name, bits in ports.items()
        },
        "cells": {f"u{at}": found for at, found in enumerate(cells)},
    }


def test_a_two_output_lut_gives_the_lower_half_of_its_table_at_o5():
    init = np.random.default_rng(3).integers(0, 2, 64)
    pins = {f"I{at}": [2 + at] for at in range(6)} | {"O5": [10], "O6": [11]}
    lut = cell("LUT6_2", pins, INIT="".join(map(str, init[::-1])))
    netlist = flat_netlist({"top": module([lut], i=[2, 3, 4, 5, 6, 7], o=[10, 11])}, "top")

    def meaning(inputs):
        index = to_integers(inputs["i"])
        return {"o": np.stack([init[index % 32], init[index]], axis=1).astype(np.uint8)}

    assert check_function(netlist, meaning) == 2 * 64


def test_a_carry_chain_with_open_outputs_and_undefined_pins_adds():
    low = cell(
        "CARRY4",
        {"S": [2, 3, 4, 5], "DI": [6, 7, 8, 9], "CI": ["x"], "CYINIT": [20], "O": [30, 31, 32, 33]},
    )
    netlist = flat_netlist({"top": module([low], i=[2, 3, 4, 5, 6, 7, 8, 9, 20], o=[30, 31, 32, 33])}, "top")

    def meaning(inputs):
        bits = inputs["i"].astype(np.int64)
        carry, sums = bits[:, 8], []
        for at in range(4):
            sums.append(bits[:, at] ^ carry)
            carry = np.where(bits[:, at] == 1, carry, bits[:, 4 + at])
        return {"o": np.stack(sums, axis=1).astype(np.uint8)}

    assert check_function(netlist, meaning) == 4 * 512


def test_a_hierarchy_is_resolved():
    inverter = module([cell("INV", {"I": [2], "O": [3]})], i=[2], o=[3])
    inverters = [cell("inv", {"i": [5], "o": [6]}), cell("inv", {"i": [6], "o": [7]})]
    twice = module([*inverters, cell("$scopeinfo", {})], i=[5], o=[7])
    netlist = flat_netlist({"inv": inverter, "top": twice}, "top")
    assert [found.name for found in netlist.cells] == ["u0.u0", "u1.u0"]
    assert check_function(netlist, lambda inputs: {"o": inputs["i"]}) == 2


@pytest.mark.synth
def test_a_wrong_pipeline_is_told_apart_by_a_single_bit(everything):
    verilog = """
    module late(input clk, input [7:0] i, output reg [7:0] o);
      reg [7:0] half;
      always @(posedge clk) begin half <= i ^ 8'h11; o <= half + 3; end
    endmodule
    """
    netlist = flat_netlist(map_verilog(verilog, "late").modules, "late")

    def meaning(inputs):
        return {"o": to_bits((to_integers(inputs["i"]) ^ 0x11) + 3, 8)}

    def off_at_one_input(inputs):
        wrong = meaning(inputs)["o"].copy()
        wrong[to_integers(inputs["i"]) == 77, 4] ^= 1
        return {"o": wrong}

    assert check_function(netlist, meaning, latency=2) == 8 * 256
    with pytest.raises(MismatchError, match=r"'o\[4\]'.*1 bits differ.*'i': '01001101'"):
        check_function(netlist, off_at_one_input, latency=2)
    with pytest.raises(MismatchError, match="bits differ"):
        check_function(netlist, meaning, latency=1)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([cell("DSP48E1", {"P": [5]})], "must be a modelled one, not DSP48E1"),
        ([cell("FDCE", {"C": [2], "CE": ["1"], "CLR": [3], "D": [2], "Q": [5]})], "no asynchronous CLR"),
        ([cell("FDRE", {"C": [net], "D": [2], "Q": [5 + net]}) for net in (2, 3)], "one clock, not 2"),
        ([cell("INV", {"I": [5], "O": [6]}), cell("INV", {"I": [6], "O": [5]})], "no combinational loop"),
        ([cell("FDRE", {"C": [2], "D": [3], "Q": [5]}, IS_D_INVERTED="1")], "no inverted pins"),
    ],
)
def test_what_cannot_be_simulated_is_refused(cells, reason):
    with pytest.raises(ToolFailedError, match=reason):
        Simulation.load({"top": module(cells, i=[2, 3], o=[5])}, "top", 1)


def test_ports_are_checked():
    simulation = Simulation.load({"top": module([], i=[2, 3], o=[2])}, "top", 4)
    with pytest.raises(ToolFailedError, match=r"'i': \(4, 2\).*not 'i' with \(4, 3\)"):
        simulation.set("i", np.zeros((4, 3), np.uint8))
    with pytest.raises(ToolFailedError, match=r"one of \['o'\], not 'q'"):
        simulation.get("q")
    with pytest.raises(ToolFailedError, match=r"must give the outputs \['o'\]"):
        check_function(simulation.netlist, lambda inputs: {"q": inputs["i"]})
    with pytest.raises(ToolFailedError, match="must hold the module 'other'"):
        flat_netlist({"top": module([])}, "other")


def test_stimuli_hold_all_inputs_or_the_extremes():
    everything = input_vectors({"a": 3, "b": 2}, 10, np.random.default_rng(0))
    assert sorted(to_integers(everything["a"]) + 8 * to_integers(everything["b"])) == list(range(32))
    mixed = input_vectors({"a": 100}, 1000, np.random.default_rng(0))["a"]
    counts = set(mixed.sum(axis=1).tolist())
    assert len(mixed) == 1000
    assert {0, 1, 50, 99, 100} <= counts


@pytest.mark.parametrize("lanes", [1, 63, 64, 65, 200])
def test_packing_and_numbers_are_undone(lanes):
    bits = np.random.default_rng(lanes).integers(0, 2, (lanes, 5), dtype=np.uint8)
    assert np.array_equal(unpack(pack(bits), lanes), bits)
    assert np.array_equal(to_bits(to_integers(bits, signed=True), 5), bits)
