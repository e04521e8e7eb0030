"""The bounded-stream simulation: clocks equal the schedule's, depths too small are found and named."""

import json
import re
import subprocess

import numpy as np
import pytest

from hbnn_hw.errors import MismatchError, OutputError, RangeError, ToolFailedError
from hbnn_hw.streams import StreamEdge, sample_interval
from hbnn_hw.templating import template_root
from hbnn_hw.verify.bounded import HEADERS, UNBOUNDED, Wait, bounded_simulation
from hbnn_hw.verify.csim import CsimTools, compile_flags, find_headers
from hbnn_hw.verify.fifo import (
    check_depths,
    fifo_text,
    find_depths,
    measure_depths,
    run_fifo_check,
    steady_interval,
)
from hbnn_hw.verify.vectors import load_vectors
from tests.hls import test_csim, test_throughput
from tests.hls.conftest import PREFIX, QUICK
from tests.hls.networks import export, mlp
from tests.tables import rows

pytestmark = pytest.mark.hls


@pytest.fixture(scope="session")
def tools(compiler, tmp_path_factory):
    """Precompiled vendor headers without the vendor's streams."""
    folder = tmp_path_factory.mktemp("bounded")
    prefix = folder / "prefix.h"
    prefix.write_text(PREFIX.replace("#include <hls_stream.h>\n", ""))
    flags = [*compile_flags(find_headers().path, folder), "-U_FORTIFY_SOURCE", *QUICK]
    command = [compiler.path, *flags, "-x", "c++-header", prefix, "-o", folder / "prefix.h.gch"]
    subprocess.run(command, check=True)
    return CsimTools(extra_flags=(*QUICK, "-include", str(prefix)))


def edit(folder, name, old, new):
    path = folder / "hls" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def set_depth(folder, stream, depth):
    path = next((folder / "hls" / "src").glob("*.cpp"))
    text, count = re.subn(rf"(variable={stream} depth=)\d+", rf"\g<1>{depth}", path.read_text())
    assert count == 1
    path.write_text(text)


# Networks as they are exported

NETWORKS = test_throughput.NETWORKS | {
    name: test_csim.NETWORKS[name]
    for name in ("one_plane", "element_maps", "column_maps", "unrolled", "mixed", "wide_words", "multi_level")
}


USUAL = {*test_throughput.NETWORKS, "wide_words", "multi_level"}
"""The usual run has the others in plain C simulation."""


@pytest.mark.parametrize("name", rows(NETWORKS, usual=lambda name: name in USUAL))
def test_emitted_depths_reach_the_schedules_interval_in_the_cpp(name, tmp_path, tools):
    """No deadlock, golden outputs, and exactly the promised clocks: registered streams cost latency only."""
    graph = NETWORKS[name]()
    report = run_fifo_check(export(tmp_path, graph), tools=tools)
    assert report.interval_cycles == report.predicted_interval_cycles == sample_interval(graph)
    assert all(1 <= stream.peak <= stream.depth for stream in report.streams)
    steps = {process.name: process.steps for process in report.processes}
    cycles = {node.name: node.hardware.cycles(graph.source_type(node)) for node in graph.hardware_nodes}
    assert all(steps[name] == 8 * cycles[name] for name in cycles)
    assert report.bottleneck in {name for name, count in steps.items() if count == max(steps.values())}


def test_the_clocks_are_those_of_an_independent_model(tmp_path, tools):
    """Depths of 2 throttle this network; the clock-by-clock model in Python finds the same interval."""
    graph = NETWORKS["near_ties"]()
    with bounded_simulation(export(tmp_path, graph), tools=tools) as simulation:
        names = [stream.name for stream in simulation.top.streams]
        for depths in ([2, 2, 2, 2], [2, 3, 1, 5], [2, 1, 4, 1]):
            outcome = simulation.run(8, dict(zip(names, [*depths, 2], strict=True)))
            # The model's input is always there, so the depth in front of the first layer is no matter.
            ends = outcome.ends
            assert ends[-1] - ends[-2] == test_throughput.measured_interval(graph, depths)


def test_a_depth_too_small_for_the_throughput_is_caught(tmp_path, tools):
    folder = export(tmp_path, NETWORKS["near_ties"]())
    set_depth(folder, "to_fc2", 1)
    with pytest.raises(
        MismatchError,
        match=r"an image takes \d+ clocks, the schedule says 72; writers waited .*'to_fc2' \(full, depth 1\)"
        r".*; give 'to_fc2' depth 3$",
    ):
        run_fifo_check(folder, tools=tools)


