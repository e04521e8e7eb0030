"""The vendor's results beside the estimate, as data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hbnn_hw.backends.hls.names import identifiers
from hbnn_hw.errors import OutputError
from hbnn_hw.estimate import Estimate
from hbnn_hw.graph import Graph
from hbnn_hw.vendor_reports.collect import Implementation, VendorReports, read_reports
from hbnn_hw.vendor_reports.resources import Cycles, Resources

RESOURCES = (("LUT", "luts"), ("FF", "flip_flops"), ("BRAM36", "bram36"), ("DSP", "dsps"))
"""Printed name and attribute, the same in an estimate's area and in a report's resources."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One quantity at every level; None where it is not known.

    Attributes
    ----------
    quantity
        What, with its unit.
    estimate, csynth, out_of_context, bitstream
        The estimator's value, the HLS tool's estimate, and the values behind routing of the accelerator alone
        and inside the ZC706's design.
    """

    quantity: str
    estimate: float | None = None
    csynth: float | None = None
    out_of_context: float | None = None
    bitstream: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """One layer's estimate beside the synthesis of its function; ``cycles`` are those of one image."""

    name: str
    function: str
    estimated: Resources
    synthesized: Resources | None
    estimated_cycles: int
    synthesized_cycles: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Clock cycles of the test bench's calls.

    Attributes
    ----------
    images
        Images of a call.
    estimated
        The schedule's cycles: latency of one image, and an interval for each that follows.
    measured
        Co-simulation's; None if it did not run.
    """

    images: int
    estimated: int
    measured: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """An export's estimate and the vendor's reports.

    Attributes
    ----------
    estimate, reports
        Both sides.
    rows, layers, calls
        Their quantities side by side: totals, layer by layer, and the calls of co-simulation.
    """

    estimate: Estimate
    reports: VendorReports
    rows: tuple[Row, ...]
    layers: tuple[LayerRow, ...]
    calls: tuple[Call, ...]

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        reports = asdict(self.reports)
        reports["missing"] = [
            {"stage": missing.stage.value, "report": missing.report, "text": missing.text}
            for missing in self.reports.missing
        ]
        return {
            "network": self.estimate.network,
            "rows": [asdict(row) for row in self.rows],
            "layers": [asdict(layer) for layer in self.layers],
            "calls": [asdict(call) for call in self.calls],
            "reports": reports,
            "estimate": self.estimate.document(),
        }


def _amount(resources: Resources | None, name: str) -> float | None:
    return None if resources is None else float(getattr(resources, name))


def _resources(estimate: Estimate, reports: VendorReports) -> list[Row]:
    alone, system = reports.out_of_context, reports.bitstream
    return [
        Row(
            quantity=label,
            estimate=float(getattr(estimate.area, name)),
            csynth=_amount(reports.csynth.used if reports.csynth else None, name),
            out_of_context=_amount(alone.used if alone else None, name),
            bitstream=_amount(system.accelerator if system else None, name),
        )
        for label, name in RESOURCES
    ]


def _slack(found: Implementation | None) -> float | None:
    return None if found is None or found.timing is None else found.timing.setup_slack_ns


def _power(found: Implementation | None) -> float | None:
    return None if found is None or found.power is None else found.power.total_w


def _timing(estimate: Estimate, reports: VendorReports) -> list[Row]:
    alone, system = reports.out_of_context, reports.bitstream
    slack = _slack(alone)
    return [
        Row(
            quantity="clock [ns]",
            estimate=estimate.clock_ns,
            csynth=reports.csynth.estimated_ns if reports.csynth else None,
            out_of_context=None if slack is None else round(estimate.clock_ns - slack, 3),
        ),
        Row(quantity="slack [ns]", out_of_context=slack, bitstream=_slack(system)),
        Row(
            quantity="power [W]",
            estimate=estimate.fpga_power_w,
            out_of_context=_power(alone),
            bitstream=_power(system),
        ),
    ]


def _layers(estimate: Estimate, reports: VendorReports, functions: list[str]) -> list[LayerRow]:
    rows = []
    for node, function in zip(estimate.nodes, functions, strict=True):
        found = reports.processes.get(function)
        area = {name: float(getattr(node.area, name)) for _, name in RESOURCES}
        rows.append(
            LayerRow(
                name=node.name,
                function=function,
                estimated=Resources(**area),
                synthesized=found.used if found else None,
                estimated_cycles=node.cycles,
                # The loop over images is taken to run once at least.
                synthesized_cycles=found.latency.minimum if found else None,
            )
        )
    return rows


def _calls(estimate: Estimate, reports: VendorReports, images: int) -> list[Call]:
    """The test bench halves its images into two calls; the report knows the shorter and the longer one."""
    sizes = [images // 2, images - images // 2] if images > 1 else [images]
    latency = reports.cosim.latency if reports.cosim else Cycles(minimum=None, maximum=None)
    measured = (latency.minimum, latency.maximum)
    return [
        Call(
            images=size,
            estimated=estimate.latency_cycles + (size - 1) * estimate.interval_cycles,
            measured=cycles,
        )
        for size, cycles in zip(sizes, measured[-len(sizes) :], strict=True)
    ]


def _images(folder: Path) -> int:
    path = folder / "tb" / "layout.json"
    try:
        return int(json.loads(path.read_bytes())["images"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"'{path}' is damaged ({error}); export the network again") from error


def compare(folder: Path, graph: Graph, estimate: Estimate) -> Comparison:
    """Read the reports of an export's HLS project and put the estimate beside them.

    Parameters
    ----------
    folder
        The project, ``hls/`` of an export.
    graph, estimate
        The exported graph and its estimate.

    Raises
    ------
    OutputError
        If the folder is no HLS project.
    VendorReportError
        Naming the file, if a report is damaged.
    """
    network, *functions = identifiers([graph.name, *(node.name for node in graph.hardware_nodes)])
    reports = read_reports(folder, network, functions)
    return Comparison(
        estimate=estimate,
        reports=reports,
        rows=(*_resources(estimate, reports), *_timing(estimate, reports)),
        layers=tuple(_layers(estimate, reports, functions)),
        calls=tuple(_calls(estimate, reports, _images(folder))),
    )
