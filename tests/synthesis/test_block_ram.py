"""Block RAMs behind the mapper hold, read and write what the Verilog says."""

from collections import Counter

import numpy as np
import pytest

from hbnn_hw.errors import ToolFailedError
from hbnn_hw.estimate.synthesis import map_verilog
from hbnn_hw.synthesis import Simulation, to_bits, to_integers

MEMORIES = """
module top(
  input clk, enable, write, input [10:0] read_at, write_at, input [35:0] d,
  output reg [8:0] narrow, output reg [17:0] rom, output reg [35:0] wide
);
  reg [8:0] a [0:2047];
  reg [17:0] b [0:1023];
  reg [35:0] c [0:511];
  integer i;
  initial begin
    for (i = 0; i < 2048; i = i + 1) a[i] = 5 * i;
    for (i = 0; i < 1024; i = i + 1) b[i] = 257 * i;
    for (i = 0; i < 512; i = i + 1) c[i] = 7919 * i;
  end
  always @(posedge clk) begin
    if (write) begin a[write_at] <= d[8:0]; c[write_at[8:0]] <= d; end
    if (enable) begin narrow <= a[read_at]; rom <= b[read_at[9:0]]; wide <= c[read_at[8:0]]; end
  end
endmodule
"""


@pytest.mark.synth
def test_narrow_wide_and_constant_memories_are_read_and_written():
    modules = map_verilog(MEMORIES, "top").modules
    assert Counter(cell["type"] for cell in modules["top"]["cells"].values())["RAMB18E1"] == 3
    lanes, rng = 20, np.random.default_rng(0)
    lane, simulation = np.arange(lanes), Simulation.load(modules, "top", lanes)
    content = {
        "narrow": np.tile(5 * np.arange(2048) % 512, (lanes, 1)),
        "rom": np.tile(257 * np.arange(1024) % 2**18, (lanes, 1)),
        "wide": np.tile(7919 * np.arange(512), (lanes, 1)),
    }
    expected = {name: np.zeros(lanes, np.int64) for name in content}
    for clock in range(60):
        for name, value in expected.items():
            assert np.array_equal(to_integers(simulation.get(name)), value), (clock, name)
        enable, write = rng.integers(0, 2, (2, lanes))
        read_at, write_at = rng.integers(0, 8 if clock % 2 else 2048, (2, lanes))
        data = rng.integers(0, 1 << 36, lanes)
        values = {"enable": (enable, 1), "write": (write, 1), "read_at": (read_at, 11)}
        for port, (number, width) in {**values, "write_at": (write_at, 11), "d": (data, 36)}.items():
            simulation.set(port, to_bits(number, width))
        for name, words in content.items():
            found = words[lane, read_at % words.shape[1]]
            expected[name] = np.where(enable, found, expected[name])
        for name, modulus in (("narrow", 512), ("wide", 1 << 36)):
            words, written = content[name], write == 1
            words[lane[written], write_at[written] % words.shape[1]] = data[written] % modulus
        simulation.clock()


def test_what_is_not_modelled_is_refused():
    cell = {"type": "RAMB18E1", "connections": {}, "parameters": {"DOA_REG": "1"}}
    with pytest.raises(ToolFailedError, match="DOA_REG of the block RAM 'u' must be 0, not 1"):
        Simulation.load({"top": {"ports": {}, "cells": {"u": cell}}}, "top", 1)
