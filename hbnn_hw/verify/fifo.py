"""FIFO depths of a delivered HLS project, proved without RTL: no deadlock, full throughput, golden outputs.

Processes that block on reads and writes, and never ask whether they would, do the same whatever the order
they run in (Kahn 1974; Parks 1995 for bounded channels). So one simulation at the delivered depths decides
for all schedules, hardware's included, provided that its pipelines flush, as every emitted loop demands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from hbnn_hw.errors import MismatchError, RangeError
from hbnn_hw.verify.bounded import (
    FIRST_CLOCK,
    LEVEL,
    UNBOUNDED,
    BoundedSimulation,
    Outcome,
    ProcessUse,
    StreamUse,
    Wait,
    bounded_simulation,
)
from hbnn_hw.verify.csim import CsimTools, check_inputs
from hbnn_hw.verify.dataflow_text import DEFAULT_DEPTH, SINK_PORT, SOURCE_PORT
from hbnn_hw.verify.result import VerificationResult
from hbnn_hw.verify.vectors import VectorSet, compare, load_vectors

DEFAULT_IMAGES = 8
"""Samples of a check: enough for the pipeline to fill and to settle."""

TOLERANCE = 0.05
"""Part of the schedule's interval by which the measured one may be longer."""

LISTED_WAITS = 4
"""Most streams that a complaint about throughput lists: those that their writers waited for longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FifoReport:
    """A network that runs at the depths it has; it exists only if all outputs agreed.

    Attributes
    ----------
    result
        What is stored of it.
    streams
        Depth, peak and waiting of every stream.
    processes
        Work and waiting of every process.
    interval_cycles
        Clocks between samples once the pipeline is full; None for a single sample.
    predicted_interval_cycles
        The schedule's.
    latency_cycles
        From the first input beat to the last output beat of the first sample, pipeline depths not included.
    bottleneck
        The process with the most steps.
    needed_depths
        Depths by stream that do, found without those delivered; None if not asked for.
    """

    result: VerificationResult
    streams: tuple[StreamUse, ...]
    processes: tuple[ProcessUse, ...]
    interval_cycles: int | None
    predicted_interval_cycles: int
    latency_cycles: int
    bottleneck: str
    needed_depths: Mapping[str, int] | None = None

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        document = asdict(self)
        for process in document["processes"]:
            process["wait"] = process["wait"].value
        return document


def _blocked_text(simulation: BoundedSimulation, outcome: Outcome, process: ProcessUse) -> str:
    """What one process waits for, and why that never comes."""
    streams = {stream.name: stream for stream in outcome.streams} | dict(outcome.outside)
    stream = streams[process.stream]
    peer = simulation.top.peer(process.name, stream.name)
    gone = peer is None or any(other.name == peer and other.finished for other in outcome.processes)
    if not gone:
        depth = f", depth {stream.depth}" if process.wait is Wait.FULL else ""
        return f"'{process.name}' waits for '{stream.name}' ({process.wait.value}{depth})"
    other = f"'{peer}'" if peer else "the test bench"
    if process.wait is Wait.EMPTY:
        return (
            f"'{process.name}' reads '{stream.name}' beyond the {stream.delivered} beat(s) that {other} wrote"
        )
    return f"'{process.name}' writes '{stream.name}' beyond the {stream.taken} beat(s) that {other} read"


def _ends_well(outcome: Outcome) -> bool:
    """Whether every process returned and every beat was read."""
    return not outcome.blocked and not _unread(outcome)


def _unread(outcome: Outcome) -> list[StreamUse]:
    streams = (outcome.outside[SOURCE_PORT], *outcome.streams)
    return [stream for stream in streams if stream.taken != stream.delivered]


def _peaks(simulation: BoundedSimulation, images: int) -> dict[str, int] | None:
    """Peaks without bounds at the schedule's pace; None if the network does not end well even so."""
    free = dict.fromkeys((stream.name for stream in simulation.top.streams), UNBOUNDED)
    outcome = simulation.run(images, free, pace=simulation.interval)
    return {stream.name: stream.peak for stream in outcome.streams} if _ends_well(outcome) else None


def _suffice(simulation: BoundedSimulation, images: int, depths: Mapping[str, int]) -> bool:
    """Whether the network ends well at these depths, in the schedule's clocks."""
    outcome = simulation.run(images, depths)
    return _ends_well(outcome) and (steady_interval(outcome.ends) or 0) <= simulation.interval


