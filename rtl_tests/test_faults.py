"""Planted faults: one flipped bit in the emitted Verilog has to be found by the simulation."""

import re

import pytest

from hbnn_hw.errors import MismatchError
from hbnn_hw.passes import FoldingRequest, lower
from hbnn_hw.verify.cosim import simulate_network
from rtl_tests.networks import vectors, write_verilog
from tests.graphs import random_mlp

pytestmark = pytest.mark.cosim


def flip(verilog: str, module: str, bit: int) -> str:
    """Invert one bit of the first word of a ROM: each bit of a word is a table of its own."""
    start = verilog.index(f"module {module}(")
    tables = re.compile(r"\.INIT\((\d+)'h(\w+)\)").finditer(verilog, start, verilog.index("endmodule", start))
    match = list(tables)[bit]
    value = int(match[2], 16) ^ 1
    return verilog[: match.start()] + f".INIT({match[1]}'h{value:x})" + verilog[match.end() :]


@pytest.mark.parametrize("rom", ["weight_rom", "mask_rom", "row_rom"])
@pytest.mark.parametrize("bit", [0, 3])
def test_a_flipped_constant_is_found(icarus, tmp_path, rom, bit):
    graph = lower(random_mlp(1, [12, 8, 4], 2, (2, 1)), FoldingRequest(pe=2, simd=4))
    verilog, golden = write_verilog(graph, tmp_path), vectors(graph, 48)
    verilog.write_text(flip(verilog.read_text(), f"random_mlp_fc2_{rom}", bit))
    with pytest.raises(MismatchError, match="first at image"):
        simulate_network(
            graph, verilog, golden, simulator=icarus, stall_seed=None, build_dir=tmp_path / "build"
        )


def small(tmp_path):
    graph = lower(random_mlp(1, [12, 8, 4], 2, (2, 1)), FoldingRequest(pe=2, simd=4))
    return graph, write_verilog(graph, tmp_path), vectors(graph, 3)


def test_beats_out_of_nothing_are_found(icarus, tmp_path):
    graph, verilog, golden = small(tmp_path)
    text = verilog.read_text().replace(".o__valid(m_axis_tvalid)", ".o__valid()")
    verilog.write_text(text.replace("endmodule", "  assign m_axis_tvalid = 1'h1;\nendmodule", 1))
    with pytest.raises(MismatchError):
        simulate_network(
            graph, verilog, golden, simulator=icarus, stall_seed=None, build_dir=tmp_path / "build"
        )


def test_a_late_beat_is_found(icarus, tmp_path):
    graph, verilog, golden = small(tmp_path)
    text = verilog.read_text()
    late = text.replace(".o__ready(m_axis_tready)", ".o__ready(m_axis_tready & late)")
    late = late.replace(".o__valid(m_axis_tvalid)", ".o__valid(early)")
    helper = """
  wire early;
  reg late = 1'h0;
  always @(posedge aclk) late <= early & ~(late & m_axis_tready);
  assign m_axis_tvalid = early & late;
endmodule"""
    verilog.write_text(late.replace("endmodule", helper, 1))
    with pytest.raises(MismatchError, match="output beat 0 came in cycle"):
        simulate_network(
            graph, verilog, golden, simulator=icarus, stall_seed=None, build_dir=tmp_path / "build"
        )


def test_a_shifted_tlast_is_found(icarus, tmp_path):
    graph, verilog, golden = small(tmp_path)
    text = verilog.read_text()
    top = text[: text.index("endmodule")]
    assert "m_axis_tlast <= " in top
    verilog.write_text(text.replace("m_axis_tlast <= ", "m_axis_tlast <= 1'h1 | ", 1))
    with pytest.raises(MismatchError, match="TLAST"):
        simulate_network(
            graph, verilog, golden, simulator=icarus, stall_seed=None, build_dir=tmp_path / "build"
        )
