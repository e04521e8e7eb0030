"""Gate-level area: the emitted Verilog mapped to a standard-cell library, unit by unit.

The library is any Liberty file of the user's. Memories become flip-flops and ROMs gates, since no memory
compiler is at hand: an upper bound for what a chip would put into macros. Nothing is placed: wires, clock
tree and the utilization of the rows come on top.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hbnn_hw.errors import OutputError
from hbnn_hw.estimate.netlist import is_module
from hbnn_hw.yosys import DEFAULT_TIMEOUT_S, run_yosys, yosys_version

TOP = ""
"""Name in place of an instance's for the top module's own cells."""

_CELL = re.compile(
    r"\bcell\s*\(\s*\"?(\w+)\"?\s*\)\s*\{(?:(?!\bcell\s*\().)*?\barea\s*:\s*([\d.eE+-]+)", re.DOTALL
)
_NAND2 = re.compile(r"(?:^|_)(?:nand2|nd2)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CellLibrary:
    """A Liberty file.

    Attributes
    ----------
    path
        The file.
    areas
        Area of every cell, in the library's unit, which is µm² in most.
    """

    path: Path
    areas: Mapping[str, float]

    @classmethod
    def read(cls, path: Path) -> CellLibrary:
        """Read the areas of a Liberty file.

        Raises
        ------
        OutputError
            If there is no such file, or it has no cell with an area.
        """
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise OutputError(f"'{path}' must be a Liberty file: {error}") from error
        areas = {name: float(area) for name, area in _CELL.findall(text)}
        if not areas:
            raise OutputError(f"'{path}' must be a Liberty file with cells that have an area; it has none")
        return cls(path, areas)

    @property
    def gate_area(self) -> float | None:
        """Area of the smallest NAND of two inputs, the gate of gate equivalents; None if there is none."""
        return min((area for name, area in self.areas.items() if _NAND2.search(name)), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellArea:
    """Cells of a unit.

    Attributes
    ----------
    area
        Sum of the cells' areas, in the library's unit.
    sequential
        The part of flip-flops and latches.
    cells
        Number of cells.
    gate_equivalents
        Area in smallest two-input NANDs; None where the library has none.
    """

    area: float
    sequential: float
    cells: int
    gate_equivalents: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSynthesis:
    """A design in standard cells.

    Attributes
    ----------
    top, tool, library
        Top module; program and version; name of the Liberty file.
    total
        The whole design.
    units
        Every unit below the top by instance name; '' holds the top's own cells.
    """

    top: str
    tool: str
    library: str
    total: CellArea
    units: Mapping[str, CellArea]

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def synthesize_cells(
    verilog: str,
    top: str,
    library: CellLibrary,
    *,
    say: Callable[[str], None] = lambda text: None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> CellSynthesis:
    """Map a Verilog design to standard cells; every unit below the top stays a module of its own.

    Parameters
    ----------
    verilog, top
        All modules in one text; name of the top module.
    library
        The cells.
    say
        Called with a line of progress.
    timeout_s
        Time limit of each of two runs [s].

    Raises
    ------
    ToolMissingError
        If Yosys is not installed.
    ToolFailedError
        If Yosys refuses the design or the library, or runs past the time limit.
    """
    with tempfile.TemporaryDirectory(prefix="hbnn-cells-") as name:
        folder = Path(name)
        (folder / "design.v").write_text(verilog, encoding="utf-8")
        shutil.copyfile(library.path, folder / "cells.lib")
        # Without SYNTHESIS, FPGA primitives are their behavioural models.
        read = ["read_verilog -nosynthesis design.v", f"hierarchy -top {top}"]
        run_yosys([*read, "proc", "write_json units.json"], folder, timeout_s)
        instances = _instances(json.loads((folder / "units.json").read_text(encoding="utf-8")), top)
        say(f"mapping {top} to {library.path.name}; this takes from seconds to minutes")
        keep = [f"setattr -mod -set keep_hierarchy 1 {kind}" for kind in sorted(set(instances.values()))]
        run_yosys(
            [
                *read,
                *keep,
                f"synth -flatten -top {top}",
                "dfflibmap -liberty cells.lib",
                "abc -liberty cells.lib",
                "opt_clean",
                f"tee -q -o stat.json stat -json -top {top} -liberty cells.lib",
            ],
            folder,
            timeout_s,
        )
        modules = json.loads((folder / "stat.json").read_text(encoding="utf-8"))["modules"]
    areas = {module.removeprefix("\\"): _area(stat, library) for module, stat in modules.items()}
    units = {instance: areas[kind] for instance, kind in instances.items()}
    return CellSynthesis(
        top=top,
        tool=yosys_version(),
        library=library.path.name,
        total=areas[top],
        units={TOP: _rest(areas[top], list(units.values())), **units},
    )


def _instances(netlist: Mapping[str, Any], top: str) -> dict[str, str]:
    """Modules of the design that the top instantiates, by instance name."""
    modules = netlist["modules"]
    cells = modules[top]["cells"].items()
    kinds = {name: str(cell["type"]) for name, cell in cells if is_module(modules, cell)}
    return {name: kind for name, kind in kinds.items() if not kind.startswith("$")}


def _area(stat: Mapping[str, Any], library: CellLibrary) -> CellArea:
    """Read a module's statistics; its cells are counted with those of the modules below it."""
    area, gate = float(stat.get("area", 0.0)), library.gate_area
    return CellArea(
        area=area,
        sequential=float(stat.get("sequential_area", 0.0)),
        cells=int(stat["num_cells"]),
        gate_equivalents=area / gate if gate else None,
    )


def _rest(total: CellArea, units: list[CellArea]) -> CellArea:
    """Take the units from the total: Yosys counts a module's area with all below it, its cells alone."""
    area = total.area - sum(unit.area for unit in units)
    gates = [unit.gate_equivalents for unit in (total, *units)]
    return CellArea(
        area=area,
        sequential=total.sequential - sum(unit.sequential for unit in units),
        cells=total.cells,
        gate_equivalents=None if gates[0] is None else gates[0] - sum(gate or 0.0 for gate in gates[1:]),
    )


def cells_text(result: CellSynthesis) -> str:
    """Print a line a unit, largest first."""
    rows = sorted(result.units.items(), key=lambda pair: -pair[1].area)
    lines = [f"{result.top} in {result.library}, {result.tool}; nothing is placed, memories are flip-flops"]
    lines.append(f"{'':24}{'area':>12}{'sequential':>12}{'gate equivalents':>18}")
    for name, found in [(name or f"({result.top})", found) for name, found in rows] + [
        ("total", result.total)
    ]:
        share = f"{100 * found.sequential / found.area:.0f} %" if found.area else ""
        gates = "" if found.gate_equivalents is None else f"{found.gate_equivalents:,.0f}"
        lines.append(f"{name:24}{found.area:12,.0f}{share:>12}{gates:>18}")
    return "\n".join(lines) + "\n"