def _remedy(simulation: BoundedSimulation, images: int) -> str:
    """Streams that have to be deeper with depths that reach the schedule, made least one after the other."""
    peaks = _peaks(simulation, images)
    if peaks is None:
        return "no depth helps: the processes disagree on how many beats there are"
    delivered = {stream.name: stream.depth for stream in simulation.top.streams}
    deeper = {name: depth for name, depth in peaks.items() if depth > delivered[name]}
    if not _suffice(simulation, images, deeper):
        return "no depth helps: the processes themselves take that long"
    for name in deeper:
        # Bisection: what suffices still does if a stream gets deeper.
        too_small, enough = delivered[name] - 1, deeper[name]
        while enough - too_small > 1:
            middle = (too_small + enough) // 2
            if _suffice(simulation, images, deeper | {name: middle}):
                enough = middle
            else:
                too_small = middle
        deeper[name] = enough
    changed = (f"'{name}' depth {depth}" for name, depth in deeper.items() if depth > delivered[name])
    return f"give {', '.join(changed)}"


def _check_ends(simulation: BoundedSimulation, outcome: Outcome) -> None:
    """Raise unless every process returned and no beat is left."""
    if outcome.blocked:
        waits = ", ".join(_blocked_text(simulation, outcome, process) for process in outcome.blocked)
        clock = max(process.clock for process in outcome.processes)
        kind = "deadlock" if any(process.wait is Wait.FULL for process in outcome.blocked) else "starved"
        remedy = _remedy(simulation, outcome.images)
        raise MismatchError(f"{LEVEL}: {kind} in clock {clock}: {waits}; {remedy}")
    for stream in _unread(outcome):
        raise MismatchError(
            f"{LEVEL}: '{stream.name}' keeps {stream.delivered - stream.taken} of {stream.delivered} beats "
            "that no process reads; the next images would get them"
        )


def _check_outputs(simulation: BoundedSimulation, outcome: Outcome, vectors: VectorSet) -> None:
    beats = simulation.sink.beats
    compare(LEVEL, outcome.outputs, vectors.outputs)
    if len(outcome.tlast) != len(outcome.outputs) * beats:
        raise MismatchError(
            f"{LEVEL}: '{SINK_PORT}' carried {len(outcome.tlast)} beats, "
            f"{outcome.images} images make {outcome.images * beats}"
        )
    for beat, last in enumerate(outcome.tlast):
        if last != ((beat + 1) % beats == 0):
            raise MismatchError(
                f"{LEVEL}: TLAST is {int(last)} at image {beat // beats}, beat {beat % beats} of {beats}"
            )


