"""Where the scripts of an HLS project leave reports and logs, and what is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

from hbnn_hw.errors import OutputError
from hbnn_hw.vendor_reports.cosim import CosimReport, read_cosim
from hbnn_hw.vendor_reports.csynth import CsynthReport, read_csynth
from hbnn_hw.vendor_reports.logs import LogError, first_error
from hbnn_hw.vendor_reports.power import PowerReport, read_power
from hbnn_hw.vendor_reports.resources import Resources
from hbnn_hw.vendor_reports.timing import TimingReport, read_timing
from hbnn_hw.vendor_reports.utilization import read_hierarchy, read_utilization

ACCELERATOR = "accelerator"
"""The accelerator's instance in the block design."""

Report = TypeVar("Report")


class Stage(Enum):
    """What produces reports."""

    CSYNTH = "csynth"
    COSIM = "cosim"
    OUT_OF_CONTEXT = "out_of_context"
    BITSTREAM = "bitstream"


COMMANDS: Mapping[Stage, str] = {
    Stage.CSYNTH: "STAGES=csynth sh scripts/run_hls.sh",
    Stage.COSIM: "STAGES=cosim sh scripts/run_hls.sh",
    Stage.OUT_OF_CONTEXT: "vivado -mode batch -nojournal -log ooc_synth.log -source scripts/ooc_synth.tcl",
    Stage.BITSTREAM: "vivado -mode batch -nojournal -log bitstream.log -source scripts/bitstream.tcl",
}
"""What runs a stage, in the project's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A report that is not there.

    Attributes
    ----------
    stage
        What should have made it.
    report
        Its path below the project.
    error
        The first error of the stage's logs; None if there is no log, or none with an error.
    """

    stage: Stage
    report: str
    error: LogError | None

    @property
    def text(self) -> str:
        """What is missing, and why or what to do."""
        if self.error is None:
            return f"{self.stage.value}: no {self.report}; to make it: {COMMANDS[self.stage]}"
        where = f"{self.error.log.name}:{self.error.line}"
        return f"{self.stage.value} produced no {self.report}; the first error, in {where}: {self.error.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Implementation:
    """Placement and routing.

    Attributes
    ----------
    used
        Resources of the whole design.
    accelerator
        Resources of the accelerator alone, where it is a part of the design.
    timing, power
        Slacks and power of the whole design.
    """

    used: Resources | None
    accelerator: Resources | None
    timing: TimingReport | None
    power: PowerReport | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorReports:
    """Everything that was found.

    Attributes
    ----------
    csynth
        Synthesis of the top function.
    processes
        Synthesis of the functions below it that have a report of their own, by function.
    cosim
        Co-simulation.
    out_of_context, bitstream
        Implementation of the accelerator alone, and of the ZC706's design.
    missing
        Reports that are not there, in the order of the flow.
    """

    csynth: CsynthReport | None
    processes: Mapping[str, CsynthReport]
    cosim: CosimReport | None
    out_of_context: Implementation | None
    bitstream: Implementation | None
    missing: tuple[Missing, ...]


class _Project:
    """An HLS project's folder; remembers which reports it was asked for in vain."""

    def __init__(self, folder: Path, network: str) -> None:
        self.folder = folder
        self.network = network
        self.missing: list[Missing] = []

    def logs(self, stage: Stage) -> list[Path]:
        """Logs of a stage; those that say most come first."""
        if stage in (Stage.CSYNTH, Stage.COSIM):
            solution = f"{self.network}_hls/solution1"
            names = ["vivado_hls.log", "vitis_hls.log", "vitis-run.log"]
            names += [f"{solution}/solution1.log", f"{solution}/csim/report/{self.network}_csim.log"]
        elif stage is Stage.OUT_OF_CONTEXT:
            names = ["ooc_synth.log", "vivado.log"]
        else:
            names = ["bitstream.log", "zc706_bd.log", "vivado.log"]
        runs = sorted((self.folder / "vivado" / f"{self.network}.runs").glob("*/runme.log"))
        return [*(runs if stage is Stage.BITSTREAM else []), *(self.folder / name for name in names)]

    def report(self, stage: Stage, path: str, read: Callable[[Path], Report]) -> Report | None:
        """Read a report, or note that it is missing."""
        if (self.folder / path).is_file():
            return read(self.folder / path)
        self.missing.append(Missing(stage=stage, report=path, error=first_error(self.logs(stage))))
        return None

    def implementation(self, stage: Stage) -> Implementation | None:
        folder = f"reports/{stage.value}"
        used = self.report(stage, f"{folder}/utilization.rpt", read_utilization)
        if used is None and not (self.folder / folder).is_dir():
            return None
        hierarchy = None
        if stage is Stage.BITSTREAM:
            hierarchy = self.report(stage, f"{folder}/utilization_hierarchical.rpt", read_hierarchy)
        return Implementation(
            used=used,
            accelerator=None if hierarchy is None else hierarchy.get(ACCELERATOR),
            timing=self.report(stage, f"{folder}/timing_summary.rpt", read_timing),
            power=self.report(stage, f"{folder}/power.rpt", read_power),
        )


def read_reports(folder: Path, network: str, functions: Sequence[str] = ()) -> VendorReports:
    """Read all reports of an HLS project that its scripts have made so far.

    Parameters
    ----------
    folder
        The project, ``hls/`` of an export.
    network
        Name of the top function.
    functions
        Functions below it whose reports are wanted; those without one are left out.

    Raises
    ------
    OutputError
        If there is no HLS project.
    VendorReportError
        Naming the file, if a report is damaged.
    """
    if not (folder / "scripts").is_dir():
        raise OutputError(f"'{folder}' is no HLS project; export the network with --backend hls")
    project = _Project(folder, network)
    solution = f"{network}_hls/solution1"
    reports = folder / solution / "syn" / "report"
    paths = {name: reports / f"{name}_csynth.xml" for name in functions}
    return VendorReports(
        csynth=project.report(Stage.CSYNTH, f"{solution}/syn/report/{network}_csynth.xml", read_csynth),
        processes={name: read_csynth(path) for name, path in paths.items() if path.is_file()},
        cosim=project.report(Stage.COSIM, f"{solution}/sim/report/{network}_cosim.rpt", read_cosim),
        out_of_context=project.implementation(Stage.OUT_OF_CONTEXT),
        bitstream=project.implementation(Stage.BITSTREAM),
        missing=tuple(project.missing),
    )
