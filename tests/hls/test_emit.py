"""The text of an HLS project: complete, readable, deterministic, within the tools' limits."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hbnn_hw.backends.hls import HlsTool, emit
from hbnn_hw.backends.hls.dialect import AXIS_HEADER, translate
from hbnn_hw.backends.hls.mvtu import reuse_distance
from hbnn_hw.backends.hls.names import identifier, identifiers
from hbnn_hw.backends.hls.roms import in_parts, vector_rom, word_rom
from hbnn_hw.backends.hls.scripts import ACCELERATOR_ADDRESS, DMA_ADDRESS, SCRIPTS
from hbnn_hw.errors import FoldingError, GraphError, TemplateError
from hbnn_hw.folding import weight_words
from hbnn_hw.graph import Graph
from hbnn_hw.ops import WidthConverter
from hbnn_hw.templating import template_root
from tests.graphs import random_mlp
from tests.hls.networks import TARGET, golden, mlp
from tests.hls.test_faults import rom_words

SNAPSHOT = Path(__file__).parent / "snapshot_fc1.h"


def texts(graph, tool=HlsTool.VIVADO_HLS):
    return emit(graph, golden(graph, 2), TARGET, tool)


def tiny():
    return mlp(40, [8, 4, 2], (2, 4), (2, 2), coefficients=(2, 1), shared_columns=True)


def test_layer_header_is_as_on_record():
    assert texts(tiny())["src/layers/fc1.h"] == SNAPSHOT.read_text(encoding="utf-8")


@pytest.mark.parametrize("tool", HlsTool)
def test_project_is_complete_and_the_same_every_time(tool):
    files = texts(tiny(), tool)
    assert files == texts(tiny(), tool)
    assert list(files) == sorted(files)
    layers = {f"src/layers/{name}.h" for name in ("encode", "fc1", "fc2")}
    headers = {path.name for path in (template_root() / "hls" / "lib").glob("*.h")} - set(
        AXIS_HEADER.values()
    )
    library = {f"src/lib/{name}" for name in ("axis.h", *headers)}
    others = {"src/random_mlp.cpp", "src/random_mlp.h", "README.md"}
    others |= {f"scripts/{name}" for name in (*SCRIPTS, "common.tcl")}
    bench = {"tb/testbench.cpp", "tb/input.dat", "tb/output.dat", "tb/layout.json"}
    drivers = {name for name in files if name.startswith("driver/")}  # their own tests: tests/drivers
    assert drivers
    assert set(files) - drivers == layers | library | others | bench


@pytest.mark.parametrize("tool", HlsTool)
def test_text_is_readable(tool):
    graph = mlp(41, [256, 70, 12, 10], (7, 64), None, (5, 6), coefficients=(4, 2, 1), n_bits=8)
    for name, text in texts(graph, tool).items():
        if name.startswith("driver/"):
            continue  # Makefiles have tabs, Python has None; tests/drivers looks at them
        assert text.endswith("\n"), name
        assert "\t" not in text, name
        assert re.search(r" $|/home/|/tmp/|None|Undefined", text, re.MULTILINE) is None, name
        if name.endswith((".h", ".cpp", ".tcl")):
            assert max(map(len, text.splitlines())) < 120, name


def test_rom_holds_the_words_of_the_fold():
    graph = mlp(42, [24, 12, 6], (3, 6), (2, 6), coefficients=(3, 1))
    op = next(node.op for node in graph.nodes if node.name == "fc1")
    bits, masks = weight_words(op.weights, op.folding, op.schedule())
    text = texts(graph)["src/layers/fc1.h"]
    for rom, words in (("fc1_weights", bits), ("fc1_masks", masks)):
        found = [int(match[0], 16) for match in rom_words(text, rom)]
        # One row of words per PE.
        expected = (words.astype(int) << np.arange(6)).sum(axis=2).T.ravel()
        assert found == expected.tolist()


@pytest.mark.parametrize(
    ("weights", "rom"),
    [
        ({}, "NoMasks<4>"),
        ({"coefficients": (2, 1)}, "WordRom<4, 2,"),
        ({"coefficients": (2, 1), "shared_columns": True}, "SharedRom<4,"),
    ],
)
def test_masks_cost_no_more_memory_than_the_map_needs(weights, rom):
    text = texts(mlp(43, [16, 4, 2], (2, 4), (2, 2), **weights))["src/layers/fc1.h"]
    assert re.search(rf"{re.escape(rom)}.*fc1_masks =", text)


def test_deep_buffers_go_to_ram_with_their_true_reuse_distance():
    graph = mlp(44, [80, 4, 2], (2, 2), (1, 4))
    op = next(node.op for node in graph.nodes if node.name == "fc1")
    text = texts(graph)["src/layers/fc1.h"]
    assert reuse_distance(op.schedule()) == 40
    assert "#pragma HLS DEPENDENCE variable=buffer inter RAW distance=40 true" in text
    assert "variable=buffer core=RAM_S2P_LUTRAM" in text


@pytest.mark.parametrize("tool", HlsTool)
def test_pragmas_speak_the_tools_dialect(tool):
    graph = mlp(45, [80, 40, 4, 2], (2, 2), (2, 10), (1, 2), coefficients=(2, 1))
    text = "\n".join(content for name, content in texts(graph, tool).items() if name.startswith("src/"))
    spelled = {
        HlsTool.VIVADO_HLS: ("enable_flush", "RESOURCE", "axis register both port=", "struct AxisBeat"),
        HlsTool.VITIS_HLS: ("style=flp", "BIND_STORAGE", "register_mode=both", "ap_axiu<DATA_BITS, 0, 0, 0>"),
    }
    assert all(word in text for word in spelled[tool])
    other = next(t for t in HlsTool if t is not tool)
    assert not any(word in text for word in spelled[other])


def test_pragmas_name_variables_of_their_file():
    graph = mlp(46, [80, 40, 4, 2], (2, 2), (2, 10), None, coefficients=(2, 1))
    for name, text in texts(graph).items():
        for variable in re.findall(r"#pragma HLS .*\b(?:variable|port)=(\w+)", text):
            declared = rf"(?:^|[ &]){variable}(?:\[|;|,|\)| =|\(|$)"
            assert variable == "return" or re.search(declared, text.replace("#pragma", ""), re.MULTILINE), (
                name
            )


def test_unknown_memory_core_is_refused():
    with pytest.raises(TemplateError, match="no BIND_STORAGE spelling of the core 'RAM_T2P_URAM'"):
        translate("#pragma HLS RESOURCE variable=x core=RAM_T2P_URAM\n", HlsTool.VITIS_HLS)


@pytest.mark.parametrize(
    ("sizes", "foldings", "message"),
    [
        ([784, 4, 2], (None, (2, 4)), "layer 'fc1': the input word must be at most 4096 bits .* not 6272"),
        ([8, 1100, 2], (None, (2, 4)), "layer 'fc1': the set of weight ROMs must have at most 1024 elements"),
        ([8, 2048, 2], ((2048, 8), (2, 2048)), "layer 'fc1': .* not 2048; choose a smaller PE"),
    ],
)
def test_sizes_beyond_the_tools_are_refused_by_layer(sizes, foldings, message):
    graph = mlp(47, sizes, *foldings, n_bits=8)
    with pytest.raises(FoldingError, match=message):
        texts(graph)


def test_other_graphs_are_refused():
    vectors = golden(tiny(), 1)
    with pytest.raises(GraphError, match="must be lowered and scheduled"):
        emit(random_mlp(48, [4, 3, 2]), vectors, TARGET)
    graph = mlp(40, [8, 8, 2], (2, 4), (2, 2))  # layers as wide as the input: shapes fit, streams do not
    nodes = list(graph.nodes)
    at = next(i for i, node in enumerate(nodes) if node.name == "fc2")
    nodes[at] = replace(nodes[at], inputs=("encode",))
    with pytest.raises(GraphError, match="the stream of 'encode' must have one reader, not 2; lower"):
        emit(Graph(graph.name, graph.input_name, graph.input_type, tuple(nodes)), vectors, TARGET)


def test_converter_of_equal_widths_hands_beats_on():
    graph = tiny()
    index = next(i for i, node in enumerate(graph.nodes) if node.name == "fc1")
    converter = type(graph.nodes[0])("same", WidthConverter(lanes_from=4, lanes_to=4), ("encode",))
    behind = (replace(graph.nodes[index], inputs=("same",)), *graph.nodes[index + 1 :])
    graph = Graph(graph.name, graph.input_name, graph.input_type, (*graph.nodes[:index], converter, *behind))
    assert "hbnn::forward<same_shape>" in texts(graph)["src/layers/same.h"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("features.0", "features_0"), ("0", "n0"), ("_x__y_", "x_y"), ("Process", "Process_x"), ("µ", "layer")],
)
def test_names_become_identifiers(name, expected):
    assert identifier(name) == expected


def test_identifiers_differ_without_regard_to_case_and_from_what_is_made_of_them():
    assert identifiers(["fc1", "FC1", "fc.1", "fc_1"]) == ["fc1", "FC1_2", "fc_1", "fc_1_2"]
    assert identifiers(["fc1", "fc1_weights", "to_fc1"]) == ["fc1", "fc1_weights_2", "to_fc1_2"]
    assert identifiers(["output", "input_edge"]) == ["output_x", "input_edge_2"]


@pytest.mark.parametrize("width", [1, 3, 4, 5, 8, 9, 32, 33, 64, 65, 100, 128, 1000, 4096])
def test_words_print_and_parse_back(width):
    bits = np.random.default_rng(width).integers(0, 2, (20, width), dtype=np.uint8)
    numbers = [sum(int(bit) << i for i, bit in enumerate(word)) for word in bits]
    text = vector_rom(bits)
    if width <= 64:
        found = re.findall(r"0x([0-9a-f]+)(?:ULL)?", text)
    else:
        text = text[text.index("#endif") : text.index("#undef")]
        found = re.findall(rf"HBNN_WORD_{width}\(([^)]*)\)", text)
        assert {len(re.split(r",\s+", parts)) for parts in found} == {-(-width // 64)}
        found = [re.sub(r"[,\s]", "", parts) for parts in found]
    assert [int(digits, 16) for digits in found] == numbers
    assert {len(digits) for digits in found} == {-(-width // 4)}
    assert max(map(len, text.splitlines())) < 120


def test_long_tables_are_cut_at_line_ends():
    text = word_rom(np.random.default_rng(0).integers(0, 2, (3, 200, 17), dtype=np.uint8))
    parts = in_parts(text, 1000)
    assert "".join(parts) == text
    assert len(parts) > 1
    assert all(part.endswith("\n") for part in parts[:-1])
    assert max(map(len, parts)) <= 1000
    assert in_parts(text) == [text]


def test_readme_tells_cycles_and_what_is_open():
    text = texts(tiny())["README.md"]
    assert "## What was not verified" in text
    assert re.search(r"\| `fc1` \| mvtu \| \d+ \| 12 bit \| 2 bit \|", text)
    assert "vivado_hls -f scripts/hls.tcl" in text
    assert f"0x{DMA_ADDRESS:08X}" in text
    assert f"0x{ACCELERATOR_ADDRESS:08X}" in text
    # A command for every script that a user starts.
    assert all(f"scripts/{script}" in text for script in SCRIPTS)
    assert "bn2" in text