def steady_interval(ends: tuple[int, ...]) -> int | None:
    """Clocks between samples once the pipeline is full: the longest of the later half of all distances."""
    gaps = [after - before for before, after in pairwise(ends)]
    return max(gaps[len(gaps) // 2 :], default=None)


def allowed_interval(scheduled: int) -> int:
    """Clocks an image may take at most: the schedule's, and :data:`TOLERANCE` more.

    The schedule counts what the busiest process does; where several are as busy, they wait for one another a
    little between two images. The report shows the measured interval beside the schedule's.
    """
    return scheduled + int(scheduled * TOLERANCE)


def _check_interval(simulation: BoundedSimulation, outcome: Outcome) -> None:
    interval = steady_interval(outcome.ends)
    if interval is None or interval <= allowed_interval(simulation.interval):
        return
    waiting = sorted(
        (stream for stream in outcome.streams if stream.waited_full), key=lambda stream: -stream.waited_full
    )
    waits = ", ".join(
        f"{stream.waited_full} clocks for '{stream.name}' (full, depth {stream.depth})"
        for stream in waiting[:LISTED_WAITS]
    )
    if len(waiting) > LISTED_WAITS:
        waits += f" and less for {len(waiting) - LISTED_WAITS} more"
    remedy = _remedy(simulation, outcome.images)
    raise MismatchError(
        f"{LEVEL}: an image takes {interval} clocks, the schedule says {simulation.interval}; "
        f"writers waited {waits or 'for nothing'}; {remedy}"
    )


def _report(simulation: BoundedSimulation, outcome: Outcome, vectors: VectorSet) -> FifoReport:
    interval = steady_interval(outcome.ends)
    result = VerificationResult(
        level=LEVEL,
        tool=simulation.tool,
        images=outcome.images,
        bits=vectors.outputs.size * simulation.sink.element_bits,
        interval_cycles=interval,
        predicted_interval_cycles=None if interval is None else simulation.interval,
    )
    return FifoReport(
        result=result,
        streams=outcome.streams,
        processes=outcome.processes,
        interval_cycles=interval,
        predicted_interval_cycles=simulation.interval,
        latency_cycles=outcome.ends[0] - FIRST_CLOCK,
        bottleneck=max(outcome.processes, key=lambda process: process.steps).name,
    )


def _vectors(folder: Path, images: int | None) -> VectorSet:
    if images is not None and images < 1:
        raise RangeError(f"a simulation needs at least 1 image, not {images}")
    return load_vectors(folder).first(images or DEFAULT_IMAGES)


def check_depths(simulation: BoundedSimulation, vectors: VectorSet) -> FifoReport:
    """Run a built simulation at the delivered depths; raises as :func:`run_fifo_check` does."""
    outcome = simulation.run(vectors.n_images)
    _check_ends(simulation, outcome)
    _check_outputs(simulation, outcome, vectors)
    _check_interval(simulation, outcome)
    return _report(simulation, outcome, vectors)


def find_depths(simulation: BoundedSimulation, images: int) -> dict[str, int]:
    """Find depths with a built simulation, as :func:`measure_depths` does."""
    peaks = _peaks(simulation, images)
    depths = {name: max(peak, DEFAULT_DEPTH) for name, peak in (peaks or {}).items()}
    if peaks is None or not _suffice(simulation, images, depths):
        raise MismatchError(
            f"{LEVEL}: no depths make the network end in the schedule's clocks; 'hbnn-hw streams' says why"
        )
    for name in [name for name, depth in depths.items() if depth > DEFAULT_DEPTH]:
        shallower = depths | {name: DEFAULT_DEPTH}
        if _suffice(simulation, images, shallower):
            depths = shallower
    return depths


def run_fifo_check(
    folder: Path,
    *,
    images: int | None = None,
    suggest: bool = False,
    sanitize: bool = False,
    tools: CsimTools | None = None,
) -> FifoReport:
    """Simulate an export's HLS project with streams of the delivered depths and real blocking.

    Parameters
    ----------
    folder
        An export: ``hls/`` as emitted and ``vectors/``.
    images
        Most golden vectors to run; None runs :data:`DEFAULT_IMAGES`.
    suggest
        Whether to find depths independent of those delivered, too.
    sanitize
        Whether to watch for memory errors and undefined behaviour.
    tools
        Headers, compiler and further compiler options; None searches for them.

    Raises
    ------
    MismatchError
        Naming every blocked process and stream and the depths that would do, if the network deadlocks or
        starves; if beats are left over; if an output or a TLAST is not the golden one; if images take more
        clocks than the schedule says.
    OutputError
        If there is no HLS project, or its top function is not a list of streams and process calls.
    ToolMissingError, ToolFailedError
        If headers or compiler are missing, or the C++ is at fault.
    """
    vectors = _vectors(folder, images)
    with bounded_simulation(folder, sanitize=sanitize, tools=tools) as simulation:
        check_inputs(simulation.hls, simulation.source, load_vectors(folder).inputs)
        report = check_depths(simulation, vectors)
        needed = find_depths(simulation, vectors.n_images) if suggest else None
    return replace(report, needed_depths=needed)


def measure_depths(
    folder: Path, *, images: int | None = None, tools: CsimTools | None = None
) -> dict[str, int]:
    """Return depths by stream that let a network run in the schedule's clocks, found without those delivered.

    They are the most beats that each stream holds if none is bounded and samples arrive evenly at the
    schedule's pace, so that no writer ever waits; :data:`DEFAULT_DEPTH` takes their place wherever that is
    enough. On paths that meet again, the pipeline depth of the longer one comes on top.

    Parameters
    ----------
    folder, images, tools
        As in :func:`run_fifo_check`.

    Raises
    ------
    MismatchError
        If the network does not end although no stream is bounded, or takes longer than the schedule says.
    """
    vectors = _vectors(folder, images)
    with bounded_simulation(folder, tools=tools) as simulation:
        return find_depths(simulation, vectors.n_images)


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    """Align columns: names to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def fifo_text(report: FifoReport) -> str:
    """Describe a check in two tables: streams, with measured depths if there are any, and processes."""
    needed = report.needed_depths
    streams: list[tuple[str, ...]] = [("stream", "depth", "peak", "writer waited", "reader waited")]
    for stream in report.streams:
        numbers = (stream.depth, stream.peak, stream.waited_full, stream.waited_empty)
        streams.append((stream.name, *map(str, numbers)))
    if needed is not None:
        column = ["needed", *(str(needed[stream.name]) for stream in report.streams)]
        streams = [(*row, cell) for row, cell in zip(streams, column, strict=True)]
    processes: list[tuple[str, ...]] = [
        ("process", "clocks an image", "waited for beats", "waited for places")
    ]
    for process in report.processes:
        clocks = f"{process.steps / report.result.images:g}"
        processes.append((process.name, clocks, str(process.waited_empty), str(process.waited_full)))
    summary = (
        f"the first image takes {report.latency_cycles} clocks and the depths of the pipelines, which are "
        f"not modelled; '{report.bottleneck}' has the most steps"
    )
    return "\n".join([*_table(streams), "", *_table(processes), "", summary, ""])
