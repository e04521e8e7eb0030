"""C simulation: compile an exported HLS project with g++ and hold its outputs against the golden vectors."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import MismatchError, OutputError, RangeError, ToolFailedError, ToolMissingError
from hbnn_hw.streams import StreamEdge
from hbnn_hw.templating import static_text
from hbnn_hw.verify.result import VerificationResult
from hbnn_hw.verify.vectors import compare, load_vectors

LEVEL = "C simulation"

STAND_INS = ("ap_axi_sdata.h", "hls_stream.h")
"""Headers of our own for what an open header set lacks; never part of a delivered project."""

# The vendor's default constructor masks a value that it has not set, and inlining moves that into our lines.
WARNINGS = (
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unknown-pragmas",
    "-Wno-unknown-warning-option",
    "-Wno-uninitialized",
    "-Wno-maybe-uninitialized",
)

# The simulation runs where it is compiled, and counting bits is what it does most.
NATIVE = ("-march=native",) if platform.machine() in {"x86_64", "AMD64"} else ()

# Shifts inside the vendor's own headers are not ours to report.
SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize=shift", "-fno-sanitize-recover=all")

_OUTPUT_TAIL = 2000


@dataclass(frozen=True, slots=True)
class FoundTool:
    """A program or a folder of headers, with its version."""

    path: Path
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CsimTools:
    """What a C simulation is built with.

    Attributes
    ----------
    headers
        Folder with ``ap_int.h``; None searches for one, :func:`find_headers`.
    compiler
        C++ compiler; None searches for one, :func:`find_compiler`.
    extra_flags
        Further compiler options, such as ``-DHBNN_SYNTHESIS_BRANCHES``.
    timeout_s
        Longest time for the compiler, and for the simulation [s].
    """

    headers: Path | None = None
    compiler: Path | None = None
    extra_flags: tuple[str, ...] = ()
    timeout_s: float = 3600.0


def _vendor_headers() -> FoundTool | None:
    for variable in ("XILINX_HLS", "XILINX_VIVADO"):
        root = Path(os.environ.get(variable, ""))
        if variable in os.environ and (root / "include" / "ap_int.h").is_file():
            return FoundTool(root / "include", f"{root.parent.name} {root.name}")
    return None


def _package_headers(package: str, folder: str) -> FoundTool | None:
    # Looking the package up instead of importing it saves more than a second.
    spec = importlib.util.find_spec(package)
    for root in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(root) / folder
        if (path / "ap_int.h").is_file():
            return FoundTool(path, f"{package} {importlib.metadata.version(package)}")
    return None


def find_headers(explicit: Path | None = None) -> FoundTool | None:
    """Find the C simulation headers: as told, the vendor's own, or an installed package's; else None."""
    if explicit is not None:
        return FoundTool(explicit, "as given") if (explicit / "ap_int.h").is_file() else None
    return (
        _vendor_headers()
        or _package_headers("hls4ml", "templates/vivado/ap_types")
        or _package_headers("da4ml", "codegen/hls/source/ap_types/include")
    )


def find_compiler(explicit: Path | None = None) -> FoundTool | None:
    """Find a C++ compiler: as told, else g++, else clang++; None if there is none that runs."""
    for name in [str(explicit)] if explicit else ["g++", "clang++"]:
        path = shutil.which(name)
        if path is None:
            continue
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            return FoundTool(Path(path), answer.stdout.splitlines()[0])
    return None


def require_headers(tools: CsimTools) -> FoundTool:
    """Find the headers or raise ToolMissingError with what to type."""
    found = find_headers(tools.headers)
    if found is None:
        where = f"'{tools.headers}' holds no ap_int.h" if tools.headers else "no HLS headers were found"
        raise ToolMissingError(
            f"{where}; type: pip install 'hbnn-hw[csim]', or set XILINX_HLS to the vendor's tool"
        )
    return found


def require_compiler(tools: CsimTools) -> FoundTool:
    """Find the compiler or raise ToolMissingError with what to type."""
    found = find_compiler(tools.compiler)
    if found is None:
        what = f"'{tools.compiler}' does not run" if tools.compiler else "no C++ compiler was found"
        raise ToolMissingError(f"{what}; type: apt-get install g++")
    return found


def run_tool(
    what: str, command: list[str], folder: Path, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Run a program with its output captured; raise ToolFailedError after the time limit [s]."""
    try:
        return subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        raise ToolFailedError(f"{what} took longer than {timeout_s:g} s") from error


