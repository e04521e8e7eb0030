"""The top function's ports: interface pragmas, names, AXI4-Stream widths and TLAST.

Source: UG1399, "AXI4-Stream Interfaces"; UG902, "AXI4-Stream Interfaces with Side-Channels".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from clang.cindex import Cursor

from hbnn_hw.backends.hls.dialect import HlsTool
from hbnn_hw.backends.hls.limits import WORD_LIMIT_BITS
from hbnn_hw.backends.hls.names import identifier
from hbnn_hw.verify.hls_lint.ast import Function
from hbnn_hw.verify.hls_lint.finding import Finding, Rule
from hbnn_hw.verify.hls_lint.placement import PlacedPragma
from hbnn_hw.verify.hls_lint.types import beat_type, is_stream, members, spelling, word_bits

_VITIS_BEAT = re.compile(r"(?:struct |class )?(?:hls::axis|ap_axiu|ap_axis)<")


def _interfaces(pragmas: list[PlacedPragma]) -> dict[str, str]:
    """Modes by port."""
    placed = [p.pragma for p in pragmas if p.pragma.directive.name == "INTERFACE"]
    return {pragma.get("port") or "": (pragma.get("mode") or "").lower() for pragma in placed}


def _check_interface(top: Function, port: Cursor, mode: str | None) -> Iterator[Finding]:
    name, expected = port.spelling, "axis" if is_stream(port.type) else "s_axilite"
    if mode is None:
        what = f"the port '{name}' must have an interface, not the tool's default"
        remedy = f"add '#pragma HLS INTERFACE {expected} port={name}'"
        yield top.finding(port, Rule.PORT_INTERFACE, what, remedy)
    elif is_stream(port.type) and mode != "axis":
        what = f"the stream '{name}' must have the interface 'axis', not '{mode}'"
        yield top.finding(port, Rule.PORT_INTERFACE, what, "correct the INTERFACE pragma")


def _check_last(top: Function, port: Cursor, tool: HlsTool) -> Iterator[Finding]:
    beat = beat_type(port.type)
    if tool is HlsTool.VITIS_HLS:
        if not _VITIS_BEAT.match(spelling(beat)):
            what = f"beats of '{port.spelling}' must be ap_axiu or ap_axis to have TLAST, not {beat.spelling}"
            yield top.finding(port, Rule.AXIS_TLAST, what, "use ap_axiu<bits, 0, 0, 0>")
    elif "last" not in members(beat):
        what = f"beats of '{port.spelling}' must have a member 'last' to have TLAST, not be {beat.spelling}"
        yield top.finding(port, Rule.AXIS_TLAST, what, "use a struct with the members 'data' and 'last'")


def _check_width(top: Function, port: Cursor) -> Iterator[Finding]:
    beat = beat_type(port.type)
    data = members(beat).get("data")
    for bits in word_bits(beat if data is None else data.type):
        if bits % 8 or bits > WORD_LIMIT_BITS:
            what = (
                f"TDATA of '{port.spelling}' must be a multiple of 8 bits up to {WORD_LIMIT_BITS}, not {bits}"
            )
            yield top.finding(port, Rule.AXIS_WIDTH, what, "pad the lanes, or choose fewer of them")


def check_ports(top: Function, pragmas: list[PlacedPragma], tool: HlsTool) -> Iterator[Finding]:
    """Check every port of the top function, whose pragmas are given."""
    modes = _interfaces(pragmas)
    for port in top.parameters:
        yield from _check_interface(top, port, modes.get(port.spelling))
        if identifier(port.spelling) != port.spelling:
            what = f"the port name '{port.spelling}' must not be a word of Verilog or VHDL"
            yield top.finding(port, Rule.PORT_NAME, what, f"call it '{identifier(port.spelling)}'")
        if is_stream(port.type):
            yield from _check_last(top, port, tool)
            yield from _check_width(top, port)
    if "return" not in modes:
        what = f"the control port of '{top.name}' must have an interface, not the tool's default"
        yield top.finding(
            top.cursor, Rule.PORT_INTERFACE, what, "add '#pragma HLS INTERFACE s_axilite port=return'"
        )


def check_inner(function: Function, pragmas: list[PlacedPragma]) -> Iterator[Finding]:
    """Check that only the top function has ports."""
    for placed in pragmas:
        if placed.pragma.directive.name == "INTERFACE":
            what = f"INTERFACE must stand in the top function, not in '{function.name}'"
            yield placed.pragma.finding(Rule.PRAGMA_POSITION, what, "remove it")
