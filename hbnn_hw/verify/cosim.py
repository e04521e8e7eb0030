"""RTL simulation of an exported network with cocotb against its golden vectors."""

from __future__ import annotations

import json
from pathlib import Path

from hbnn_hw.graph import Graph
from hbnn_hw.streams import input_edge, output_edge
from hbnn_hw.verify.result import VerificationResult
from hbnn_hw.verify.simulators import BENCH_JOB, Simulator, describe, simulate
from hbnn_hw.verify.transfers import Transfers, judge, most_cycles
from hbnn_hw.verify.vectors import VectorSet

_BENCH = "hbnn_hw.verify.cosim_bench"


def simulate_network(
    graph: Graph,
    verilog: Path,
    vectors: VectorSet,
    *,
    simulator: Simulator,
    stall_seed: int | None,
    build_dir: Path,
    waves: bool = False,
) -> VerificationResult:
    """Simulate one Verilog file against a vector set.

    Parameters
    ----------
    graph
        The network.
    verilog
        Its Verilog, whose top module has the file's name.
    vectors
        Inputs and golden outputs.
    simulator
        Which simulator.
    stall_seed
        Seed of random stalls on both sides; None runs at full rate.
    build_dir
        Folder for all files, kept.
    waves
        Whether to write a waveform there.

    Raises
    ------
    MismatchError
        At the first difference; see :func:`hbnn_hw.verify.transfers.judge`.
    ToolMissingError, ToolFailedError
        If the simulator is missing or fails.
    """
    tool = describe(simulator)
    transfers = _run(verilog, graph, vectors, simulator, stall_seed, build_dir, waves)
    return judge(transfers, graph, vectors, tool=f"{tool}, cocotb", stall_seed=stall_seed)


def _run(
    verilog: Path,
    graph: Graph,
    vectors: VectorSet,
    simulator: Simulator,
    stall_seed: int | None,
    build_dir: Path,
    waves: bool,
) -> Transfers:
    """Run the bench; return its record."""
    record, job_file = build_dir / "record.json", build_dir / "bench.json"
    build_dir.mkdir(parents=True, exist_ok=True)
    record.unlink(missing_ok=True)
    job = {
        "beats": [f"{beat:x}" for beat in input_edge(graph).to_beats(vectors.inputs)],
        "output_beats": vectors.n_images * output_edge(graph).beats,
        "max_cycles": most_cycles(graph, vectors.n_images, stall_seed),
        "stall_seed": stall_seed,
        "record": str(record.resolve()),
    }
    job_file.write_text(json.dumps(job), encoding="utf-8")
    simulate(
        simulator,
        sources=[verilog],
        top=verilog.stem,
        bench=_BENCH,
        build_dir=build_dir,
        environment={BENCH_JOB: str(job_file.resolve())},
        waves=waves,
    )
    return Transfers(**json.loads(record.read_text(encoding="utf-8")))
