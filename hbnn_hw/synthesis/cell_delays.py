"""Delays of the 7-series primitives: the specify blocks that Yosys ships in ``xilinx/cells_sim.v``.

Their source is prjxray's database of Artix-7 (-1 speed grade, maximum delays), as the file's comments say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from hbnn_hw.errors import ToolFailedError
from hbnn_hw.extras import require

_PIN = r"(\w+)\s*(?:\[\s*(\d+)\s*\])?"
_TIME = r"=\s*\(?([\d\s+]+)\)?\s*;"
_MODULE = re.compile(r"^module\s+(\w+)\b(.*?)^endmodule", re.MULTILINE | re.DOTALL)
_SPECIFY = re.compile(r"^\s*specify\b(.*?)^\s*endspecify\b", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*|^\s*`[^\n]*", re.MULTILINE | re.DOTALL)
_ARC = re.compile(rf"\(\s*{_PIN}\s*[*=]>\s*{_PIN}\s*\)\s*{_TIME}")
_LAUNCH = re.compile(rf"\(\s*posedge\s+\w+\s*=>\s*\(\s*{_PIN}\s*:[^)]*\)\s*\)\s*{_TIME}")
_SETUP = re.compile(rf"\$setup\(\s*{_PIN}\s*,\s*posedge[^,]*,\s*([\d\s+]+)\)")

Pin = tuple[str, int | None]
"""Port and bit; None for all bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellDelays:
    """Delays of one primitive [ps].

    Attributes
    ----------
    arcs
        Through logic, from input to output pin.
    launches
        From the clock to an output pin.
    setups
        From an input pin to the clock.
    """

    arcs: Mapping[tuple[Pin, Pin], int] = field(default_factory=dict)
    launches: Mapping[Pin, int] = field(default_factory=dict)
    setups: Mapping[Pin, int] = field(default_factory=dict)


def _pin(name: str, bit: str) -> Pin:
    return name, int(bit) if bit else None


def _sum(text: str) -> int:
    return sum(int(part) for part in text.split("+"))


def _largest(found: Iterator[tuple[Pin, int]]) -> dict[Pin, int]:
    """Keep the worst of several conditions."""
    times: dict[Pin, int] = {}
    for pin, time in found:
        times[pin] = max(time, times.get(pin, 0))
    return times


def parse_delays(verilog: str) -> dict[str, CellDelays]:
    """Read the specify blocks of all modules of a text; rising clocks and the worst conditions only."""
    delays = {}
    for name, body in _MODULE.findall(verilog):
        text = _COMMENT.sub("", "".join(_SPECIFY.findall(body)))
        launches = _largest((_pin(p, b), _sum(time)) for p, b, time in _LAUNCH.findall(text))
        setups = _largest((_pin(p, b), _sum(time)) for p, b, time in _SETUP.findall(text))
        arcs = {(_pin(p, b), _pin(q, c)): _sum(time) for p, b, q, c, time in _ARC.findall(text)}
        if arcs or launches or setups:
            delays[name] = CellDelays(arcs=arcs, launches=launches, setups=setups)
    return delays


@cache
def xilinx_delays() -> Mapping[str, CellDelays]:
    """Delays of the 7-series primitives by type; a LUT6_2 has those of a LUT6 and a LUT5.

    Raises
    ------
    ToolMissingError
        If pyosys is not installed.
    ToolFailedError
        If its cell library holds no delays.
    """
    require("pyosys", "synth", "the longest path")
    spec = find_spec("pyosys")
    path = Path(spec.origin or "").parent / "share" / "xilinx" / "cells_sim.v" if spec else Path()
    delays = parse_delays(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if "LUT6" not in delays:
        raise ToolFailedError(f"'{path}' must hold the delays of the Xilinx primitives; install pyosys again")
    return {**delays, "LUT6_2": _two_outputs(delays["LUT6"], delays["LUT5"])}


def _two_outputs(six: CellDelays, five: CellDelays) -> CellDelays:
    outputs = ((six, "O6"), (five, "O5"))
    return CellDelays(
        arcs={(source, (name, None)): time for lut, name in outputs for (source, _), time in lut.arcs.items()}
    )
