"""Whole emitted networks against golden: full rate with predicted cycles, and random stalls."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hbnn_hw import ir_file
from hbnn_hw.backends.rtl import emit
from hbnn_hw.errors import MismatchError, OutputError, ToolMissingError
from hbnn_hw.passes import FoldingRequest, LayerFolding, lower
from hbnn_hw.target import Target
from hbnn_hw.timing import interval_cycles, latency_cycles
from hbnn_hw.verify.cosim import simulate_network
from hbnn_hw.verify.evaluated_kernels import replace_kernels
from hbnn_hw.verify.fast_simulation import CompiledNetwork
from hbnn_hw.verify.result import VerificationResult
from hbnn_hw.verify.simulation import Bench, choose_bench, run_simulation
from hbnn_hw.verify.simulators import Simulator
from hbnn_hw.verify.vectors import VectorSet, vector_files
from rtl_tests.networks import vectors, write_verilog
from tests.graphs import random_mlp
from tests.tables import rows

pytestmark = pytest.mark.cosim

UNROLL = LayerFolding(unroll=True)

NETWORKS = {
    "folded": lambda: lower(random_mlp(1, [12, 8, 4], 2, (2, 1)), FoldingRequest(pe=2, simd=4)),
    "skipped words": lambda: lower(
        random_mlp(2, [24, 12, 16, 6], 2, (4, 2, 1), shared_columns=True), FoldingRequest(pe=2, simd=2)
    ),
    "text kernel": lambda: lower(
        random_mlp(3, [32, 40, 6], 1), FoldingRequest(pe=2, simd=8, layers={"fc1": UNROLL})
    ),
    "all unrolled": lambda: lower(random_mlp(4, [10, 6, 3], 3, (3, 1)), FoldingRequest(unroll=True)),
    "stages": lambda: lower(
        random_mlp(6, [10, 6, 3], 2),
        FoldingRequest(unroll=True, stages=1, layers={"fc2": LayerFolding(stages=5)}),
    ),
    "odd": lambda: lower(random_mlp(5, [15, 9, 5], 8, (5, 3)), FoldingRequest(pe=3, simd=5)),
}


@pytest.mark.parametrize("name", rows(NETWORKS, usual=lambda name: name not in {"odd", "stages"}))
def test_network_on_icarus(icarus, tmp_path, name):
    graph = NETWORKS[name]()
    verilog, golden = write_verilog(graph, tmp_path), vectors(graph, 6)
    options = {"simulator": icarus, "build_dir": tmp_path / "build"}
    result = simulate_network(graph, verilog, golden, stall_seed=None, **options)
    assert result.images == 6
    assert result.interval_cycles == result.predicted_interval_cycles == interval_cycles(graph)
    assert result.latency_cycles == result.predicted_latency_cycles == latency_cycles(graph)
    for seed in (1, 2):
        stalled = simulate_network(graph, verilog, golden, stall_seed=seed, **options)
        assert stalled.bits == result.bits
        assert stalled.interval_cycles is None


def write_export(graph, folder, n_images):
    """Write what ``hbnn-hw export`` writes for the simulation."""
    (folder / "rtl").mkdir()
    (folder / "vectors").mkdir()
    write_verilog(graph, folder / "rtl")
    ir_file.save(graph, folder / "graph.hbnn")
    for name, array in vector_files(vectors(graph, n_images)).items():
        np.save(folder / name, array)


def test_export_folder_at_compiled_speed(verilator, tmp_path):
    graph = lower(random_mlp(6, [24, 16, 10], 8, (4, 2, 1)), FoldingRequest(pe=2, simd=8))
    write_export(graph, tmp_path, 20)
    before = sorted(path.name for path in tmp_path.iterdir())
    build, bench = tmp_path / "build", choose_bench(None, verilator)
    assert bench is Bench.COMPILED
    full_rate, *stalled = run_simulation(
        tmp_path,
        simulator=verilator,
        bench=bench,
        max_images=20,
        stall_seeds=(None, 5, 6),
        waves=True,
        build_dir=build,
    )
    assert full_rate.interval_cycles == interval_cycles(graph)
    assert full_rate.latency_cycles == latency_cycles(graph)
    assert [result.images for result in stalled] == [20, 20]
    waves = tmp_path / "waves"
    assert {path.name for path in waves.iterdir()} == {"verilator_full_rate.vcd", "verilator_stalls.vcd"}
    assert sorted(path.name for path in tmp_path.iterdir() if path not in {build, waves}) == before


def test_kernels_that_are_not_compiled_are_evaluated_as_printed(verilator, tmp_path):
    """With ranks of registers; a wrong bit in the text of one is found without another compilation."""
    graph = NETWORKS["stages"]()
    verilog, golden = write_verilog(graph, tmp_path), vectors(graph, 24)
    network = CompiledNetwork.build(graph, verilog, tmp_path / "build", compiled_luts=0)
    full_rate, *stalled = [network.simulate(golden, seed) for seed in (None, 1, 2)]
    assert full_rate.interval_cycles == full_rate.predicted_interval_cycles == 1
    assert full_rate.latency_cycles == full_rate.predicted_latency_cycles
    assert full_rate.means.endswith(
        "evaluated as printed, not compiled: random_mlp_fc1_kernel, random_mlp_fc2_kernel"
    )
    assert [result.bits for result in stalled] == [full_rate.bits] * 2
    assert VerificationResult.of_document(json.loads(json.dumps(full_rate.document()))) == full_rate
    text = verilog.read_text()
    digit = text.index("'h", text.index(" LUT6 ", text.index("module random_mlp_fc1_kernel"))) + 2
    faulty = text[:digit] + f"{int(text[digit], 16) ^ 15:x}" + text[digit + 1 :]
    for name, program in replace_kernels(faulty, 0).programs.items():
        (tmp_path / "build" / name).write_bytes(program)
    with pytest.raises(MismatchError, match="first at image"):
        network.simulate(golden, None)


def test_the_bench_of_the_export_runs_by_itself(icarus, tmp_path):
    """It asks the registers for the images that passed, through cocotbext-axi's AXI4-Lite master."""
    graph = NETWORKS["folded"]()
    write_export(graph, tmp_path, 3)
    for name, text in emit(graph, Target()).items():
        (tmp_path / "rtl" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "rtl" / name).write_text(text)
    folder = tmp_path / "rtl" / "sim"
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    command = ["make", "-C", str(folder), "IMAGES=3"]
    done = subprocess.run(
        command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TESTS=2 PASS=2 FAIL=0" in done.stdout + done.stderr


def test_export_folder_on_icarus_with_waves(icarus, tmp_path):
    write_export(NETWORKS["folded"](), tmp_path, 4)
    (result,) = run_simulation(tmp_path, simulator=icarus, max_images=2, stall_seeds=(None,), waves=True)
    assert (result.level, result.images) == ("RTL simulation, full rate", 2)
    (wave,) = (tmp_path / "waves").iterdir()
    assert wave.stem == "icarus_full_rate"
    assert wave.stat().st_size > 1000


def test_a_wrong_vector_and_a_missing_file_are_named(icarus, tmp_path):
    graph = NETWORKS["folded"]()
    golden = vectors(graph, 3)
    outputs = golden.outputs.copy()
    outputs[2, 1] += 2
    with pytest.raises(MismatchError, match="image 2, element 1"):
        simulate_network(
            graph,
            write_verilog(graph, tmp_path),
            VectorSet(golden.inputs, outputs),
            simulator=icarus,
            stall_seed=3,
            build_dir=tmp_path / "build",
        )
    ir_file.save(graph, tmp_path / "graph.hbnn")
    with pytest.raises(OutputError, match=r"rtl/\*\.v"):
        run_simulation(tmp_path, simulator=icarus, max_images=1, stall_seeds=(None,))


def test_the_compiled_bench_is_refused_without_verilator():
    with pytest.raises(ToolMissingError, match="needs verilator, not icarus"):
        choose_bench(Bench.COMPILED, Simulator.ICARUS)
    assert choose_bench(None, Simulator.ICARUS) is Bench.COCOTB
