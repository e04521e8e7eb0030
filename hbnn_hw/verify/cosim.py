"""RTL simulation of an exported network against its golden vectors, bit by bit and cycle by cycle."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from hbnn_hw import ir_file
from hbnn_hw.errors import MismatchError, OutputError
from hbnn_hw.graph import Graph
from hbnn_hw.streams import StreamEdge, input_edge, output_edge
from hbnn_hw.timing import BeatTimes, beat_times, interval_cycles
from hbnn_hw.verify.result import VerificationResult
from hbnn_hw.verify.simulators import (
    BENCH_JOB,
    FoundSimulator,
    Simulator,
    choose_simulator,
    describe,
    find_simulators,
    simulate,
)
from hbnn_hw.verify.vectors import VectorSet, compare, load_vectors

__all__ = [
    "FoundSimulator",
    "Simulator",
    "choose_simulator",
    "find_simulators",
    "run_cosim",
    "simulate_network",
]

_BENCH = "hbnn_hw.verify.cosim_bench"

_STALL_FACTOR = 16
"""How much slower than predicted a stalled run may be before it counts as hung; stalls cost about 3."""

_MARGIN_CYCLES = 2000


@dataclass(frozen=True, slots=True)
class Transfers:
    """What the bench recorded; see ``cosim_bench.Record``."""

    input_cycles: list[int]
    output_cycles: list[int]
    outputs: list[str]
    lasts: list[int]
    violations: list[str]


def run_cosim(
    folder: Path,
    *,
    simulator: Simulator,
    max_images: int,
    stall_seed: int | None,
    waves: bool = False,
    build_dir: Path | None = None,
) -> VerificationResult:
    """Simulate the RTL of an export folder and hold it against the folder's golden vectors.

    Parameters
    ----------
    folder
        An export: ``graph.hbnn``, ``rtl/<network>.v``, ``vectors/*.npy``.
    simulator
        Which simulator.
    max_images
        Samples to run; the golden vectors' first ones.
    stall_seed
        Seed of random stalls on both sides. None runs at full rate, and then the cycle of every beat must be
        the predicted one.
    waves
        Whether to copy a waveform to ``folder/waves``.
    build_dir
        Folder for the build, kept; a temporary one by default.

    Raises
    ------
    MismatchError
        At the first difference in data, TLAST, handshake rules, or timing.
    OutputError
        If the folder is not an export with RTL.
    ToolMissingError, ToolFailedError
        If the simulator is missing or fails.
    """
    graph = ir_file.load(folder / "graph.hbnn")
    verilog = sorted((folder / "rtl").glob("*.v"))
    if len(verilog) != 1:
        raise OutputError(
            f"'{folder}' must hold one rtl/*.v, not {len(verilog)}; export with the RTL back end"
        )
    vectors = load_vectors(folder).first(max(1, max_images))
    with tempfile.TemporaryDirectory(prefix="hbnn-hw-") as temporary:
        build = build_dir or Path(temporary)
        result = simulate_network(
            graph,
            verilog[0],
            vectors,
            simulator=simulator,
            stall_seed=stall_seed,
            waves=waves,
            build_dir=build,
        )
        if waves:
            _keep_waves(
                build,
                folder / "waves",
                f"{simulator.value}_{'full_rate' if stall_seed is None else 'stalls'}",
            )
    return result


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
    """Simulate one Verilog file against a vector set; see :func:`run_cosim`."""
    level = f"RTL simulation, {'full rate' if stall_seed is None else 'random stalls'}"
    tool = describe(simulator)
    predicted = beat_times(graph, vectors.n_images)
    transfers = _run(verilog, graph, vectors, predicted, simulator, stall_seed, build_dir, waves)
    _check_protocol(level, transfers, output_edge(graph))
    _check_data(level, transfers, output_edge(graph), vectors)
    if stall_seed is not None:
        return _result(level, tool, graph, vectors)
    _check_timing(level, transfers, predicted)
    return _timed_result(_result(level, tool, graph, vectors), graph, transfers, predicted)


def _run(
    verilog: Path,
    graph: Graph,
    vectors: VectorSet,
    predicted: BeatTimes,
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
        "max_cycles": predicted.outputs[-1] * (1 if stall_seed is None else _STALL_FACTOR) + _MARGIN_CYCLES,
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


def _check_protocol(level: str, transfers: Transfers, edge: StreamEdge) -> None:
    """Check the rule that refused data hold, and that TLAST marks exactly the last beat of every sample."""
    if transfers.violations:
        raise MismatchError(f"{level}: the output stream broke the handshake; {transfers.violations[0]}")
    for index, last in enumerate(transfers.lasts):
        if last != ((index + 1) % edge.beats == 0):
            image, beat = divmod(index, edge.beats)
            raise MismatchError(
                f"{level}: image {image}, beat {beat} of {edge.beats} came with TLAST = {last}"
            )


def _check_data(level: str, transfers: Transfers, edge: StreamEdge, vectors: VectorSet) -> None:
    """Check that all beats came, none too many, all bits defined, all as golden."""
    expected = vectors.n_images * edge.beats
    if len(transfers.outputs) != expected:
        raise MismatchError(f"{level}: {len(transfers.outputs)} output beats came, golden has {expected}")
    for index, text in enumerate(transfers.outputs):
        if not set(text) <= set("0123456789abcdef"):
            image, beat = divmod(index, edge.beats)
            raise MismatchError(f"{level}: image {image}, beat {beat} has undefined bits: {text}")
    found = edge.from_beats([int(text, 16) for text in transfers.outputs])
    compare(level, found, vectors.outputs)


def _check_timing(level: str, transfers: Transfers, predicted: BeatTimes) -> None:
    """Check the cycle of every transfer against the prediction."""
    first = transfers.input_cycles[0]
    for what, found, expected in (
        ("input", transfers.input_cycles, predicted.inputs),
        ("output", transfers.output_cycles, predicted.outputs),
    ):
        for beat, (cycle, wanted) in enumerate(zip(found, expected, strict=True)):
            if cycle - first != wanted:
                raise MismatchError(
                    f"{level}: {what} beat {beat} came in cycle {cycle - first}, predicted is {wanted}"
                )


def _result(level: str, tool: str, graph: Graph, vectors: VectorSet) -> VerificationResult:
    bits = vectors.outputs.size * output_edge(graph).element_bits
    return VerificationResult(level=level, tool=tool, images=vectors.n_images, bits=bits)


def _timed_result(
    result: VerificationResult, graph: Graph, transfers: Transfers, predicted: BeatTimes
) -> VerificationResult:
    """Add interval (of the last two samples) and latency (of the first) to a result."""
    beats, first = output_edge(graph).beats, transfers.input_cycles[0]
    timed = asdict(result) | {
        "latency_cycles": transfers.output_cycles[beats - 1] - first,
        "predicted_latency_cycles": predicted.outputs[beats - 1],
    }
    if result.images > 1:
        timed["interval_cycles"] = transfers.output_cycles[-1] - transfers.output_cycles[-1 - beats]
        timed["predicted_interval_cycles"] = interval_cycles(graph)
    return VerificationResult(**timed)


def _keep_waves(build: Path, folder: Path, name: str) -> None:
    """Copy the waveform of a build to the export."""
    folder.mkdir(exist_ok=True)
    for path in [*build.glob("*.fst"), *build.glob("*.vcd")]:
        shutil.copyfile(path, folder / f"{name}{path.suffix}")
