"""The one way from Verilog to an area, for all designs and all peers of the area benchmarks.

``synth_xilinx -family xc7 -flatten -noiopad`` (Yosys 0.70 knows one mapper, abc9: a flag for it changes
nothing), then the mapped netlist is simulated and compared with the design's meaning, then it is counted: LUT
primitives as Yosys counts them, and LUT6 sites when pairs of LUTs share a site through O5 and O6. A netlist
that is wrong is never counted. ``levels`` are the LUTs, carry chains and multiplexers on the slowest path
(``ps``, logic delays only), ``depth`` the most on any path.

Run by itself, it measures one small design as an example.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from hbnn_hw.estimate.netlist import CellCounts, count_module
from hbnn_hw.estimate.synthesis import map_verilog
from hbnn_hw.synthesis import (
    Bits,
    FlatNetlist,
    Function,
    LongestPath,
    StreamPorts,
    Values,
    check_function,
    check_stream,
    flat_netlist,
    longest_path,
    packed_sites,
    to_bits,
)

TIMEOUT_S = 3600.0

NAME_WIDTH, WIDTH = 34, 8

Check = Callable[[FlatNetlist], int]
"""Simulates a netlist, raises MismatchError where it is wrong, returns the output bits compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Something to measure.

    Attributes
    ----------
    name
        What it is called in the table.
    verilog, top
        All its modules in one text, and the name of the top one.
    check
        Its meaning; see :func:`computes` and :func:`streams`.
    """

    name: str
    verilog: str
    top: str
    check: Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A design that computes what it must, and what it takes.

    Attributes
    ----------
    name
        The design's.
    counts
        Cells.
    packed_sites
        LUT6 sites as a slice can hold them: carry chains take their own; see :func:`packed_sites`.
    path
        Longest path: logic only, nothing is placed or routed.
    bits_checked
        Output bits that were compared with the design's meaning.
    cpu_seconds
        CPU time of the synthesis [s].
    """

    name: str
    counts: CellCounts
    packed_sites: int
    path: LongestPath
    bits_checked: int
    cpu_seconds: float

    @property
    def luts(self) -> int:
        """LUT primitives, distributed memory included."""
        return self.counts.luts

    @property
    def sites(self) -> int:
        """LUT6 sites after pairing, distributed memory included."""
        return self.counts.sites

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "luts": self.luts,
            "sites": self.sites,
            "packed_sites": self.packed_sites,
            "flip_flops": self.counts.flip_flops,
            "carry4": self.counts.carry4,
            "muxf": self.counts.muxf,
            "inverters": self.counts.inverters,
            "bram36": self.counts.bram36_equivalent,
            "levels": self.path.levels,
            "depth": self.path.depth,
            "delay_ps": self.path.delay_ps,
        }


def computes(
    function: Function, *, latency: int = 0, held: Mapping[str, int] | None = None, vectors: int = 4096
) -> Check:
    """Check a combinational or pipelined design against a function; see :func:`check_function`."""
    return partial(check_function, function=function, latency=latency, held=held, vectors=vectors)


def streams(sent: Bits, expected: Bits, *, ports: StreamPorts | None = None, stalls: float = 0.3) -> Check:
    """Check a unit with stream ports under random stalls; see :func:`check_stream`."""
    names = ports or StreamPorts()
    return partial(check_stream, sent=sent, expected=expected, ports=names, stalls=stalls)


def measure(design: Design) -> Measured:
    """Map a design, simulate the netlist, and count it.

    Raises
    ------
    MismatchError
        If the netlist does not compute what the design must.
    ToolFailedError
        If Yosys refuses the design or the netlist cannot be simulated.
    """
    print(f"  synthesizing {design.name}", file=sys.stderr, flush=True)
    mapped = map_verilog(design.verilog, design.top, timeout_s=TIMEOUT_S)
    netlist = flat_netlist(mapped.modules, design.top)
    checked = design.check(netlist)
    return Measured(
        name=design.name,
        counts=count_module(mapped.modules, design.top),
        packed_sites=packed_sites(netlist),
        path=longest_path(netlist),
        bits_checked=checked,
        cpu_seconds=mapped.cpu_seconds,
    )


def measure_all(designs: Iterable[Design]) -> dict[str, Measured]:
    """Measure designs one behind the other, by name."""
    return {design.name: measure(design) for design in designs}


def table(measured: Iterable[Measured]) -> str:
    """Print what was measured, a design a line."""
    header = (
        "LUT",
        "sites",
        "packed",
        "FF",
        "CARRY4",
        "MUXF",
        "INV",
        "BRAM36",
        "levels",
        "depth",
        "ps",
        "checked",
    )
    lines = [f"{'design':{NAME_WIDTH}}" + "".join(f"{title:>{WIDTH}}" for title in header)]
    for row in measured:
        cells = (*row.document().values(), row.bits_checked)
        lines.append(f"{row.name:{NAME_WIDTH}}" + "".join(f"{cell:>{WIDTH}}" for cell in cells))
    return "\n".join(lines)


EXAMPLE = """\
module popcount(input [15:0] i, output reg [4:0] o);
  integer k;
  always @* begin o = 0; for (k = 0; k < 16; k = k + 1) o = o + i[k]; end
endmodule
"""


def _count(inputs: Values) -> Values:
    return {"o": to_bits(inputs["i"].sum(axis=1, dtype=np.int64), 5)}


def main() -> None:
    """Measure the example."""
    found = measure(Design(name="popcount of 16", verilog=EXAMPLE, top="popcount", check=computes(_count)))
    print(table([found]))
    print(json.dumps({"popcount_16": found.document()}))


if __name__ == "__main__":
    main()