def test_peaks_as_depths_change_nothing_and_one_less_does(tmp_path, tools):
    """A depth of the peak never makes a writer wait; a smaller one makes it wait at some time."""
    folder = export(tmp_path, NETWORKS["slow_last"]())
    with bounded_simulation(folder, tools=tools) as simulation:
        free = dict.fromkeys((stream.name for stream in simulation.top.streams), UNBOUNDED)
        unbounded = simulation.run(8, free, pace=simulation.interval)
        peaks = {stream.name: stream.peak for stream in unbounded.streams}
        assert peaks["to_fc3"] == 6
        bounded = simulation.run(8, peaks, pace=simulation.interval)
        assert [stream.waited_full for stream in bounded.streams] == [0] * len(peaks)
        assert (bounded.ends, bounded.processes) == (unbounded.ends, unbounded.processes)
        smaller = simulation.run(8, peaks | {"to_fc3": 5}, pace=simulation.interval)
        assert {stream.name: stream.waited_full for stream in smaller.streams}["to_fc3"] > 0


@pytest.mark.parametrize("name", ["slow_last", "near_ties"])
def test_measured_depths_reach_the_interval(name, tmp_path, tools):
    graph = NETWORKS[name]()
    folder = export(tmp_path, graph)
    for stream in [node.name for node in graph.hardware_nodes]:
        set_depth(folder, f"to_{stream}", 1)  # what is delivered does not matter
    for stream, depth in measure_depths(folder, tools=tools).items():
        set_depth(folder, stream, depth)
    assert run_fifo_check(folder, tools=tools).interval_cycles == sample_interval(graph)


def test_the_delivered_interval_is_what_the_project_says(tmp_path, tools):
    folder = export(tmp_path, NETWORKS["even"]())
    path = folder / "hls" / "tb" / "layout.json"
    layout = json.loads(path.read_text())
    layout["cycles"] = dict.fromkeys(layout["cycles"], 60)
    path.write_text(json.dumps(layout))
    with pytest.raises(MismatchError, match=r"takes 64 clocks, the schedule says 60; .* no depth helps"):
        run_fifo_check(folder, tools=tools)


def test_steady_interval():
    assert steady_interval((5,)) is None
    assert steady_interval((5, 25)) == 20
    # The first images run into an empty pipeline; of the rest the longest counts.
    assert steady_interval((5, 6, 7, 17, 28, 38)) == 11


def test_wrong_outputs_tlast_and_inputs_are_found(tmp_path, tools):
    for number, (name, old, new, message) in enumerate(
        [
            ("src/lib/edges.h", "beat == Edge::BEATS - 1", "false", "TLAST is 0 at image 0, beat 8 of 9"),
            (
                "src/lib/edges.h",
                "SIGNED>(source.read())",
                "SIGNED>(source.read()) ^ 1",
                r"bounded streams: \d+ of 72 outputs differ",
            ),
            ("tb/input.dat", "0", "1", "export again"),
        ]
    ):
        folder = export(tmp_path / str(number), NETWORKS["one_plane"]())
        edit(folder, name, old, new)
        with pytest.raises(MismatchError, match=message):
            run_fifo_check(folder, tools=tools)


def test_sanitizers_find_nothing_and_runs_repeat(tmp_path, compiler, tools):
    folder = export(tmp_path, test_csim.NETWORKS["two_planes"]())
    watched = run_fifo_check(folder, sanitize=True, tools=CsimTools(extra_flags=QUICK))
    again = run_fifo_check(folder, tools=tools)
    assert (watched.streams, watched.processes) == (again.streams, again.processes)
    assert watched.latency_cycles == again.latency_cycles


def test_one_image_has_no_interval(tmp_path, tools):
    folder = export(tmp_path, test_csim.NETWORKS["lane_by_lane"]())
    report = run_fifo_check(folder, images=1, tools=tools)
    assert (report.interval_cycles, report.result.images) == (None, 1)
    # fc1's 24 steps are in clocks 3 to 26; fc2 takes the last of 4 beats in 27 and has its 12th step in 35.
    # The output's last beat leaves in 36, and the first input beat was taken in 1.
    assert report.latency_cycles == 35
    with pytest.raises(RangeError, match="at least 1 image, not 0"):
        run_fifo_check(folder, images=0, tools=tools)


