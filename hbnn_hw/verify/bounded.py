"""Bounded-stream simulation of generated HLS C++: dataflow processes are coroutines, streams are real FIFOs.

What blocks in hardware blocks here, so a depth that is too small shows as a deadlock or as waiting, without
RTL. The rules of time are those of ``templates/hls/csim/bounded/process_network.h``: a step of a pipelined
loop takes one clock and is atomic, a beat can be taken in the clock after it was written, a place be filled
in the clock after it was freed. Pipeline depths are not modelled.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import OutputError, ToolFailedError
from hbnn_hw.streams import StreamEdge
from hbnn_hw.templating import render, static_text
from hbnn_hw.verify.csim import (
    SANITIZERS,
    CsimTools,
    compile_flags,
    compile_unit,
    load_layout,
    require_compiler,
    require_headers,
    run_tool,
)
from hbnn_hw.verify.dataflow_text import SINK_PORT, SOURCE_PORT, DataflowTop, parse_top

LEVEL = "bounded streams"

HEADERS = ("process_network.h", "hls_stream.h", "beat_files.h")
"""Headers of our own below ``templates/hls/csim/bounded``; never part of a delivered project."""

FIRST_CLOCK = 1
"""Clock in which the first input beat can be taken."""

UNBOUNDED = 0
"""Depth of a stream that never blocks its writer."""

_OUTPUT_TAIL = 2000


class Wait(Enum):
    """What a process waits for."""

    NOTHING = ""
    EMPTY = "empty"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamUse:
    """What a stream carried.

    Attributes
    ----------
    name
        Its identifier in the top function.
    depth
        Beats it holds; 0 for no bound.
    peak
        Most beats it held in any clock.
    delivered, taken
        Beats written and read.
    waited_empty
        Clocks its reader waited for a beat.
    waited_full
        Clocks its writer waited for a place.
    """

    name: str
    depth: int
    peak: int
    delivered: int
    taken: int
    waited_empty: int
    waited_full: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUse:
    """What a dataflow process did.

    Attributes
    ----------
    name
        Its function.
    finished
        Whether it returned.
    wait, stream
        What it is blocked by for ever if it did not.
    clock
        Clock after its last step.
    steps
        Clocks in which it worked.
    waited_empty, waited_full
        Clocks it waited for a beat, for a place.
    """

    name: str
    finished: bool
    wait: Wait
    stream: str
    clock: int
    steps: int
    waited_empty: int
    waited_full: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """One run of the simulation.

    Attributes
    ----------
    images
        Samples offered.
    streams, processes
        In the order of the top function.
    outside
        The ports :data:`SOURCE_PORT` and :data:`SINK_PORT`, by name.
    outputs
        int64 (images, elements): complete samples that came out.
    ends
        Clock in which the last beat of each of them was written.
    tlast
        TLAST of every output beat.
    switches
        Changes from process to process.
    """

    images: int
    streams: tuple[StreamUse, ...]
    processes: tuple[ProcessUse, ...]
    outside: Mapping[str, StreamUse]
    outputs: NDArray[np.int64]
    ends: tuple[int, ...]
    tlast: tuple[bool, ...]
    switches: int

    @property
    def blocked(self) -> tuple[ProcessUse, ...]:
        """Processes that never return."""
        return tuple(process for process in self.processes if not process.finished)


@dataclass(frozen=True, slots=True)
class BoundedSimulation:
    """A compiled simulation of one delivered project; depths are arguments of a run, so one build serves all.

    Attributes
    ----------
    hls
        The project.
    top
        Its top function.
    source, sink
        Layout of its ports.
    interval
        The schedule's clocks per sample.
    tool
        Compiler and headers, for people.
    binary
        The program; its folder takes the results.
    timeout_s
        Longest time of a run [s].
    """

    hls: Path
    top: DataflowTop
    source: StreamEdge
    sink: StreamEdge
    interval: int
    tool: str
    binary: Path
    timeout_s: float

    def run(self, images: int, depths: Mapping[str, int] | None = None, *, pace: int = 0) -> Outcome:
        """Simulate.

        Parameters
        ----------
        images
            Samples to offer, the first of the project's own.
        depths
            Depths in place of the delivered ones, by stream; :data:`UNBOUNDED` takes the bound away.
        pace
            Clocks over which a sample arrives, evenly; 0 offers every beat from the start.

        Raises
        ------
        OutputError
            If a depth is given for a stream that does not exist.
        ToolFailedError
            If the simulation stops with a fault of the C++.
        """
        depths = {stream.name: stream.depth for stream in self.top.streams} | dict(depths or {})
        if unknown := depths.keys() - {stream.name for stream in self.top.streams}:
            raise OutputError(f"the accelerator has no stream '{min(unknown)}' that could take a depth")
        folder = self.binary.parent
        arguments = [str((self.hls / "tb" / "input.dat").resolve()), str(folder), str(images), str(pace)]
        arguments += [str(depths[stream.name]) for stream in self.top.streams]
        outcome = run_tool("the bounded simulation", [str(self.binary), *arguments], folder, self.timeout_s)
        if outcome.returncode or outcome.stderr or outcome.stdout:
            said = (outcome.stderr + outcome.stdout)[-_OUTPUT_TAIL:]
            raise ToolFailedError(f"the bounded simulation complained (exit {outcome.returncode}):\n{said}")
        return _read_outcome(folder, self.sink, images)


def _read_outcome(folder: Path, edge: StreamEdge, images: int) -> Outcome:
    document = json.loads((folder / "outcome.json").read_text(encoding="ascii"))
    streams = [StreamUse(**entry) for entry in document["streams"]]
    lines = [line.split() for line in (folder / "found.dat").read_text(encoding="ascii").splitlines()]
    whole = lines[: len(lines) // edge.beats * edge.beats]
    return Outcome(
        images=images,
        streams=tuple(streams[2:]),
        processes=tuple(
            ProcessUse(**entry | {"wait": Wait(entry["wait"])}) for entry in document["processes"]
        ),
        outside={stream.name: stream for stream in streams[:2]},
        outputs=edge.from_beats([int(data, 16) for data, _, _ in whole]),
        ends=tuple(int(clock) for _, _, clock in whole[edge.beats - 1 :: edge.beats]),
        tlast=tuple(last == "1" for _, last, _ in lines),
        switches=document["switches"],
    )


def _write_unit(hls: Path, top: DataflowTop, network: str, edges: dict[str, StreamEdge], build: Path) -> Path:
    for name in HEADERS:
        (build / name).write_text(static_text(f"hls/csim/bounded/{name}"), encoding="utf-8")
    # Always ours: the vendor's own includes the vendor's hls_stream.h.
    (build / "ap_axi_sdata.h").write_text(static_text("hls/csim/ap_axi_sdata.h"), encoding="utf-8")
    unit = build / "simulation.cpp"
    values = {
        "network": network,
        "sources": [path.resolve().as_posix() for path in sorted((hls / "src").rglob("*.cpp"))],
        "source_port": SOURCE_PORT,
        "sink_port": SINK_PORT,
        "streams": top.streams,
        "processes": top.processes,
        **edges,
    }
    unit.write_text(render("hls/csim/bounded/simulation.cpp.j2", values), encoding="utf-8")
    return unit


@contextmanager
def bounded_simulation(
    folder: Path, *, sanitize: bool = False, tools: CsimTools | None = None
) -> Iterator[BoundedSimulation]:
    """Compile the bounded-stream simulation of an export; its files are gone when the context is left.

    Parameters
    ----------
    folder
        An export.
    sanitize
        Whether to watch for memory errors and undefined behaviour.
    tools
        Headers, compiler and further compiler options; None searches for them.

    Raises
    ------
    OutputError
        If there is no HLS project, or its top function is not a list of streams and process calls.
    ToolMissingError, ToolFailedError
        If headers or compiler are missing, or the sources do not compile without warnings.
    """
    tools = tools or CsimTools()
    hls = folder / "hls"
    layout = load_layout(hls)
    headers, compiler = require_headers(tools), require_compiler(tools)
    source = hls / "src" / f"{layout['network']}.cpp"
    top = parse_top(source.read_text(encoding="utf-8"), layout["network"])
    edges = {side: StreamEdge(**layout[side]) for side in ("input", "output")}
    with tempfile.TemporaryDirectory(prefix="hbnn_streams_") as name:
        build = Path(name)
        unit = _write_unit(hls, top, layout["network"], edges, build)
        # Our streams come before the vendor's; a fortified longjmp refuses to change stacks.
        flags = ["-isystem", str(build), *compile_flags(headers.path, build), "-U_FORTIFY_SOURCE"]
        flags += [*(SANITIZERS if sanitize else ()), *tools.extra_flags]
        yield BoundedSimulation(
            hls=hls,
            top=top,
            source=edges["input"],
            sink=edges["output"],
            interval=max(layout["cycles"].values()),
            tool=f"{compiler.version}, headers of {headers.version}",
            binary=compile_unit(unit, compiler, flags, tools.timeout_s),
            timeout_s=tools.timeout_s,
        )
