"""Mapped stream units are driven under stalls; lost, wrong and superfluous words are found."""

import numpy as np
import pytest

from hbnn_hw.errors import MismatchError
from hbnn_hw.estimate.synthesis import map_verilog
from hbnn_hw.synthesis import flat_netlist, to_bits
from hbnn_hw.synthesis.stream_check import check_stream

PAIRS = """
module pairs(input clk, rst, input [3:0] i__payload, input i__valid, output i__ready,
             output reg [4:0] o__payload, output reg o__valid, input o__ready);
  reg second;
  reg [3:0] first;
  assign i__ready = ~o__valid | o__ready;
  always @(posedge clk) begin
    if (o__ready) o__valid <= 0;
    if (i__valid & i__ready) begin
      second <= ~second;
      first <= i__payload;
      if (second) begin o__payload <= first + i__payload; o__valid <= 1; end
    end
    if (rst) begin second <= 0; o__valid <= 0; end
  end
endmodule
"""


@pytest.fixture(scope="module")
def netlist():
    return flat_netlist(map_verilog(PAIRS, "pairs").modules, "pairs")


@pytest.mark.synth
def test_sums_of_pairs_come_out_and_every_fault_is_named(netlist):
    numbers = np.random.default_rng(0).integers(0, 16, (70, 20))
    sent, sums = to_bits(numbers, 4), to_bits(numbers[:, 0::2] + numbers[:, 1::2], 5)
    assert check_stream(netlist, sent, sums) == 70 * 10 * 5
    assert check_stream(netlist, sent, sums, stalls=0.0, seed=1) == 70 * 10 * 5
    wrong = sums.copy()
    wrong[33, 4, 2] ^= 1
    with pytest.raises(MismatchError, match="word 4 of run 33 must be"):
        check_stream(netlist, sent, wrong)
    with pytest.raises(MismatchError, match="must send 9 words, not more"):
        check_stream(netlist, sent, np.concatenate([sums[:, :9], sums[:, :0]], axis=1), stalls=0.5)
    with pytest.raises(MismatchError, match="took 20 words and is stuck"):
        check_stream(netlist, sent, np.concatenate([sums, sums[:, :1]], axis=1), idle_clocks=20)
