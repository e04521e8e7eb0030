"""Simulation of whole networks at compiled speed: Verilator and a bench in C++, no Python in the loop.

The network is compiled once and then run as often as wanted: at full rate and with random stalls, over any
vectors. The bench (``templates/rtl/sim/compiled_bench.cpp``) drives the accelerator's streams and records
every transfer; :mod:`hbnn_hw.verify.transfers` judges the record, as it does that of the cocotb bench.
What has no initial value starts with random contents, memories above all: no garbage passes for a zero.

Kernels of unrolled layers beyond :data:`COMPILED_LUTS` are not compiled: tables that are read from their
printed text are evaluated in their place (:mod:`hbnn_hw.verify.evaluated_kernels`), and results name them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hbnn_hw.errors import ToolFailedError, ToolMissingError
from hbnn_hw.graph import Graph
from hbnn_hw.streams import StreamEdge, input_edge, output_edge
from hbnn_hw.templating import template_root
from hbnn_hw.verify.evaluated_kernels import EVALUATOR, replace_kernels
from hbnn_hw.verify.result import VerificationResult
from hbnn_hw.verify.simulators import REMEDIES, Simulator, find_simulators, tool_environment
from hbnn_hw.verify.transfers import Transfers, judge, most_cycles, run_name
from hbnn_hw.verify.vectors import VectorSet

BENCH = "rtl/sim/compiled_bench.cpp"
"""The bench's source among the templates."""

COMPILED_LUTS = 4_000
"""LUTs of unrolled kernels that are compiled, about a minute's work; the largest kernels beyond are not."""

_PREFIX = "Vaccelerator"

_LOG_LINES = 30

_OPTIONS = (
    *("--cc", "--exe", "--build", "-O3", "-Wno-fatal", "-Wno-WIDTH", "--prefix", _PREFIX),
    *("--x-assign", "unique", "--x-initial", "unique"),
    # Large networks make functions of megabytes, on which compilers spend minutes unless they are cut.
    *("--output-split", "20000", "--output-split-cfuncs", "300"),
)


@dataclass(frozen=True, slots=True, eq=False)
class CompiledNetwork:
    """An accelerator as a program.

    Attributes
    ----------
    graph
        The network.
    program
        The compiled bench.
    tool
        Verilator with its version.
    has_waves
        Whether runs write waveforms.
    evaluated_kernels
        Modules that are evaluated from their printed text.
    """

    graph: Graph
    program: Path
    tool: str
    has_waves: bool
    evaluated_kernels: tuple[str, ...]

    @classmethod
    def build(
        cls,
        graph: Graph,
        verilog: Path,
        build_dir: Path,
        *,
        waves: bool = False,
        compiled_luts: int = COMPILED_LUTS,
    ) -> CompiledNetwork:
        """Compile a Verilog file, whose top module has the file's name, below a folder.

        Parameters
        ----------
        graph, verilog, build_dir
            The network, its text, and where everything is written.
        waves
            Whether runs write waveforms.
        compiled_luts
            Most LUTs of unrolled kernels to compile, smaller kernels first; the others are evaluated from
            their text.

        Raises
        ------
        KernelTextError
            If a kernel's text is malformed.
        ToolMissingError
            If Verilator is missing.
        ToolFailedError
            If Verilator or the C++ compiler fails; carries the end of the log.
        """
        found = next(f for f in find_simulators() if f.name == Simulator.VERILATOR.value)
        if found.path is None:
            raise ToolMissingError(f"verilator not found; type: {REMEDIES[Simulator.VERILATOR]}")
        build_dir.mkdir(parents=True, exist_ok=True)
        folder, program = build_dir.resolve(), "compiled_bench"
        source, kernels = _with_evaluated_kernels(verilog.resolve(), folder, compiled_luts)
        command = [
            str(found.path),
            *_OPTIONS,
            *(["--trace"] if waves else []),
            *("--top-module", verilog.stem, "--Mdir", str(folder), "-o", program),
            *(str(source), str(template_root() / BENCH)),
            *([str(template_root() / EVALUATOR)] if kernels else []),
        ]
        _check(_run(command, folder), f"verilator {found.version}")
        return cls(graph, folder / program, f"{found.name} {found.version}", waves, kernels)

    def simulate(self, vectors: VectorSet, stall_seed: int | None) -> VerificationResult:
        """Run a vector set and hold it against golden; see :func:`hbnn_hw.verify.transfers.judge`.

        Parameters
        ----------
        vectors
            Inputs and golden outputs.
        stall_seed
            Seed of random stalls on both sides, from 0; None runs at full rate.

        Raises
        ------
        MismatchError
            At the first difference in data, TLAST, handshake rules, or timing.
        ToolFailedError
            If the program fails.
        """
        transfers = self._record(vectors, stall_seed)
        result = judge(transfers, self.graph, vectors, tool=self.tool, stall_seed=stall_seed)
        return replace(result, evaluated_kernels=self.evaluated_kernels)

    def _record(self, vectors: VectorSet, stall_seed: int | None) -> Transfers:
        folder = self.program.parent
        beats, record = folder / "beats.bin", folder / "record.txt"
        beats.write_bytes(_beat_words(input_edge(self.graph), vectors))
        command = [
            *(str(self.program), beats.name),
            str(vectors.n_images * output_edge(self.graph).beats),
            str(most_cycles(self.graph, vectors.n_images, stall_seed)),
            *("-" if stall_seed is None else str(stall_seed), record.name),
            *([f"{run_name(stall_seed)}.vcd"] if self.has_waves else []),
        ]
        _check(_run(command, folder), "the compiled network")
        return _read_record(record, output_edge(self.graph))


def _with_evaluated_kernels(verilog: Path, folder: Path, compiled_luts: int) -> tuple[Path, tuple[str, ...]]:
    """Return the file to compile, with the modules that are replaced in it; it is the file itself if none."""
    replaced = replace_kernels(verilog.read_text(encoding="utf-8"), compiled_luts)
    if not replaced.names:
        return verilog, ()
    source = folder / verilog.name
    source.write_text(replaced.verilog, encoding="utf-8")
    for name, content in replaced.programs.items():
        (folder / name).write_bytes(content)
    return source, replaced.names


def _run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = tool_environment(Simulator.VERILATOR)
    environment["MAKEFLAGS"] = f"{environment.get('MAKEFLAGS', '')} OPT_FAST=-O1 OPT_GLOBAL=-O2".strip()
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _check(done: subprocess.CompletedProcess[str], what: str) -> None:
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-_LOG_LINES:])
        raise ToolFailedError(f"{what} failed:\n{tail}")


def _beat_words(edge: StreamEdge, vectors: VectorSet) -> bytes:
    """Input beats as the bench reads them: whole 32-bit words, little-endian."""
    octets = np.frombuffer(vectors.inputs.astype(edge.dtype).tobytes(), dtype=np.uint8)
    beats = octets.reshape(-1, edge.data_bytes)
    return np.pad(beats, ((0, 0), (0, -edge.data_bytes % 4))).tobytes()


def _read_record(path: Path, edge: StreamEdge) -> Transfers:
    transfers = Transfers([], [], [], [], [])
    for line in path.read_text(encoding="ascii").splitlines():
        match line.split():
            case ["i", cycle]:
                transfers.input_cycles.append(int(cycle))
            case ["o", cycle, last, data]:
                transfers.output_cycles.append(int(cycle))
                transfers.lasts.append(int(last))
                transfers.outputs.append(data[-(edge.data_bits // 4) :])
            case ["v", cycle]:
                transfers.violations.append(f"cycle {cycle}: a beat changed while it was refused")
    return transfers