def test_text_and_document(tmp_path, tools):
    folder = export(tmp_path, NETWORKS["near_ties"]())
    report = run_fifo_check(folder, suggest=True, tools=tools)
    assert report.needed_depths == {"to_encode": 2, "to_fc1": 2, "to_fc2": 3, "to_fc3": 2, "to_output": 2}
    text = fifo_text(report)
    assert re.search(r"^to_fc2 +6 +\d+ +0 +\d+ +3$", text, re.MULTILINE)
    assert re.search(r"^fc1 +72 +\d+ +\d+$", text, re.MULTILINE)
    assert "'fc1' has the most steps" in text
    document = json.loads(json.dumps(report.document()))
    assert document["interval_cycles"] == 72
    assert document["result"]["level"] == "bounded streams"


# A hand-written fork and join

BLOCK = 64

FORK_JOIN = """
#include "fork_join.h"
#include "lib/bits.h"

static void read_input(hls::stream<input_beat> &source, hls::stream<ap_uint<8> > &sink, unsigned images) {
  for (unsigned i = 0; i < 64 * images; ++i) {
    HBNN_COUNT_STEP(0);
    sink.write(source.read().data);
  }
}

static void fork(hls::stream<ap_uint<8> > &source, hls::stream<ap_uint<8> > &sink,
    hls::stream<ap_uint<8> > &sink2, unsigned images) {
  for (unsigned i = 0; i < 64 * images; ++i) {
    HBNN_COUNT_STEP(1);
    const ap_uint<8> x = source.read();
    sink.write(x);
    sink2.write(x);
  }
}

// Takes a block before it gives the first beat back.
static void reorder(hls::stream<ap_uint<8> > &source, hls::stream<ap_uint<8> > &sink, unsigned images) {
  ap_uint<8> block[64];
  for (unsigned image = 0; image < images; ++image) {
    for (unsigned i = 0; i < 64; ++i) {
      HBNN_COUNT_STEP(2);
      block[i] = source.read();
    }
    for (unsigned i = 0; i < 64; ++i) {
      HBNN_COUNT_STEP(2);
      sink.write(block[63 - i]);
    }
  }
}

static void add(hls::stream<ap_uint<8> > &source, hls::stream<ap_uint<8> > &source2,
    hls::stream<output_beat> &sink, unsigned images) {
  for (unsigned i = 0; i < 64 * images; ++i) {
    HBNN_COUNT_STEP(3);
    const ap_uint<8> sum = source.read() + source2.read();
    sink.write(hbnn::axis_beat<8>(sum, i % 64 == 63));
  }
}

void fork_join(hls::stream<input_beat> &s_axis_in, hls::stream<output_beat> &m_axis_out, unsigned images) {
#pragma HLS DATAFLOW
  hls::stream<ap_uint<8> > to_fork("to_fork");
#pragma HLS STREAM variable=to_fork depth=2
  hls::stream<ap_uint<8> > to_reorder("to_reorder");  // the default depth is 2
  hls::stream<ap_uint<8> > to_add_1("to_add_1");
#pragma HLS STREAM variable=to_add_1 depth=2
  hls::stream<ap_uint<8> > to_add_2("to_add_2");
#pragma HLS STREAM variable=to_add_2 depth=DEPTH
  read_input(s_axis_in, to_fork, images);
  fork(to_fork, to_reorder, to_add_2, images);
  reorder(to_reorder, to_add_1, images);
  add(to_add_1, to_add_2, m_axis_out, images);
}
"""

FORK_JOIN_H = """
#include "lib/axis.h"
#include <hls_stream.h>
typedef hbnn::AxisBeat<8> input_beat;
typedef hbnn::AxisBeat<8> output_beat;
"""


def fork_join(folder, depth, images=4):
    """A project with a bypass around a branch that reorders 64 beats; 128 clocks an image."""
    library = template_root() / "hls" / "lib"
    (folder / "hls" / "src" / "lib").mkdir(parents=True)
    (folder / "hls" / "tb").mkdir()
    (folder / "vectors").mkdir()
    for source, name in (("bits.h", "bits.h"), ("axis_vivado_hls.h", "axis.h")):
        (folder / "hls" / "src" / "lib" / name).write_text((library / source).read_text())
    (folder / "hls" / "src" / "fork_join.cpp").write_text(FORK_JOIN.replace("DEPTH", str(depth)))
    (folder / "hls" / "src" / "fork_join.h").write_text(FORK_JOIN_H)
    edge = {"elements": BLOCK, "lanes": 1, "element_bits": 8, "lane_bits": 8, "signed": False}
    layout = {"network": "fork_join", "input": edge, "output": edge, "cycles": {"reorder": 2 * BLOCK}}
    (folder / "hls" / "tb" / "layout.json").write_text(json.dumps(layout))
    x = np.random.default_rng(0).integers(0, 256, (images, BLOCK))
    beats = StreamEdge(**edge).to_beats(x)
    (folder / "hls" / "tb" / "input.dat").write_text("".join(f"{beat:02x}\n" for beat in beats))
    np.save(folder / "vectors" / "input.npy", x)
    np.save(folder / "vectors" / "output.npy", (x + x[:, ::-1]) % 256)
    return folder


