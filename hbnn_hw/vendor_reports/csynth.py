"""``<top>_csynth.xml``: what HLS synthesis estimates of a function.

Source: UG902 and UG1399, "Synthesis Report". Vivado HLS counts ``DSP48E`` and names a loop's element after
its label; Vitis HLS counts ``DSP`` and, in some releases, has ``<Loop><Name>``. Values may be ``undef``, or a
range.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from hbnn_hw.errors import VendorReportError
from hbnn_hw.vendor_reports.reading import number, optional_number, read_bytes
from hbnn_hw.vendor_reports.resources import Cycles, Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopReport:
    """One loop.

    Attributes
    ----------
    name
        Label, with those of the loops around it.
    trips, latency
        Iterations and clock cycles.
    interval
        Achieved initiation interval; None if the loop is not pipelined.
    depth
        Clock cycles of one iteration.
    """

    name: str
    trips: Cycles
    latency: Cycles
    interval: int | None
    depth: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CsynthReport:
    """Synthesis of one function.

    Attributes
    ----------
    release, part, top
        Version of the tool, device and function.
    target_ns, uncertainty_ns, estimated_ns
        Clock period asked for, margin taken off it, and period that the tool expects [ns].
    latency, interval
        Clock cycles of one call, and between calls.
    loops
        Loops, outer before inner.
    used, available
        Resources of the function and of the device.
    """

    release: str
    part: str
    top: str
    target_ns: float
    uncertainty_ns: float | None
    estimated_ns: float
    latency: Cycles
    interval: Cycles
    loops: tuple[LoopReport, ...]
    used: Resources
    available: Resources


def _refuse_doctype(*_: object) -> None:
    raise VendorReportError("it declares a document type, which no report has")


def _parse(path: Path) -> ElementTree.Element:
    """Parse XML from anywhere: without a document type there are no entities to expand or fetch."""
    content = read_bytes(path)
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(content, True)
        return ElementTree.fromstring(content)
    except (expat.ExpatError, ElementTree.ParseError, VendorReportError) as error:
        raise VendorReportError(f"'{path}' is damaged ({error}); run csynth again") from error


class _Report:
    """A parsed report that knows its file, for the messages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = _parse(path)

    def text(self, place: str) -> str:
        found = self.root.findtext(place)
        if found is None:
            raise VendorReportError(
                f"'{self.path}' must have {place}; it is no synthesis report, or of an unknown release"
            )
        return found.strip()

    def number(self, place: str) -> float:
        return number(self.path, place, self.text(place))

    def cycles(self, low: str, high: str) -> Cycles:
        ends = [optional_number(self.path, place, self.text(place)) for place in (low, high)]
        return Cycles(minimum=_whole(ends[0]), maximum=_whole(ends[1]))

    def resources(self, place: str) -> Resources:
        dsp = "DSP" if self.root.find(f"{place}/DSP") is not None else "DSP48E"
        return Resources(
            luts=self.number(f"{place}/LUT"),
            flip_flops=self.number(f"{place}/FF"),
            bram36=self.number(f"{place}/BRAM_18K") / 2,
            dsps=self.number(f"{place}/{dsp}"),
        )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _range(path: Path, loop: ElementTree.Element, name: str) -> Cycles:
    """Read ``<name>8</name>``, or ``<name><range><min>1</min><max>8</max></range></name>``."""
    element = loop.find(name)
    if element is None:
        return Cycles(minimum=None, maximum=None)
    ends = [element.findtext(f"range/{end}", element.text) for end in ("min", "max")]
    low, high = (_whole(optional_number(path, name, (end or "").strip())) for end in ends)
    return Cycles(minimum=low, maximum=high)


def _loops(path: Path, parent: ElementTree.Element, prefix: str = "") -> list[LoopReport]:
    """Read the loops below an element; a loop is what has a trip count."""
    found: list[LoopReport] = []
    for element in parent:
        if element.find("TripCount") is None:
            continue
        name = prefix + (element.findtext("Name") or element.tag)
        interval, depth = (
            _whole(optional_number(path, tag, element.findtext(tag)))
            for tag in ("PipelineII", "IterationLatency")
        )
        found.append(
            LoopReport(
                name=name,
                trips=_range(path, element, "TripCount"),
                latency=_range(path, element, "Latency"),
                interval=interval,
                depth=depth,
            )
        )
        found += _loops(path, element, f"{name}.")
    return found


def read_csynth(path: Path) -> CsynthReport:
    """Read the synthesis report of a function.

    Raises
    ------
    VendorReportError
        Naming the file and the element, if the report is truncated or has another shape.
    """
    report = _Report(path)
    overall = "PerformanceEstimates/SummaryOfOverallLatency"
    loops = report.root.find("PerformanceEstimates/SummaryOfLoopLatency")
    uncertainty = report.root.findtext("UserAssignments/ClockUncertainty")
    return CsynthReport(
        release=report.text("ReportVersion/Version"),
        part=report.text("UserAssignments/Part"),
        top=report.text("UserAssignments/TopModelName"),
        target_ns=report.number("UserAssignments/TargetClockPeriod"),
        uncertainty_ns=optional_number(path, "ClockUncertainty", uncertainty),
        estimated_ns=report.number("PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod"),
        latency=report.cycles(f"{overall}/Best-caseLatency", f"{overall}/Worst-caseLatency"),
        interval=report.cycles(f"{overall}/Interval-min", f"{overall}/Interval-max"),
        loops=() if loops is None else tuple(_loops(path, loops)),
        used=report.resources("AreaEstimates/Resources"),
        available=report.resources("AreaEstimates/AvailableResources"),
    )
