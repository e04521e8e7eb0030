"""Synthesis of a whole exported network: cells in total and unit by unit, and the longest path.

The total and the path are those of the flattened design. The units are counted in a second run that keeps
each of them a module, flat in itself; their sum is a little above the total.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hbnn_hw.estimate.netlist import CellCounts, count_instances, count_module, is_module
from hbnn_hw.estimate.synthesis import (
    DISSOLVE_TABLES,
    KEEP_TABLES,
    SYNTH,
    TRUST_MAPPER,
    SynthesisResult,
)
from hbnn_hw.synthesis.flat_netlist import flat_netlist
from hbnn_hw.synthesis.longest_path import LongestPath, longest_path
from hbnn_hw.synthesis.placement import Placement
from hbnn_hw.synthesis.targets import LIBRARIES, Library, SynthesisTarget
from hbnn_hw.yosys import DEFAULT_TIMEOUT_S, run_yosys, yosys_version

Say = Callable[[str], None]
Modules = Mapping[str, Any]
Counts = Mapping[str, float]

READ = {True: "read_verilog", False: "read_verilog -nosynthesis"}
"""How to read a design for 7-series or not: Yosys defines SYNTHESIS, which hides the behavioural models of
the 7-series primitives; for other targets these models are what is synthesized."""

TOP = ""
"""Name in place of an instance's for the top module's own cells: edges and wiring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSynthesis:
    """What synthesis made of a network.

    Attributes
    ----------
    target
        What was mapped to.
    top, tool
        Top module; program and version.
    total
        Cells of the flattened design, by column of the table.
    units
        Cells of each unit below the top, by instance name; '' holds the top's own.
    path
        Longest path of the flattened design. Its delay is in ps for 7-series; for other targets it counts
        levels.
    cells
        All counts of 7-series, for the report; None for other targets.
    placement
        What place and route made of it, if it was run.
    """

    target: SynthesisTarget
    top: str
    tool: str
    total: Counts
    units: Mapping[str, Counts]
    path: LongestPath
    cells: SynthesisResult | None = None
    placement: Placement | None = None

    @property
    def delay_ns(self) -> float | None:
        """Logic delay of the longest path [ns]; None where only levels are known."""
        return self.path.delay_ps / 1000 if self.target is SynthesisTarget.XC7 else None

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        counts = self.cells.document() if self.cells else {"counts": self.total, "instances": self.units}
        path = self.path.document()
        if self.delay_ns is None:
            del path["delay_ps"]
        return {
            "top": self.top,
            "tool": self.tool,
            "target": self.target.value,
            **counts,
            "longest_path": path,
            **({"placement": self.placement.document()} if self.placement else {}),
        }


@dataclass(frozen=True, slots=True)
class _Flow:
    """Yosys on one design, again and again."""

    verilog: str
    top: str
    target: SynthesisTarget
    timeout_s: float

    def run(self, passes: Sequence[str]) -> Modules:
        """Read the design, run passes, and return the modules of the netlist."""
        with tempfile.TemporaryDirectory(prefix="hbnn-synthesis-") as name:
            folder = Path(name)
            (folder / "design.v").write_text(self.verilog, encoding="utf-8")
            run_yosys(
                [
                    f"{READ[self.target is SynthesisTarget.XC7]} design.v",
                    f"hierarchy -top {self.top}",
                    *passes,
                    "write_json netlist.json",
                ],
                folder,
                self.timeout_s,
            )
            modules: Modules = json.loads((folder / "netlist.json").read_text(encoding="utf-8"))["modules"]
        return modules

    def map(self, kept: Sequence[str] = ()) -> Modules:
        """Map the design, flat but for tables and the ``kept`` modules."""
        keep = [f"setattr -mod -set keep_hierarchy 1 {name}" for name in kept]
        if self.target is SynthesisTarget.XC7:
            dissolve = () if kept else DISSOLVE_TABLES
            synth = f"{SYNTH} -top {self.top} -flatten"
            return self.run([*keep, KEEP_TABLES, TRUST_MAPPER, synth, *dissolve])
        return self.run([*keep, TRUST_MAPPER, f"{LIBRARIES[self.target].command} -top {self.top}"])

    def units(self) -> list[str]:
        """Modules that the top instantiates."""
        modules = self.run(["proc"])
        cells = modules[self.top]["cells"].values()
        kinds = {str(cell["type"]) for cell in cells if is_module(modules, cell)}
        return sorted(kind for kind in kinds if not kind.startswith("$"))  # "$…": models with parameters