@pytest.fixture(scope="module")
def bypass(tools, tmp_path_factory):
    """The fork and join with a bypass of 64 beats, built once: depths are arguments of a run."""
    with bounded_simulation(fork_join(tmp_path_factory.mktemp("bypass"), 64), tools=tools) as simulation:
        yield simulation


def test_the_exact_depth_of_a_bypass(bypass):
    """All 64 beats of a block wait in the bypass: the 64th passes the fork in one step with its twin."""
    ends = [not bypass.run(4, {"to_add_2": depth}).blocked for depth in range(1, 130)]
    assert ends == [False] * 63 + [True] * 66
    short = bypass.run(4, {"to_add_2": 63})
    peaks = {stream.name: stream.peak for stream in short.streams}
    assert peaks == {"to_fork": 2, "to_reorder": 2, "to_add_1": 0, "to_add_2": 63}
    assert [(process.name, process.wait, process.stream) for process in short.blocked] == [
        ("read_input", Wait.FULL, "to_fork"),
        ("fork", Wait.FULL, "to_add_2"),
        ("reorder", Wait.EMPTY, "to_reorder"),
        ("add", Wait.EMPTY, "to_add_1"),
    ]


def test_a_deadlock_names_processes_streams_and_the_depth_that_helps(tmp_path, tools):
    with pytest.raises(
        MismatchError,
        match=r"bounded streams: deadlock in clock \d+: "
        r"'read_input' waits for 'to_fork' \(full, depth 2\), "
        r"'fork' waits for 'to_add_2' \(full, depth 63\), "
        r"'reorder' waits for 'to_reorder' \(empty\), "
        r"'add' waits for 'to_add_1' \(empty\); "
        r"give 'to_add_2' depth 64$",
    ):
        run_fifo_check(fork_join(tmp_path, 63), tools=tools)


def test_a_fork_that_fits_reaches_its_interval(bypass):
    """While a block leaves the reorder unit, the next one cannot enter: 64 beats are enough for full rate."""
    report = check_depths(bypass, load_vectors(bypass.hls.parent))
    assert report.interval_cycles == report.predicted_interval_cycles == 2 * BLOCK
    assert report.bottleneck == "reorder"
    assert {stream.name: stream.peak for stream in report.streams}["to_add_2"] == BLOCK
    # A block's last beat passes the fork in clock t, the reorder unit in t + 1, comes back in t + 2 and is
    # added in t + 3; at the even pace the next block's first beat is there in t + 2 already.
    assert find_depths(bypass, 4) == {"to_fork": 2, "to_reorder": 2, "to_add_1": 2, "to_add_2": BLOCK + 1}


def test_unbounded_streams_make_no_writer_wait(bypass):
    free = dict.fromkeys((stream.name for stream in bypass.top.streams), UNBOUNDED)
    outcome = bypass.run(4, free)
    assert not outcome.blocked
    assert [stream.waited_full for stream in outcome.streams] == [0] * 4
    # At full rate a beat is taken in the clock in which the next one is written: two places are in use.
    assert {stream.name: stream.peak for stream in outcome.streams}["to_add_1"] == 2
    with pytest.raises(OutputError, match="no stream 'to_fc9'"):
        bypass.run(4, {"to_fc9": 3})


def test_a_process_that_reads_too_much_is_starved(tmp_path, tools):
    folder = fork_join(tmp_path, 64)
    edit(folder, "src/fork_join.cpp", "    sink2.write(x);", "    if (i != 100) sink2.write(x);")
    with pytest.raises(
        MismatchError,
        match=r"starved in clock \d+: 'add' reads 'to_add_2' beyond the 255 beat\(s\) that 'fork' wrote; "
        "no depth helps: the processes disagree on how many beats there are",
    ):
        run_fifo_check(folder, tools=tools)


