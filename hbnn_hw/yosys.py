"""Yosys from its Python wheel, always in a child process: an error inside Yosys ends its whole process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from hbnn_hw.errors import ToolFailedError
from hbnn_hw.extras import require

DEFAULT_TIMEOUT_S = 1800.0

_LOG_LINES = 25

_CHILD = """\
import resource, sys
from pyosys import libyosys
design = libyosys.Design()
for line in sys.stdin.read().splitlines():
    design.run_pass(line)
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
open("cpu_seconds", "w").write(f"{sum(u.ru_utime + u.ru_stime for u in used):.2f}")
"""


@dataclass(frozen=True, slots=True)
class YosysRun:
    """A successful run.

    Attributes
    ----------
    log
        Everything Yosys printed.
    cpu_seconds
        CPU time of Yosys and its children [s]; differs from run to run.
    """

    log: str
    cpu_seconds: float


def yosys_version() -> str:
    """Name the Yosys in use, without starting it; raises ToolMissingError where it is not installed."""
    require("pyosys", "synth", "running Yosys")
    return f"Yosys {version('pyosys')}"


def run_yosys(passes: Sequence[str], folder: Path, timeout_s: float = DEFAULT_TIMEOUT_S) -> YosysRun:
    """Run Yosys passes on a fresh design, with ``folder`` as the working directory.

    Raises
    ------
    ToolMissingError
        If pyosys is not installed.
    ToolFailedError
        If a pass fails or the time limit is passed; carries Yosys' own errors, or the end of its log.
    """
    yosys_version()
    # -P keeps the working directory off the module search path.
    command = [sys.executable, "-P", "-c", _CHILD]
    script = "\n".join(passes) + "\n"
    try:
        done = subprocess.run(
            command, input=script, cwd=folder, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ToolFailedError(f"Yosys must finish within {timeout_s:.0f} s; it was stopped") from error
    log = done.stdout + done.stderr
    if done.returncode:
        raise ToolFailedError(f"Yosys failed:\n{_reason(log)}")
    return YosysRun(log, float((folder / "cpu_seconds").read_text(encoding="utf-8")))


def _reason(log: str) -> str:
    """Pick Yosys' own error lines from its log, or its last lines where there are none."""
    lines = [line for line in log.splitlines() if line.strip()]
    return "\n".join([line for line in lines if "ERROR" in line] or lines[-_LOG_LINES:])
