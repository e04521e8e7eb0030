"""RTL simulation of an exported network against its golden vectors, with cocotb or at compiled speed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from hbnn_hw import ir_file
from hbnn_hw.errors import OutputError, ToolMissingError
from hbnn_hw.graph import Graph
from hbnn_hw.verify.cosim import simulate_network
from hbnn_hw.verify.fast_simulation import CompiledNetwork
from hbnn_hw.verify.result import VerificationResult
from hbnn_hw.verify.simulators import Simulator
from hbnn_hw.verify.transfers import run_name
from hbnn_hw.verify.vectors import VectorSet, load_vectors


class Bench(Enum):
    """What drives the streams: a C++ program, compiled with the network, or Python in cocotb."""

    COMPILED = "compiled"
    COCOTB = "cocotb"


def choose_bench(wanted: Bench | None, simulator: Simulator) -> Bench:
    """Return the wanted bench; by default the compiled one, which needs Verilator, wherever it can be had.

    Raises
    ------
    ToolMissingError
        If the compiled bench is wanted with another simulator.
    """
    if wanted is Bench.COMPILED and simulator is not Simulator.VERILATOR:
        raise ToolMissingError(
            f"the compiled bench needs verilator, not {simulator.value}; use '--bench cocotb'"
        )
    return wanted or (Bench.COMPILED if simulator is Simulator.VERILATOR else Bench.COCOTB)


@dataclass(frozen=True, slots=True, eq=False)
class RtlExport:
    """What a simulation needs of an export folder.

    Attributes
    ----------
    graph
        The lowered network.
    verilog
        Its Verilog file, whose top module has the file's name.
    vectors
        Golden vectors.
    """

    graph: Graph
    verilog: Path
    vectors: VectorSet

    @classmethod
    def open(cls, folder: Path, max_images: int) -> RtlExport:
        """Read ``graph.hbnn``, ``rtl/<network>.v`` and the first golden vectors, one at least.

        Raises
        ------
        OutputError
            If the folder is not an export with RTL.
        """
        graph = ir_file.load(folder / "graph.hbnn")
        verilog = sorted((folder / "rtl").glob("*.v"))
        if len(verilog) != 1:
            raise OutputError(
                f"'{folder}' must hold one rtl/*.v, not {len(verilog)}; export with the RTL back end"
            )
        return cls(graph, verilog[0], load_vectors(folder).first(max(1, max_images)))


def run_simulation(
    folder: Path,
    *,
    simulator: Simulator,
    max_images: int,
    stall_seeds: Sequence[int | None],
    bench: Bench = Bench.COCOTB,
    waves: bool = False,
    build_dir: Path | None = None,
) -> list[VerificationResult]:
    """Simulate the RTL of an export folder and hold it against the folder's golden vectors, once per seed.

    Parameters
    ----------
    folder
        An export: ``graph.hbnn``, ``rtl/<network>.v``, ``vectors/*.npy``.
    simulator, bench
        With what; see :func:`choose_bench`.
    max_images
        Samples to run; the golden vectors' first ones.
    stall_seeds
        Seeds of random stalls on both sides. None runs at full rate, and then the interval must be the
        schedule's, and where the timing is known beat by beat, the cycle of every beat the predicted one.
    waves
        Whether to copy waveforms to ``folder/waves``.
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
    design = RtlExport.open(folder, max_images)
    with tempfile.TemporaryDirectory(prefix="hbnn-hw-") as temporary:
        build = build_dir or Path(temporary)
        if bench is Bench.COMPILED:
            network = CompiledNetwork.build(design.graph, design.verilog, build, waves=waves)
            results = [network.simulate(design.vectors, seed) for seed in stall_seeds]
        else:
            results = [_in_cocotb(design, simulator, seed, build, waves) for seed in stall_seeds]
        if waves:
            _keep_waves(build, folder / "waves", simulator.value)
    return results


def _in_cocotb(
    design: RtlExport, simulator: Simulator, stall_seed: int | None, build: Path, waves: bool
) -> VerificationResult:
    """Run one seed in a folder of its own, whose waveform the next does not replace."""
    return simulate_network(
        design.graph,
        design.verilog,
        design.vectors,
        simulator=simulator,
        stall_seed=stall_seed,
        build_dir=build / run_name(stall_seed) if waves else build,
        waves=waves,
    )


def _keep_waves(build: Path, folder: Path, simulator: str) -> None:
    """Copy the waveforms of all runs to the export, named after simulator and run."""
    folder.mkdir(exist_ok=True)
    for path in [*build.rglob("*.fst"), *build.rglob("*.vcd")]:
        run = path.stem if path.parent == build else path.parent.name
        shutil.copyfile(path, folder / f"{simulator}_{run}{path.suffix}")