def synthesize_project(
    verilog: str,
    top: str,
    target: SynthesisTarget = SynthesisTarget.XC7,
    *,
    say: Say = lambda text: None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> ProjectSynthesis:
    """Synthesize a network for a target.

    Parameters
    ----------
    verilog, top
        All modules in one text; name of the top module.
    target
        What to map to.
    say
        Called with a line of progress.
    timeout_s
        Time limit of each of the two runs [s].

    Raises
    ------
    ToolMissingError
        If Yosys is not installed.
    ToolFailedError
        If Yosys refuses the design or runs past the time limit.
    """
    flow = _Flow(verilog, top, target, timeout_s)
    say(f"synthesizing {top} for {target.value}, flattened; this takes from seconds to minutes")
    flat = flow.map()
    say("synthesizing again, unit by unit")
    units = flow.map(flow.units())
    say("finding the longest path")
    if target is SynthesisTarget.XC7:
        return _xilinx(flat, units, top)
    return _other(flat, units, top, target)


def _xilinx(flat: Modules, units: Modules, top: str) -> ProjectSynthesis:
    cells = SynthesisResult(
        top=top,
        tool=yosys_version(),
        counts=count_module(flat, top),
        instances=count_instances(units, top),
    )
    return ProjectSynthesis(
        target=SynthesisTarget.XC7,
        top=top,
        tool=cells.tool,
        total=xilinx_columns(cells.counts),
        units={name: xilinx_columns(counts) for name, counts in cells.instances.items()},
        path=longest_path(flat_netlist(flat, top)),
        cells=cells,
    )


def xilinx_columns(counts: CellCounts) -> Counts:
    """Columns of the table for 7-series."""
    return {
        "LUT": counts.luts,
        "sites": counts.sites,
        "FF": counts.flip_flops,
        "CARRY4": counts.carry4,
        "MUXF": counts.muxf,
        "LUTRAM": counts.lutram,
        "BRAM36": counts.bram36_equivalent,
        "DSP": counts.dsp,
    }


def _other(flat: Modules, units: Modules, top: str, target: SynthesisTarget) -> ProjectSynthesis:
    library = LIBRARIES[target]
    return ProjectSynthesis(
        target=target,
        top=top,
        tool=yosys_version(),
        total=_columns(library, _kinds(flat, top)),
        units={name: _columns(library, kinds) for name, kinds in _unit_kinds(units, top).items()},
        path=longest_path(flat_netlist(flat, top), library.unit_delays()),
    )


def _kinds(modules: Modules, name: str) -> Counter[str]:
    """Primitives of a module and of all below it."""
    kinds: Counter[str] = Counter()
    for cell in modules[name]["cells"].values():
        kind = str(cell["type"])
        kinds += _kinds(modules, kind) if is_module(modules, cell) else Counter({kind: 1})
    return kinds


def _unit_kinds(modules: Modules, top: str) -> dict[str, Counter[str]]:
    cells = modules[top]["cells"]
    own = Counter(str(cell["type"]) for cell in cells.values() if not is_module(modules, cell))
    below = {
        name: _kinds(modules, str(cell["type"])) for name, cell in cells.items() if is_module(modules, cell)
    }
    return {TOP: own, **below}


def _columns(library: Library, kinds: Mapping[str, int]) -> Counts:
    return {
        column: sum(weight * kinds.get(kind, 0) for kind, weight in weights.items())
        for column, weights in library.counted.items()
    }
