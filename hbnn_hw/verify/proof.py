"""Proofs that two combinational modules are equal for all inputs, by Yosys' SAT solver.

Both modules become one miter, whose output says that they differ; the solver either shows that this never
happens or returns inputs for which it does. Practical up to about 24 to 32 input bits for popcounts.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hbnn_hw.errors import ToolFailedError
from hbnn_hw.extras import require
from hbnn_hw.yosys import run_yosys

if TYPE_CHECKING:
    from hbnn_hw.backends.rtl.lut import Fabric


@dataclass(frozen=True, slots=True)
class Proof:
    """Outcome of an equivalence check.

    Attributes
    ----------
    equal
        Whether the modules are proved equal for all inputs.
    counterexample
        Otherwise an input for which they differ: values by port name.
    """

    equal: bool
    counterexample: Mapping[str, int] = field(default_factory=dict)


def prove_equal(gold: str, gate: str, *, gold_top: str = "gold", gate_top: str = "gate") -> Proof:
    """Prove two combinational modules with the same ports equal, or find an input that tells them apart.

    Parameters
    ----------
    gold, gate
        Verilog texts, each with everything that its top module needs; SystemVerilog is accepted.
    gold_top, gate_top
        Names of the top modules.

    Raises
    ------
    ToolMissingError
        If pyosys is not installed.
    ToolFailedError
        If Yosys cannot read a module, or one is not combinational.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "gold.v").write_text(gold, encoding="utf-8")
        (folder / "gate.v").write_text(gate, encoding="utf-8")
        log = run_yosys([*_load("gold", gold_top), *_load("gate", gate_top), *_SOLVE], folder).log
    if "SAT proof finished - no model found: SUCCESS!" in log:
        return Proof(equal=True)
    if "SAT proof finished - model found: FAIL!" in log:
        return Proof(equal=False, counterexample=_counterexample(log))
    raise ToolFailedError("the SAT solver gave no verdict:\n" + "\n".join(log.splitlines()[-20:]))


def _load(name: str, top: str) -> list[str]:
    """Read one side by itself, so that equally named submodules cannot meet."""
    return [
        "design -reset",
        # Formal reading leaves SYNTHESIS undefined, so that the models of instantiated primitives are seen.
        f"read_verilog -sv -formal {name}.v",
        f"hierarchy -check -top {top}",
        "proc",
        "flatten",
        "opt_clean",
        # A register would be a free variable to the solver, and no proof would mean anything.
        "select -assert-none t:$dff* t:$sdff* t:$adff* t:$dlatch* t:$mem* t:$_DFF*",
        f"rename {top} {name}" if top != name else "check",
        f"design -stash {name}",
    ]


_SOLVE = (
    "design -reset",
    "design -copy-from gold gold",
    "design -copy-from gate gate",
    "miter -equiv -flatten -make_outputs gold gate miter",
    "hierarchy -top miter",
    "opt_expr",
    "opt_clean",
    "sat -prove trigger 0 -show-inputs miter",
)

_ASSIGNMENT = re.compile(r"^\s+\\in_(\S+)\s+(?:\d+|--)\s+(?:[0-9a-f]+|--)\s+([01]+)\s*$", re.MULTILINE)


def _counterexample(log: str) -> dict[str, int]:
    """Read the solver's table of input values."""
    return {match[1]: int(match[2], 2) for match in _ASSIGNMENT.finditer(log)}


def component_verilog(component: object, name: str, fabric: Fabric | None = None) -> str:
    """Convert an Amaranth component to Verilog for a proof; see ``backends.rtl.verilog.to_verilog``.

    Primitives of a fabric come with their models; without a fabric the text is generic.
    """
    require("amaranth", "rtl", "converting a component")
    from hbnn_hw.backends.rtl.lut import Fabric, with_models
    from hbnn_hw.backends.rtl.verilog import to_verilog

    return with_models(to_verilog(component, name, fabric=fabric or Fabric.GENERIC))
