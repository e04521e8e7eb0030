import json

import pytest

from hbnn_hw.errors import ToolFailedError
from hbnn_hw.estimate.netlist import CellCounts
from hbnn_hw.estimate.synthesis import SynthesisResult, synthesize, synthesize_graph, top_module
from hbnn_hw.passes import FoldingRequest, lower
from hbnn_hw.target import Target
from tests.graphs import random_mlp

POPCOUNT = """
module leaf(input clk, input [31:0] a, input [31:0] b, output reg [5:0] y);
  integer i;
  reg [5:0] s;
  always @* begin s = 0; for (i = 0; i < 32; i = i + 1) s = s + (a[i] ~^ b[i]); end
  always @(posedge clk) y <= s;
endmodule
module top(input clk, input [31:0] a, input [31:0] b, output [5:0] y, output z);
  wire [5:0] q;
  leaf u(clk, a, b, y);
  leaf w(clk, b, {a[0], a[31:1]}, q);
  assign z = q > y;
endmodule
"""
TABLE = """
module table_(input clk, input [7:0] a, output reg [35:0] q);
  reg [35:0] words [0:255];
  integer i;
  initial for (i = 0; i < 256; i = i + 1) words[i] = (i * 36'h9e3779b97) ^ (i * i);
  always @(posedge clk) q <= words[a];
endmodule
"""


@pytest.mark.synth
def test_a_small_design_has_the_counts_it_had():
    counts = synthesize(POPCOUNT, "top").counts
    assert counts.flip_flops == 12
    assert counts.dsp == counts.bram36 == counts.bram18 == 0
    assert counts.luts == pytest.approx(129, rel=0.05)
    assert counts.sites == pytest.approx(87, rel=0.05)


@pytest.mark.synth
def test_without_flattening_instances_are_counted_one_by_one():
    result = synthesize(POPCOUNT, "top", flatten=False)
    assert set(result.instances) == {"", "u", "w"}
    assert result.instances["u"] == result.instances["w"]
    assert sum(part.luts for part in result.instances.values()) == result.counts.luts
    assert SynthesisResult.from_document(json.loads(json.dumps(result.document()))).counts == result.counts


@pytest.mark.synth
def test_a_large_table_becomes_block_ram():
    assert synthesize(TABLE, "table_").counts.bram36_equivalent == 0.5


@pytest.mark.synth
def test_a_network_is_emitted_and_synthesized():
    graph = lower(random_mlp(3, (16, 8, 4), n_bits=1), FoldingRequest(pe=2, simd=4))
    result = synthesize_graph(graph, Target())
    assert result.counts.luts > 20
    assert result.counts.dsp == 0


@pytest.mark.synth
@pytest.mark.parametrize(
    ("verilog", "reason"), [("module top(", "syntax error"), ("module x; endmodule", "top")]
)
def test_yosys_own_words_are_in_the_error(verilog, reason):
    with pytest.raises(ToolFailedError, match=reason):
        synthesize(verilog, "top")


@pytest.mark.synth
def test_the_time_limit_holds():
    with pytest.raises(ToolFailedError, match="must finish within"):
        synthesize(POPCOUNT, "top", timeout_s=0.01)


def test_the_top_module_is_found_by_its_stream():
    text = "module a(x);\nendmodule\nmodule net(aclk, aresetn, s_axis_tdata, s_axis_tvalid);\nendmodule\n"
    assert top_module(text) == "net"
    with pytest.raises(ToolFailedError, match="s_axis_tdata"):
        top_module("module a(x);\nendmodule\n")


def test_the_document_carries_no_time():
    result = SynthesisResult(top="t", tool="Yosys", counts=CellCounts(lut6=3), cpu_seconds=1.0)
    assert "cpu_seconds" not in json.dumps(result.document())
