"""The generated C++, compiled with g++, equals the operators' plain meaning bit for bit."""

import json
import shutil
from dataclasses import replace

import pytest

from hbnn_hw.backends.hls import HlsTool
from hbnn_hw.errors import MismatchError, OutputError, RangeError, ToolFailedError, ToolMissingError
from hbnn_hw.ops import Mvtu, SignOfZero
from hbnn_hw.streams import sample_interval
from hbnn_hw.verify.csim import CsimTools, find_compiler, find_headers, run_csim
from tests.hls.conftest import QUICK
from tests.hls.networks import export, mlp, multi_level
from tests.tables import rows

pytestmark = pytest.mark.hls

NETWORKS = {
    # One plane; odd and even widths, PE and SIMD of 1, odd, full; converters in both directions.
    "one_plane": lambda: mlp(1, [12, 15, 8, 9], (5, 3), (8, 15), (1, 8), n_bits=3),
    "lane_by_lane": lambda: mlp(2, [6, 4, 3], (1, 1), (1, 1), n_bits=1, zero=SignOfZero.MINUS),
    "full_width": lambda: mlp(3, [10, 7, 5], (7, 10), (5, 7), n_bits=8, zero=SignOfZero.MINUS),
    # Three planes with element maps: every word is kept, masks are stored.
    "element_maps": lambda: mlp(4, [24, 20, 12, 10], (4, 6), (6, 4), (5, 3), coefficients=(5, 3, 1)),
    # Three planes with column maps: words are skipped, at SIMD = 1 without any mask.
    "column_maps": lambda: mlp(
        5, [24, 18, 12, 6], (3, 4), (6, 3), (2, 1), coefficients=(4, 2, 1), shared_columns=True
    ),
    "two_planes": lambda: mlp(
        6, [9, 6, 4], (2, 9), (4, 2), n_bits=5, coefficients=(2, 1), shared_columns=True
    ),
    "unrolled": lambda: mlp(7, [20, 14, 6], None, None, n_bits=2, coefficients=(3, 1)),
    "mixed": lambda: mlp(8, [16, 70, 66, 5], (2, 8), None, (5, 6), n_bits=6, coefficients=(2, 1)),
    "single_elements": lambda: mlp(9, [1, 1, 1], (1, 1), (1, 1), n_bits=4),
    # Words beyond 64 bits, and an input buffer deep enough for LUT RAM.
    "wide_words": lambda: mlp(
        10, [130, 3, 130, 4], (3, 65), (130, 3), (4, 130), n_bits=7, coefficients=(2, 1)
    ),
    "deep_buffer": lambda: mlp(11, [80, 4, 2], (2, 2), (1, 4), coefficients=(2, 1), shared_columns=True),
    "multi_level": lambda: multi_level(12, [12, 10, 9, 6], (2, 1, 3), (5, 4), (3, 5), (2, 3)),
    "multi_level_unrolled": lambda: multi_level(13, [8, 6, 5], (3, 2), None, None, coefficients=(3, 1)),
    "empty_words": lambda: multi_level(
        14, [12, 8, 6], (1, 2), (2, 2), (1, 1), coefficients=(2, 1), shared_columns=True, zero_bit=True
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_csim_equals_golden(name, tmp_path, csim_tools):
    graph = NETWORKS[name]()
    result = run_csim(export(tmp_path, graph), tools=csim_tools)
    assert (result.images, result.bits > 0) == (8, True)
    assert result.interval_cycles == result.predicted_interval_cycles == sample_interval(graph)


def test_skipped_words_shorten_the_loop():
    graph = NETWORKS["column_maps"]()
    units = [node.op for node in graph.nodes if isinstance(node.op, Mvtu)]
    full = [
        u.weights.n_planes * u.weights.rows * u.weights.columns // u.folding.pe // u.folding.simd
        for u in units
    ]
    assert all(unit.schedule().n_steps < steps for unit, steps in zip(units, full, strict=True))


@pytest.mark.parametrize("name", ["element_maps", "multi_level_unrolled"])
def test_vitis_dialect_and_its_beats(name, tmp_path, csim_tools):
    result = run_csim(export(tmp_path, NETWORKS[name](), HlsTool.VITIS_HLS), tools=csim_tools)
    assert result.images == 8


@pytest.mark.parametrize("name", ["column_maps", "multi_level_unrolled"])
def test_synthesis_branches_equal_golden(name, tmp_path, csim_tools):
    tools = replace(csim_tools, extra_flags=(*csim_tools.extra_flags, "-DHBNN_SYNTHESIS_BRANCHES"))
    assert run_csim(export(tmp_path, NETWORKS[name]()), tools=tools).images == 8


@pytest.mark.parametrize(
    "name", rows(["two_planes", "multi_level_unrolled"], usual=lambda name: name == "multi_level_unrolled")
)
def test_sanitizers_find_nothing(name, tmp_path, compiler):
    tools = CsimTools(extra_flags=QUICK)
    assert run_csim(export(tmp_path, NETWORKS[name]()), sanitize=True, tools=tools).images == 8


def test_one_image_and_optimized_build(tmp_path, compiler):
    folder = export(tmp_path, NETWORKS["lane_by_lane"]())
    assert run_csim(folder, max_images=1).images == 1
    assert run_csim(folder, max_images=1000).images == 8


def test_wrong_arguments_and_folders(tmp_path, compiler):
    folder = export(tmp_path / "export", NETWORKS["single_elements"](), batch=2)
    with pytest.raises(RangeError, match="at least 1 image, not 0"):
        run_csim(folder, max_images=0)
    with pytest.raises(ToolMissingError, match=r"holds no ap_int\.h; type: pip install"):
        run_csim(folder, tools=CsimTools(headers=tmp_path))
    with pytest.raises(ToolMissingError, match="does not run; type: apt-get install g"):
        run_csim(folder, tools=CsimTools(compiler=tmp_path / "g++"))
    shutil.rmtree(folder / "hls")
    with pytest.raises(OutputError, match="no HLS project"):
        run_csim(folder)


def test_finders(tmp_path, monkeypatch):
    (tmp_path / "Vivado" / "2019.2" / "include").mkdir(parents=True)
    (tmp_path / "Vivado" / "2019.2" / "include" / "ap_int.h").touch()
    monkeypatch.setenv("XILINX_VIVADO", str(tmp_path / "Vivado" / "2019.2"))
    assert find_headers().version == "Vivado 2019.2"
    assert find_headers(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_compiler() is None


def test_header_sets_without_streams_get_a_stand_in(tmp_path, compiler):
    headers = tmp_path / "ap"
    shutil.copytree(find_headers().path, headers)
    (headers / "hls_stream.h").unlink()
    folder = export(tmp_path / "export", NETWORKS["lane_by_lane"]())
    tools = CsimTools(headers=headers, extra_flags=QUICK)
    assert run_csim(folder, tools=tools).images == 8


def _edit(folder, name, old, new):
    path = folder / "hls" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_complaints_of_streams_fail(tmp_path, csim_tools):
    folder = export(tmp_path, NETWORKS["lane_by_lane"]())
    # The last stage forgets a beat: what stays in the stream would hang the hardware.
    _edit(
        folder,
        "src/lib/width_converter.h",
        "sink.write(source.read());",
        "sink.write(source.read()); source.read();",
    )
    with pytest.raises((ToolFailedError, MismatchError), match=r"empty|differ"):
        run_csim(folder, tools=csim_tools)


def test_warnings_in_generated_code_fail(tmp_path, csim_tools):
    folder = export(tmp_path, NETWORKS["lane_by_lane"]())
    _edit(folder, "src/random_mlp.cpp", "#pragma HLS DATAFLOW", "int unused = 0;")
    with pytest.raises(ToolFailedError, match="unused variable"):
        run_csim(folder, tools=csim_tools)


def test_lost_tlast_fails(tmp_path, csim_tools):
    folder = export(tmp_path, NETWORKS["one_plane"]())
    _edit(folder, "src/lib/edges.h", "beat == Edge::BEATS - 1", "false")
    with pytest.raises(MismatchError, match="TLAST 0, golden has"):
        run_csim(folder, tools=csim_tools)


def test_steps_other_than_the_schedule_fail(tmp_path, csim_tools):
    folder = export(tmp_path, NETWORKS["one_plane"]())
    path = folder / "hls" / "tb" / "layout.json"
    layout = json.loads(path.read_text())
    layout["cycles"]["fc2"] += 1
    path.write_text(json.dumps(layout))
    with pytest.raises(MismatchError, match=r"layer 'fc2' took .* steps for 8 images, the schedule says"):
        run_csim(folder, tools=csim_tools)


def test_stale_inputs_fail(tmp_path, csim_tools):
    folder = export(tmp_path, NETWORKS["one_plane"]())
    _edit(folder, "tb/input.dat", "0", "1")
    with pytest.raises(MismatchError, match="export again"):
        run_csim(folder, tools=csim_tools)
