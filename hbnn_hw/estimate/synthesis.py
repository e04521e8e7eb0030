"""Real synthesis for 7-series with Yosys: Verilog in, cell counts out.

Yosys 0.70 through its Python wheel; flags of ``synth_xilinx``: no I/O buffers and no clock buffer, since
an accelerator is a block inside a design. Nothing is placed or routed: the counts are what comes out of
technology mapping, not what a vendor tool reports behind implementation.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hbnn_hw.errors import ToolFailedError
from hbnn_hw.estimate.netlist import CellCounts, add_counts, count_instances, count_module
from hbnn_hw.graph import Graph
from hbnn_hw.target import Target
from hbnn_hw.yosys import DEFAULT_TIMEOUT_S, run_yosys, yosys_version

SYNTH = "synth_xilinx -family xc7 -noiopad -noclkbuf"

KEEP_TABLES = "setattr -mod -set keep_hierarchy 1 m:* %m"
"""Modules that hold a memory stay modules while the rest is flattened: mixed with other logic, tables in LUTs
lose their structure in Yosys' mapper and cost up to 2.6 times as much (1354 LUT instead of 522 for a unit
with two 128-word tables); a vendor tool recognizes them as distributed memory."""


DISSOLVE_TABLES = ("setattr -mod -unset keep_hierarchy *", "flatten")
"""Once mapped, tables become part of the flat netlist: a constant bit of theirs needs no port."""

TRUST_MAPPER = "scratchpad -set abc9.verify 0"
"""Yosys proves each mapping equal to its input, which finds nothing here and takes most of the time of large
unrolled layers; the counts are the same without."""


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

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> SynthesisResult:
        """Undo :meth:`document`; raises KeyError or TypeError where something is missing or unknown."""
        return cls(
            top=str(document["top"]),
            tool=str(document["tool"]),
            counts=CellCounts(**document["counts"]),
            instances={name: CellCounts(**counts) for name, counts in document["instances"].items()},
        )


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
        Optimize across module borders, except into tables (:data:`KEEP_TABLES`). Without it every instance
        below the top is counted separately, at the price of a slightly larger total.
    timeout_s
        Time limit [s].

    Raises
    ------
    ToolMissingError
        If Yosys is not installed.
    ToolFailedError
        If Yosys refuses the design or runs past the time limit.
    """
    mapped = map_verilog(verilog, top, flatten=flatten, timeout_s=timeout_s)
    return _result(mapped.modules, top, flatten, mapped.cpu_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedDesign:
    """A design behind technology mapping.

    Attributes
    ----------
    modules
        The ``modules`` of the JSON netlist that Yosys writes.
    cpu_seconds
        CPU time [s].
    """

    modules: Mapping[str, Any]
    cpu_seconds: float


def map_verilog(
    verilog: str, top: str, *, flatten: bool = True, timeout_s: float = DEFAULT_TIMEOUT_S
) -> MappedDesign:
    """Map a Verilog design to 7-series primitives; see :func:`synthesize`."""
    with tempfile.TemporaryDirectory(prefix="hbnn-synthesis-") as name:
        folder = Path(name)
        (folder / "design.v").write_text(verilog, encoding="utf-8")
        synth = (
            [KEEP_TABLES, f"{SYNTH} -top {top} -flatten", *DISSOLVE_TABLES]
            if flatten
            else [f"{SYNTH} -top {top}"]
        )
        run = run_yosys(
            ["read_verilog design.v", TRUST_MAPPER, *synth, "write_json netlist.json"], folder, timeout_s
        )
        modules = json.loads((folder / "netlist.json").read_text(encoding="utf-8"))["modules"]
    return MappedDesign(modules=modules, cpu_seconds=run.cpu_seconds)


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
