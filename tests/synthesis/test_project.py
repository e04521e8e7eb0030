"""Whole designs on every target: units, totals, longest paths, and the text and JSON of them."""

import json

import pytest

from hbnn_hw.errors import ToolFailedError, ToolMissingError
from hbnn_hw.synthesis.harness import harness
from hbnn_hw.synthesis.placement import check_placeable, parse_report
from hbnn_hw.synthesis.project import synthesize_project
from hbnn_hw.synthesis.targets import SynthesisTarget
from hbnn_hw.synthesis.text import project_text
from tests.tables import rows

DESIGN = """
module half(input clk, input [7:0] i, output reg [3:0] o);
  always @(posedge clk) o <= i[3:0] + i[7:4] + (i[0] & i[7]);
endmodule
module net(input clk, input [7:0] i, output o);
  wire [3:0] a, b;
  half one(clk, i, a);
  half two(clk, {i[0], i[7:1]}, b);
  assign o = ^{a, b[3:2]} & b[0];
endmodule
"""


@pytest.mark.synth
@pytest.mark.parametrize("target", [SynthesisTarget.GENERIC, SynthesisTarget.ICE40, SynthesisTarget.ECP5])
def test_units_and_the_flat_whole_are_counted_for_every_target(target):
    said = []
    result = synthesize_project(DESIGN, "net", target, say=said.append)
    assert set(result.units) == {"", "one", "two"}
    assert result.units["one"] == result.units["two"]
    assert [result.units[name]["FF"] for name in ("one", "two", "")] == [4, 4, 0]
    assert 6 <= result.total["FF"] <= 8  # one bit of b is read by nobody
    assert 0 < result.total["LUT"] <= sum(counts["LUT"] for counts in result.units.values())
    assert 1 <= result.path.levels <= result.path.depth
    assert (result.path.untimed, result.delay_ns, result.cells) == ((), None, None)
    document = json.loads(json.dumps(result.document()))
    assert document["target"] == target.value
    assert "delay_ps" not in document["longest_path"]
    assert any("unit by unit" in line for line in said)
    lines = project_text(result).splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["one", "two", "(net)"]
    assert lines[-1].endswith("of logic")


@pytest.mark.synth
def test_7_series_gives_nanoseconds_and_all_cells():
    result = synthesize_project(DESIGN, "net")
    assert result.cells is not None
    assert result.cells.counts.luts == result.total["LUT"]
    assert set(result.cells.instances) == {"", "one", "two"}
    assert result.delay_ns == result.path.delay_ps / 1000
    assert 0.3 < result.delay_ns < 5
    document = result.document()
    assert document["counts"] == result.cells.counts.document()
    assert document["longest_path"]["delay_ps"] == result.path.delay_ps
    assert "ns of logic delay" in project_text(result)


WITH_PRIMITIVES = """
module unit(input clk, input [5:0] i, output reg o);
  wire q;
  LUT6 #(.INIT(64'h6996966996696996)) parity(
    .I0(i[0]), .I1(i[1]), .I2(i[2]), .I3(i[3]), .I4(i[4]), .I5(i[5]), .O(q)
  );
  always @(posedge clk) o <= q;
endmodule
module net(input clk, input [5:0] i, output o);
  unit one(clk, i, o);
endmodule
`ifndef SYNTHESIS
module LUT6(input I0, input I1, input I2, input I3, input I4, input I5, output O);
  parameter [63:0] INIT = 64'h0;
  assign O = INIT[{I5, I4, I3, I2, I1, I0}];
endmodule
`endif
"""


@pytest.mark.synth
@pytest.mark.parametrize(
    ("target", "fewest", "most"),
    rows(
        [(SynthesisTarget.GENERIC, 1, 1), (SynthesisTarget.ICE40, 2, 3), (SynthesisTarget.XC7, 1, 1)],
        usual=lambda target, *_: target is not SynthesisTarget.XC7,
    ),
)
def test_primitives_of_7_series_are_kept_or_mapped_to_other_targets(target, fewest, most):
    result = synthesize_project(WITH_PRIMITIVES, "net", target)
    assert fewest <= result.total["LUT"] <= most
    assert fewest <= result.units["one"]["LUT"] <= most
    assert set(result.units) == {"", "one"}
    assert 1 <= result.path.levels <= most


REPORT = {
    "critical_paths": [],
    "fmax": {"$glbnet$aclk": {"achieved": 71.25, "constraint": 100.0}, "slow": {"achieved": 65.5}},
    "utilization": {
        "TRELLIS_COMB": {"available": 83640, "used": 1210},
        "TRELLIS_FF": {"available": 83640, "used": 157},
        "DP16KD": {"available": 208, "used": 4},
        "MULT18X18D": {"available": 156, "used": 0},
        "DCCA": {"available": 56, "used": 1},
    },
}


def test_a_report_of_place_and_route_is_read():
    placed = parse_report(REPORT, "nextpnr-ecp5 0.11")
    assert placed.fmax_mhz == 65.5
    assert placed.used == {"LUT4": (1210, 83640), "FF": (157, 83640), "BRAM18": (4, 208)}
    assert placed.document()["used"]["BRAM18"] == [4, 208]
    with pytest.raises(ToolFailedError, match="must tell a clock frequency"):
        parse_report({"utilization": {}}, "nextpnr")


def test_a_frame_of_registers_takes_wide_ports_off_the_pins():
    ports = {
        "aclk": {"direction": "input", "bits": [2]},
        "a": {"direction": "input", "bits": [3, 4, 5]},
        "y": {"direction": "output", "bits": [6]},
        "b": {"direction": "input", "bits": [7]},
    }
    frame = harness("net", ports, "aclk")
    assert frame.registers == 7
    assert "net design_(.aclk(aclk), .a(source[0+:3]), .b(source[3+:1]), .y(results[0+:1]));" in frame.verilog


def test_only_ecp5_is_placed_and_a_missing_tool_is_named(monkeypatch):
    with pytest.raises(ToolFailedError, match="--place must go with '--target ecp5', not xc7"):
        check_placeable(SynthesisTarget.XC7)
    monkeypatch.setattr("hbnn_hw.extras.find_spec", lambda package: None)
    with pytest.raises(ToolMissingError, match=r"pip install 'hbnn-hw\[place\]'"):
        check_placeable(SynthesisTarget.ECP5)
