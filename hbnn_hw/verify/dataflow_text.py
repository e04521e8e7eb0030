"""The top function of a delivered HLS project, read back from its text: streams, depths, process calls.

The simulation of :mod:`hbnn_hw.verify.bounded` runs what this finds, so it holds for the text that the
vendor's tool gets and not for what the export meant to write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from hbnn_hw.errors import OutputError

DEFAULT_DEPTH = 2
"""Depth of a stream without a STREAM pragma. Source: UG902 and UG1399, ``config_dataflow -fifo_depth``."""

SOURCE_PORT, SINK_PORT = "s_axis_in", "m_axis_out"
"""The accelerator's AXI4-Stream ports."""

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_PRAGMA = re.compile(r"^[ \t]*#pragma[ \t]+HLS[ \t]+(?P<directive>\w+)(?P<options>[^\n]*)$", re.MULTILINE)
_OPTION = re.compile(r"(\w+)\s*=\s*(\w+)")
_STREAM = re.compile(r'hls::stream<\s*(?P<word>.+?)\s*>\s*(?P<name>\w+)\s*(?:\(\s*"[^"]*"\s*\))?', re.DOTALL)
_CALL = re.compile(r"(?P<function>[A-Za-z_][\w:]*(?:<.*>)?)\s*\((?P<arguments>[\w\s,]*)\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DeclaredStream:
    """A stream of the top function.

    Attributes
    ----------
    name, word
        Its identifier, and the C++ type of a beat.
    depth
        Beats it holds.
    """

    name: str
    word: str
    depth: int = DEFAULT_DEPTH


@dataclass(frozen=True, slots=True)
class ProcessCall:
    """A dataflow process: one call of the top function.

    Attributes
    ----------
    name
        The function's name without namespaces and template arguments, made unique by a number.
    function
        What is called, as written.
    arguments
        As written.
    """

    name: str
    function: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DataflowTop:
    """The top function: its streams in order of declaration, its processes in order of calls."""

    streams: tuple[DeclaredStream, ...]
    processes: tuple[ProcessCall, ...]

    def peer(self, process: str, stream: str) -> str | None:
        """Name of the process at the other end of a stream; None for what is outside the accelerator."""
        ends = (call.name for call in self.processes if stream in call.arguments and call.name != process)
        return next(ends, None)


def _body(text: str, network: str) -> str:
    """The braces' content of the top function's definition."""
    match = re.search(rf"\bvoid\s+{re.escape(network)}\s*\([^)]*\)\s*{{", text)
    if match is None:
        raise OutputError(f"'{network}.cpp' must define the top function 'void {network}(...)'; export again")
    open_braces = 1
    for at in range(match.end(), len(text)):
        open_braces += {"{": 1, "}": -1}.get(text[at], 0)
        if open_braces == 0:
            return text[match.end() : at]
    raise OutputError(f"'{network}.cpp' ends within its top function; export again")


def _depths(body: str) -> dict[str, int]:
    depths: dict[str, int] = {}
    for pragma in _PRAGMA.finditer(body):
        if pragma["directive"].upper() != "STREAM":
            continue
        options = dict(_OPTION.findall(pragma["options"]))
        name, depth = options.get("variable"), options.get("depth", str(DEFAULT_DEPTH))
        if name is None or not depth.isdecimal() or int(depth) < 1:
            raise OutputError(f"'{pragma[0].strip()}' must name a variable and a depth of at least 1")
        depths[name] = int(depth)
    return depths


def _statements(body: str) -> list[str]:
    return [part.strip() for part in _PRAGMA.sub("", body).split(";") if part.strip()]


def _unique(calls: list[ProcessCall]) -> tuple[ProcessCall, ...]:
    counts: dict[str, int] = {}
    named = []
    for call in calls:
        counts[call.name] = counts.get(call.name, 0) + 1
        count = counts[call.name]
        named.append(call if count == 1 else replace(call, name=f"{call.name}_{count}"))
    return tuple(named)


def _check_ends(top: DataflowTop) -> None:
    ends = {SOURCE_PORT: 1, SINK_PORT: 1} | {stream.name: 2 for stream in top.streams}
    for name, expected in ends.items():
        found = [call.name for call in top.processes for argument in call.arguments if argument == name]
        if len(found) != expected:
            raise OutputError(
                f"stream '{name}' must be passed to {expected} process(es), not to "
                f"{', '.join(found) or 'none'}; a stream joins one writer and one reader"
            )


def parse_top(text: str, network: str) -> DataflowTop:
    """Read the top function of ``<network>.cpp``.

    Raises
    ------
    OutputError
        If it holds something else than stream declarations, pragmas and calls of processes, a stream does not
        have two ends, or a depth is no depth.
    """
    body = _body(_COMMENT.sub("", text), network)
    depths = _depths(body)
    streams, calls = [], []
    for statement in _statements(body):
        if stream := _STREAM.fullmatch(statement):
            name = stream["name"]
            streams.append(DeclaredStream(name, stream["word"], depths.pop(name, DEFAULT_DEPTH)))
        elif call := _CALL.fullmatch(statement):
            name = call["function"].split("<")[0].split("::")[-1]
            arguments = tuple(argument.strip() for argument in call["arguments"].split(","))
            calls.append(ProcessCall(name, call["function"], arguments))
        else:
            raise OutputError(
                f"the top function '{network}' must hold streams and process calls only, not '{statement}'"
            )
    if depths:
        raise OutputError(f"a STREAM pragma names '{next(iter(depths))}', which '{network}' does not declare")
    top = DataflowTop(tuple(streams), _unique(calls))
    _check_ends(top)
    return top
