"""Real synthesis for 7-series with Yosys: Verilog in, cell counts out.

Yosys 0.70 through its Python wheel; flags of ``synth_xilinx``: no I/O buffers and no clock buffer, since
an accelerator is a block inside a design. Nothing is placed or routed: the counts are what comes out of
technology mapping, not what a vendor tool reports behind implementation.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hbnn_hw.errors import ToolFailedError, ToolMissingError
from hbnn_hw.estimate.netlist import CellCounts, add_counts, count_instances, count_module
from hbnn_hw.graph import Graph
from hbnn_hw.target import Target

SYNTH = "synth_xilinx -family xc7 -noiopad -noclkbuf"
DEFAULT_TIMEOUT_S = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisResult:
    """What synthesis made of a design.

    Attributes
    ----------
    top
        Top module.
    tool
        Program and version.
    counts
        Cells of the whole design.
    instances
        Cells of each instance directly below the top, by instance name; '' holds the top's own cells.
        Empty when the design was flattened.
    cpu_seconds
        CPU time [s]; differs from run to run and is no part of :meth:`document`.
    """

    top: str
    tool: str
    counts: CellCounts
    instances: Mapping[str, CellCounts] = field(default_factory=dict)
    cpu_seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON, the same on every run."""
        return {
            "top": self.top,
            "tool": self.tool,
            "counts": self.counts.document(),
            "instances": {name: counts.document() for name, counts in self.instances.items()},
        }


def yosys_version() -> str:
    """Name the Yosys in use, without starting it; raises ToolMissingError where it is not installed."""
    if importlib.util.find_spec("pyosys") is None:
        raise ToolMissingError("synthesis needs Yosys; type: pip install 'hbnn-hw[synth]'")
    from importlib.metadata import version

    return f"Yosys {version('pyosys')}"


def run_yosys(folder: Path, passes: Sequence[str], timeout_s: float = DEFAULT_TIMEOUT_S) -> float:
    """Run Yosys passes in a child process with ``folder`` as its working directory.

    Returns
    -------
    float
        CPU time of the child [s].

    Raises
    ------
    ToolMissingError
        If Yosys is not installed.
    ToolFailedError
        If Yosys fails or runs past the time limit; carries the end of its log.
    """
    yosys_version()
    (folder / "passes.ys").write_text("\n".join(passes), encoding="utf-8")
    # By path and with -P: the child needs nothing of this package, wherever that was imported from.
    child = str(Path(__file__).with_name("yosys_process.py"))
    command = [sys.executable, "-P", child, "passes.ys", "cpu_seconds"]
    log = folder / "yosys.log"
    with log.open("wb") as sink:
        try:
            done = subprocess.run(
                command, cwd=folder, stdout=sink, stderr=subprocess.STDOUT, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ToolFailedError(f"Yosys must finish within {timeout_s:.0f} s; it was stopped") from error
    if done.returncode:
        raise ToolFailedError(f"Yosys failed: {_reason(log.read_text(encoding='utf-8', errors='replace'))}")
    return float((folder / "cpu_seconds").read_text(encoding="utf-8"))


def _reason(log: str) -> str:
    """Pick Yosys' own error lines from its log, or its last lines where there are none."""
    lines = [line for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line]
    return "\n".join(errors or lines[-5:])


def synthesize(
    verilog: str, top: str, *, flatten: bool = True, timeout_s: float = DEFAULT_TIMEOUT_S
) -> SynthesisResult:
    """Synthesize a Verilog design for 7-series and count its cells.

    Parameters
    ----------
    verilog
        All modules of the design in one text.
    top
        Name of the top module.
    flatten
        Optimize across module borders. Without it every instance below the top is counted separately, at
        the price of a slightly larger total.
    timeout_s
        Time limit [s].

    Raises
    ------
    ToolMissingError
        If Yosys is not installed.
    ToolFailedError
        If Yosys refuses the design or runs past the time limit.
    """
    with tempfile.TemporaryDirectory(prefix="hbnn-synthesis-") as name:
        folder = Path(name)
        (folder / "design.v").write_text(verilog, encoding="utf-8")
        synth = f"{SYNTH} -top {top}" + (" -flatten" if flatten else "")
        cpu = run_yosys(folder, ["read_verilog design.v", synth, "write_json netlist.json"], timeout_s)
        modules = json.loads((folder / "netlist.json").read_text(encoding="utf-8"))["modules"]
    return _result(modules, top, flatten, cpu)


def _result(modules: Mapping[str, Any], top: str, flatten: bool, cpu_seconds: float) -> SynthesisResult:
    instances = {} if flatten else count_instances(modules, top)
    counts = count_module(modules, top) if flatten else add_counts(instances.values())
    return SynthesisResult(
        top=top, tool=yosys_version(), counts=counts, instances=instances, cpu_seconds=cpu_seconds
    )


def synthesize_graph(
    graph: Graph, target: Target, *, flatten: bool = True, timeout_s: float = DEFAULT_TIMEOUT_S
) -> SynthesisResult:
    """Emit a scheduled network's RTL and synthesize it; see :func:`synthesize`.

    Instances carry the names that the RTL gives them: those of the graph's nodes.
    """
    from hbnn_hw.backends import rtl

    texts = rtl.emit(graph, target)
    verilog = "\n".join(text for name, text in sorted(texts.items()) if name.endswith(".v"))
    return synthesize(verilog, top_module(verilog), flatten=flatten, timeout_s=timeout_s)


def top_module(verilog: str) -> str:
    """Name the module of a text that has the accelerator's ``s_axis_tdata`` port.

    Raises
    ------
    ToolFailedError
        If there is none.
    """
    found = re.search(r"^module\s+(\w+)\s*\([^)]*\bs_axis_tdata\b", verilog, re.MULTILINE)
    if found is None:
        raise ToolFailedError("the Verilog must hold a module with an AXI4-Stream input 's_axis_tdata'")
    return found[1]
