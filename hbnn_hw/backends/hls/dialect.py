"""What differs between Vivado HLS and Vitis HLS, in one place.

All templates are written in the dialect of Vivado HLS, so that the static headers compile as they lie there;
:func:`translate` rewrites the few pragmas that Vitis HLS spells differently. Pragmas are rewritten when a
project is emitted, not by macros: ``_Pragma`` inside macros is a known weak spot of Vivado HLS.
Source: UG902 (2019.2) and UG1399, directives and "Deprecated and Unsupported Tcl Command Options".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from hbnn_hw.errors import TemplateError


class HlsTool(Enum):
    """Which vendor tool a project is written for."""

    VIVADO_HLS = "vivado_hls"
    VITIS_HLS = "vitis_hls"


@dataclass(frozen=True, slots=True)
class TclDialect:
    """What the build script says differently.

    Attributes
    ----------
    title
        Name and versions, for people.
    command
        What starts the script.
    solution_options
        Options of ``open_solution`` beside ``-reset``.
    configuration
        Configuration commands that this tool knows.
    """

    title: str
    command: str
    solution_options: str
    configuration: tuple[str, ...]


TCL: dict[HlsTool, TclDialect] = {
    HlsTool.VIVADO_HLS: TclDialect(
        title="Vivado HLS 2018.3 to 2020.1",
        command="vivado_hls -f scripts/hls.tcl",
        solution_options="",
        configuration=("config_compile -name_max_length 80",),
    ),
    HlsTool.VITIS_HLS: TclDialect(
        title="Vitis HLS 2020.2 and later",
        command="vitis_hls -f scripts/hls.tcl",
        solution_options=" -flow_target vivado",
        # Loops are pipelined where the sources say so and nowhere else, as Vivado HLS does.
        configuration=("config_compile -name_max_length 80", "config_compile -pipeline_loops 0"),
    ),
}
"""The build script's dialect by tool."""

AXIS_HEADER: dict[HlsTool, str] = {
    HlsTool.VIVADO_HLS: "axis_vivado_hls.h",
    HlsTool.VITIS_HLS: "axis_vitis_hls.h",
}
"""The library header that makes TLAST appear on the AXI4-Stream ports, by tool."""

_MEMORY_CORES = {
    "ROM_1P_LUTRAM": "type=rom_1p impl=lutram",
    "ROM_1P_BRAM": "type=rom_1p impl=bram",
    "RAM_S2P_BRAM": "type=ram_s2p impl=bram",
    "RAM_S2P_LUTRAM": "type=ram_s2p impl=lutram",
}

_RESOURCE = re.compile(
    r"#pragma HLS RESOURCE variable=(?P<variable>[\w.]+) core=(?P<core>\w+)$", re.MULTILINE
)


def _bind_storage(pragma: re.Match[str]) -> str:
    core = pragma["core"]
    if core not in _MEMORY_CORES:
        raise TemplateError(f"there is no BIND_STORAGE spelling of the core '{core}'; add it to the dialect")
    return f"#pragma HLS BIND_STORAGE variable={pragma['variable']} {_MEMORY_CORES[core]}"


def translate(text: str, tool: HlsTool) -> str:
    """Rewrite C++ from the templates' dialect (Vivado HLS) to a tool's.

    Raises
    ------
    TemplateError
        If a template asks for a memory core that has no spelling in the other dialect.
    """
    if tool is HlsTool.VIVADO_HLS:
        return text
    text = _RESOURCE.sub(_bind_storage, text)
    text = text.replace("II=1 enable_flush", "II=1 style=flp")
    return text.replace(
        "INTERFACE axis register both port=", "INTERFACE axis register_mode=both register port="
    )
