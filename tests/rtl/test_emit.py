"""The emitted texts: complete, readable, reproducible; errors say what to do."""

import ast
import json
import re
from dataclasses import replace

import pytest

from hbnn_hw import extras
from hbnn_hw.backends import rtl
from hbnn_hw.backends.rtl.top import BUILDERS
from hbnn_hw.errors import GraphError, ToolFailedError, ToolMissingError
from hbnn_hw.ops import OPS, HardwareOp
from hbnn_hw.passes import FoldingRequest, lower
from hbnn_hw.target import Target
from hbnn_hw.yosys import run_yosys
from tests.graphs import random_mlp


@pytest.fixture(scope="module")
def small():
    return lower(random_mlp(1, [12, 8, 4], n_bits=2, coefficients=(2, 1)), FoldingRequest(pe=2, simd=4))


@pytest.fixture(scope="module")
def texts(small):
    return rtl.emit(small, Target())


def test_every_hardware_operator_has_a_builder():
    assert set(BUILDERS) == {kind for kind in OPS.values() if issubclass(kind, HardwareOp)}


def test_emission_is_reproducible(small, texts):
    assert rtl.emit(small, Target()) == texts
    assert set(texts) == {"random_mlp.v", "README.md", "sim/Makefile", "sim/test_network.py"}


def test_structures_of_unrolled_layers_are_told():
    graph = lower(random_mlp(1, [12, 8, 4]), FoldingRequest(unroll=True))
    texts = rtl.emit(graph, Target())
    layers = json.loads(texts["structures.json"])
    assert [layer["name"] for layer in layers] == ["fc1", "fc2"]
    for layer in layers:
        assert f"// Structure: {layer['explanation']}." in texts["random_mlp.v"]
        assert "rows that share" in layer["explanation"]
        assert layer["luts"] > 0
        assert layer["levels"] > 0


def test_verilog_is_readable(texts):
    verilog = texts["random_mlp.v"]
    header = verilog[: verilog.index("\nmodule")]
    for phrase in ("fc1: Mvtu, PE 2, SIMD 4, 8x12 weights, 2 planes", "A result every 24 clocks"):
        assert phrase in header
    assert "\\" not in verilog, "no escaped identifiers"
    assert "(*" not in verilog, "no attributes"
    assert not re.search(r"/(home|work|tmp|usr)/|\d{4}-\d\d-\d\d|Yosys", verilog)
    modules = re.findall(r"^module (\w+)", verilog, re.MULTILINE)
    assert modules[0] == "random_mlp"
    assert len(modules) == len(set(modules))
    assert "random_mlp_fc2_width" in modules
    assert [name for name in modules if "_pe" in name] == ["random_mlp_fc1_pe", "random_mlp_fc2_pe"]


def test_readme_tells_ports_and_beats(texts):
    for phrase in (
        "`aresetn`",
        "12 elements in 3 beats of 4 lanes",
        "24 clocks per image",
        "| `fc2` | Mvtu |",
        "| `0x18` | IMAGES_OUT | read |",
    ):
        assert phrase in texts["README.md"]


def test_the_bench_for_the_user_knows_the_edges(texts):
    bench = texts["sim/test_network.py"]
    ast.parse(bench)
    assert 'INPUT_LANE, OUTPUT_LANE = np.dtype("<u1"), np.dtype("<i1")' in bench.replace("|", "<")
    assert '"STATUS": 0x10' in bench
    assert "COCOTB_TOPLEVEL = random_mlp" in texts["sim/Makefile"]


def test_an_unrolled_layer_is_text_and_a_name_becomes_an_identifier():
    graph = lower(random_mlp(1, [64, 20, 4], n_bits=1), FoldingRequest(unroll=True))
    verilog = rtl.emit(replace(graph, name="my-net 2"), Target())["my_net_2.v"]
    modules = re.findall(r"^module (\w+)", verilog, re.MULTILINE)
    assert "my_net_2_fc1_kernel" in modules
    assert "LUT6_2 #(.INIT(64'h" in verilog
    assert "my_net_2_fc2_kernel" in modules


def test_an_unscheduled_graph_is_refused():
    with pytest.raises(GraphError, match="lowered and scheduled"):
        rtl.emit(random_mlp(1, [4, 2]), Target())


def test_missing_packages_are_named_with_the_remedy(small, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(ToolMissingError, match=r"pip install 'hbnn-hw\[rtl\]'"):
        rtl.emit(small, Target())


def test_a_yosys_error_becomes_an_exception_with_the_log(tmp_path):
    with pytest.raises(ToolFailedError, match="nothing\\.v"):
        run_yosys(["read_verilog nothing.v"], tmp_path)