def load_layout(hls: Path) -> dict[str, Any]:
    """Read what a project says of itself, or raise OutputError."""
    try:
        layout: dict[str, Any] = json.loads((hls / "tb" / "layout.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OutputError(
            f"'{hls}' is no HLS project of this toolkit; make one with 'hbnn-hw export'"
        ) from error
    return layout


def _stand_in_headers(headers: Path, build: Path) -> Path:
    """Write our stand-ins for what the header set lacks; return their folder."""
    folder = build / "include"
    folder.mkdir()
    for name in STAND_INS:
        if not (headers / name).is_file():
            (folder / name).write_text(static_text(f"hls/csim/{name}"), encoding="utf-8")
    return folder


def compile_flags(headers: Path, stand_ins: Path) -> list[str]:
    """Return the compiler options; warnings of the sources are errors, those of the headers are off."""
    include = ["-isystem", str(headers), "-isystem", str(stand_ins)]
    return ["-std=c++11", "-O1", *NATIVE, "-DHBNN_COUNT_STEPS", *WARNINGS, *include]


def _translation_unit(hls: Path, network: str, build: Path) -> Path:
    """Join sources and test bench: parsing the vendor's headers once halves the work."""
    unit = build / "csim.cpp"
    sources = (hls / "src" / f"{network}.cpp", hls / "tb" / "testbench.cpp")
    lines = (f'#include "{source.resolve().as_posix()}"\n' for source in sources)
    unit.write_text("".join(lines), encoding="utf-8")
    return unit


def compile_unit(unit: Path, compiler: FoundTool, flags: list[str], timeout_s: float) -> Path:
    """Compile one translation unit; raise ToolFailedError at any complaint, warnings included."""
    binary = unit.with_suffix("")
    command = [str(compiler.path), *flags, str(unit), "-o", str(binary)]
    outcome = run_tool("the compiler", command, unit.parent, timeout_s)
    if outcome.returncode or outcome.stderr:
        raise ToolFailedError(f"the generated C++ does not compile:\n{outcome.stderr[-_OUTPUT_TAIL:]}")
    return binary


def build_csim(hls: Path, build: Path, tools: CsimTools, sanitize: bool = False) -> Path:
    """Compile an HLS project and its test bench.

    Parameters
    ----------
    hls
        The project.
    build
        An empty folder.
    tools
        Headers, compiler and further compiler options.
    sanitize
        Whether to watch for memory errors and undefined behaviour.

    Returns
    -------
    Path
        The test bench; see ``tb/testbench.cpp`` for its arguments.

    Raises
    ------
    OutputError, ToolMissingError, ToolFailedError
        If there is no project or a tool is missing, or the sources do not compile without warnings.
    """
    layout, headers, compiler = load_layout(hls), require_headers(tools), require_compiler(tools)
    flags = compile_flags(headers.path, _stand_in_headers(headers.path, build))
    flags += [*(SANITIZERS if sanitize else ()), *tools.extra_flags]
    return compile_unit(_translation_unit(hls, layout["network"], build), compiler, flags, tools.timeout_s)


def _read_beats(path: Path) -> list[int]:
    try:
        return [int(line, 16) for line in path.read_text(encoding="ascii").split()]
    except (OSError, ValueError) as error:
        raise OutputError(f"'{path}' is missing or holds something else than beats") from error


def _found_outputs(results: Path, edge: StreamEdge) -> NDArray[np.int64]:
    beats = _read_beats(results / "found.dat")
    # An incomplete last image has no shape; the comparison reports the images that are missing.
    return edge.from_beats(beats[: len(beats) // edge.beats * edge.beats])


def check_inputs(hls: Path, edge: StreamEdge, golden: NDArray[np.int64]) -> None:
    """Hold the delivered test bench's own vectors against the golden ones."""
    if _read_beats(hls / "tb" / "input.dat") != edge.to_beats(golden):
        raise MismatchError(f"{LEVEL}: tb/input.dat holds other inputs than vectors/input.npy; export again")


def _check_steps(results: Path, cycles: dict[str, int], images: int) -> None:
    """Hold the loop iterations of every layer against the schedule's cycles."""
    lines = (results / "steps.dat").read_text(encoding="ascii").splitlines()
    for (layer, expected), line in zip(cycles.items(), lines, strict=True):
        found = int(line.split()[-1])
        wanted = expected * images
        if found != wanted:
            raise MismatchError(
                f"{LEVEL}: layer '{layer}' took {found} steps for {images} images, the schedule says {wanted}"
            )


def _check_run(outcome: subprocess.CompletedProcess[str]) -> None:
    """Raise unless the test bench passed without complaint, on either stream, as headers differ in that."""
    said = outcome.stderr + outcome.stdout
    if outcome.returncode == 1 and "FAILED" in outcome.stdout:
        raise MismatchError(f"{LEVEL}: {outcome.stdout.strip()[-_OUTPUT_TAIL:]}")
    if outcome.returncode or outcome.stderr or "WARNING" in said or "PASSED" not in outcome.stdout:
        raise ToolFailedError(
            f"the C simulation complained (exit {outcome.returncode}):\n{said[-_OUTPUT_TAIL:]}"
        )


def run_csim(
    folder: Path,
    *,
    max_images: int | None = None,
    sanitize: bool = False,
    tools: CsimTools | None = None,
) -> VerificationResult:
    """Compile and run an export's HLS project and compare every output bit and every cycle count.

    Parameters
    ----------
    folder
        An export: ``hls/`` as emitted and ``vectors/``.
    max_images
        Most images to run; None runs all.
    sanitize
        Whether to watch for memory errors and undefined behaviour.
    tools
        Headers, compiler and further compiler options; None searches for them.

    Returns
    -------
    VerificationResult
        What was compared; the interval is the busiest layer's counted steps per image.

    Raises
    ------
    MismatchError
        If an output, a TLAST or a layer's step count is not the golden one.
    ToolMissingError, ToolFailedError
        If headers or compiler are missing, the sources do not compile without warnings, or the run complains.
    """
    tools = tools or CsimTools()
    hls, vectors = folder / "hls", load_vectors(folder)
    layout = load_layout(hls)
    headers, compiler = require_headers(tools), require_compiler(tools)
    if max_images is not None and max_images < 1:
        raise RangeError(f"a C simulation needs at least 1 image, not {max_images}")
    vectors_run = vectors.first(max_images or vectors.n_images)
    edge = StreamEdge(**layout["output"])
    check_inputs(hls, StreamEdge(**layout["input"]), vectors.inputs)
    with tempfile.TemporaryDirectory(prefix="hbnn_csim_") as name:
        build = Path(name)
        binary = build_csim(hls, build, tools, sanitize)
        outcome = run_bench(binary, hls, build, vectors_run.n_images, tools.timeout_s)
        if (build / "found.dat").is_file():
            compare(LEVEL, _found_outputs(build, edge), vectors_run.outputs)
        _check_run(outcome)
        _check_steps(build, layout["cycles"], vectors_run.n_images)
    interval = max(layout["cycles"].values())
    return VerificationResult(
        level=LEVEL,
        tool=f"{compiler.version}, headers of {headers.version}",
        images=vectors_run.n_images,
        bits=vectors_run.outputs.size * edge.element_bits,
        interval_cycles=interval,
        predicted_interval_cycles=interval,
    )


def run_bench(
    binary: Path, hls: Path, results: Path, images: int, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Run a compiled test bench on its project's vectors; outputs and counted steps go to ``results``."""
    vectors = [str((hls / "tb" / name).resolve()) for name in ("input.dat", "output.dat")]
    return run_tool(
        "the C simulation", [str(binary), *vectors, str(results), str(images)], results, timeout_s
    )
