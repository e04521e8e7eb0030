"""hbnn-hw synth, end to end on a shipped network and on wrong requests."""

import json

import pytest

from tests.cli.conftest import MODELS, ROOT

LIBERTY = ROOT / "tests" / "synthesis" / "fixtures" / "few_cells.lib"


NARROW = ("--pe", "2", "--simd", "4")
"""Its Verilog takes less time than that of more lanes, and none is synthesized."""


@pytest.fixture(scope="module")
def exported(hbnn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("synth") / "out"
    done = hbnn("export", MODELS / "digits_hbnn.pt", "-o", folder, "--backend", "rtl", *NARROW)
    assert done.code == 0, done.err
    return folder


SMALL = """
module fc1(input clk, input [7:0] i, output reg [3:0] o);
  always @(posedge clk) o <= i[3:0] + i[7:4];
endmodule
module net(input aclk, input [7:0] s_axis_tdata, output [3:0] m_axis_tdata);
  wire [3:0] sum;
  fc1 fc1(aclk, s_axis_tdata, sum);
  assign m_axis_tdata = ~sum;
endmodule
"""


@pytest.mark.synth
def test_the_verilog_of_a_folder_is_synthesized_unit_by_unit(hbnn, exported):
    (verilog,) = (exported / "rtl").glob("*.v")
    verilog.write_text(SMALL, encoding="utf-8")  # networks take a minute
    done = hbnn("synth", exported, "--target", "ice40", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert (document["target"], document["top"]) == ("ice40", "net")
    assert set(document["instances"]) == {"fc1", ""}
    assert document["counts"]["FF"] == document["instances"]["fc1"]["FF"] == 4
    assert document["longest_path"]["levels"] >= 1
    assert "synthesizing again, unit by unit" in done.err
    assert not (exported / "synthesis.json").exists()  # the report shows 7-series alone


@pytest.mark.synth
def test_7_series_is_shown_beside_the_estimate_and_in_the_report(hbnn, exported):
    (verilog,) = (exported / "rtl").glob("*.v")
    verilog.write_text(SMALL, encoding="utf-8")
    done = hbnn("synth", exported)
    assert done.code == 0, done.err
    assert "net on xc7, synthesized with Yosys" in done.out
    assert "ns of logic delay" in done.out
    assert "estimated" in done.out
    assert json.loads((exported / "synthesis.json").read_bytes())["counts"]["flip_flops"] == 4


@pytest.mark.synth
def test_standard_cells_of_any_liberty_file(hbnn, exported):
    (verilog,) = (exported / "rtl").glob("*.v")
    verilog.write_text(SMALL, encoding="utf-8")
    done = hbnn("synth", exported, "--liberty", LIBERTY, "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["library"] == "few_cells.lib"
    assert set(document["units"]) == {"fc1", ""}
    assert document["total"]["sequential"] == 40  # four flip-flops of 10
    # Four inverters behind the unit, where they are not part of it.
    assert document["units"][""]["area"] == 4 * 1.5
    missing = hbnn("synth", exported, "--liberty", "nothing.lib")
    assert missing.code == 2
    assert "'nothing.lib' must be a Liberty file" in missing.err


def test_what_cannot_be_done_is_refused_before_the_work(hbnn, exported):
    done = hbnn("synth", exported, "--place")
    assert done.code == 2
    assert "--place must go with '--target ecp5'" in done.err
    assert "synthesizing" not in done.err


def test_an_export_without_rtl_is_named(hbnn, tmp_path):
    folder = tmp_path / "out"
    assert hbnn("export", MODELS / "digits_hbnn.pt", "-o", folder, "--backend", "hls").code == 0
    done = hbnn("synth", folder)
    assert done.code == 2
    assert "must hold RTL in 'rtl/*.v'" in done.err