def test_the_accelerator_reading_beyond_its_input_is_starved(tmp_path, tools):
    folder = fork_join(tmp_path, 64)
    edit(folder, "src/fork_join.cpp", "i < 64 * images", "i < 64 * images + 1")
    with pytest.raises(
        MismatchError, match=r"'s_axis_in' beyond the 256 beat\(s\) that the test bench wrote"
    ):
        run_fifo_check(folder, tools=tools)


def test_a_process_that_writes_too_much_is_reported(tmp_path, tools):
    """Few beats stay in the stream, many block the writer whose reader is gone."""
    folder = fork_join(tmp_path / "few", 64)
    edit(
        folder, "src/fork_join.cpp", "    sink2.write(x);\n  }", "    sink2.write(x);\n  }\n  sink2.write(0);"
    )
    edit(
        folder,
        "src/fork_join.cpp",
        "    sink2.write(x);\n  }\n",
        "    sink2.write(x);\n  }\n  HBNN_COUNT_STEP(1);\n",
    )
    with pytest.raises(MismatchError, match=r"'to_add_2' keeps 1 of 257 beats that no process reads"):
        run_fifo_check(folder, tools=tools)
    folder = fork_join(tmp_path / "many", 64)
    extra = "  for (unsigned i = 0; i < 9; ++i) { HBNN_COUNT_STEP(2); sink.write(0); }\n}\n\nstatic void add"
    edit(folder, "src/fork_join.cpp", "}\n\nstatic void add", extra)
    with pytest.raises(
        MismatchError,
        match=r"deadlock in clock \d+: 'reorder' writes 'to_add_1' beyond the 256 beat\(s\) that 'add' read; "
        "no depth helps: the processes disagree",
    ):
        run_fifo_check(folder, tools=tools)


def test_faults_of_the_cpp_itself(tmp_path, tools):
    """Two beats of one stream in one step contradict an initiation interval of 1; a stream has one writer."""
    folder = fork_join(tmp_path / "twice", 64)
    edit(folder, "src/fork_join.cpp", "sink.write(x);", "sink.write(x); sink.write(x);")
    with pytest.raises(ToolFailedError, match="process 'fork' writes 'to_reorder' twice within one step"):
        run_fifo_check(folder, tools=tools)
    folder = fork_join(tmp_path / "writers", 64)
    edit(folder, "src/fork_join.cpp", "block[i] = source.read();", "block[i] = 0; source.write(block[i]);")
    with pytest.raises(
        ToolFailedError, match="'to_reorder' is written by two processes, 'fork' and 'reorder'"
    ):
        run_fifo_check(folder, tools=tools)


def test_processes_without_marks_take_a_clock_per_beat(tmp_path, tools):
    """Using a stream again ends the clock, so a loop without HBNN_COUNT_STEP keeps its time."""
    folder = fork_join(tmp_path, 64)
    path = folder / "hls" / "src" / "fork_join.cpp"
    path.write_text(re.sub(r" *HBNN_COUNT_STEP\(\d\);\n", "", path.read_text()))
    report = run_fifo_check(folder, tools=tools)
    # Where the reorder unit turns from reading to writing and back, the two share a clock now.
    assert report.interval_cycles == 2 * BLOCK - 2


# The headers


@pytest.mark.parametrize(
    "standard", rows(["-std=c++11", "-std=c++17"], usual=lambda standard: "11" in standard)
)
def test_headers_compile_alone(standard, tmp_path, compiler):
    folder = template_root() / "hls" / "csim" / "bounded"
    for header in HEADERS:
        source = tmp_path / "alone.cpp"
        source.write_text(f'#include "{header}"\n')
        for optimize in ("-O0", "-O2"):
            command = [
                compiler.path,
                standard,
                optimize,
                "-U_FORTIFY_SOURCE",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-c",
            ]
            command += ["-I", folder, "-isystem", find_headers().path, source, "-o", tmp_path / "alone.o"]
            outcome = subprocess.run(command, capture_output=True, text=True)
            assert (outcome.returncode, outcome.stderr) == (0, "")


def test_delivered_top_functions_hold_no_macro(tmp_path):
    """What the vendor's tool gets is a list of plain calls; the simulation reads the same text."""
    folder = export(tmp_path, mlp(1, [4, 3, 2], (1, 1), (1, 1)))
    text = (folder / "hls" / "src" / "random_mlp.cpp").read_text()
    assert "HBNN_" not in text
    assert "process_network" not in "".join(str(path) for path in (folder / "hls").rglob("*"))
