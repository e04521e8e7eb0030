"""Yosys through pyosys, always in a child process: an error inside Yosys ends the process that it runs in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from hbnn_hw.errors import ToolFailedError, ToolMissingError

_CHILD = """\
import sys
from pyosys import libyosys
design = libyosys.Design()
for line in sys.stdin.read().splitlines():
    design.run_pass(line)
"""

_LOG_LINES = 25


def require(package: str, purpose: str) -> None:
    """Raise ToolMissingError unless a package of the ``rtl`` extra is installed."""
    if find_spec(package) is None:
        raise ToolMissingError(f"{purpose} needs the package '{package}'; type: pip install 'hbnn-hw[rtl]'")


def run_yosys(passes: Sequence[str], folder: Path) -> str:
    """Run Yosys passes in a fresh design, with ``folder`` as working directory; return the log.

    Raises
    ------
    ToolMissingError
        If pyosys is not installed.
    ToolFailedError
        If a pass fails; carries the end of the log.
    """
    require("pyosys", "running Yosys")
    # -P keeps the working directory off the module search path.
    done = subprocess.run(
        [sys.executable, "-P", "-c", _CHILD],
        input="\n".join(passes) + "\n",
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    log = done.stdout + done.stderr
    if done.returncode:
        raise ToolFailedError("Yosys failed:\n" + "\n".join(log.splitlines()[-_LOG_LINES:]))
    return log
