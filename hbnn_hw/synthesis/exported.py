"""Synthesis of an export folder's own Verilog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hbnn_hw.errors import OutputError
from hbnn_hw.estimate.synthesis import top_module
from hbnn_hw.exported import Exported
from hbnn_hw.synthesis.placement import check_placeable, place_and_route
from hbnn_hw.synthesis.project import ProjectSynthesis, synthesize_project
from hbnn_hw.synthesis.targets import SynthesisTarget


def exported_verilog(exported: Exported) -> str:
    """All Verilog below the folder's ``rtl``, in one text.

    Raises
    ------
    OutputError
        If the folder was exported without RTL.
    """
    files = sorted((exported.folder / "rtl").glob("*.v"))
    if not files:
        raise OutputError(
            f"'{exported.folder}' must hold RTL in 'rtl/*.v'; export the model again with '--backend rtl'"
        )
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def synthesize_export(
    exported: Exported,
    target: SynthesisTarget,
    *,
    place: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> ProjectSynthesis:
    """Synthesize an export folder's RTL, and place and route it if asked.

    Raises
    ------
    OutputError
        If the folder holds no RTL.
    ToolMissingError
        If Yosys, or nextpnr where asked for, is not installed.
    ToolFailedError
        If a tool fails, or the target cannot be placed and routed.
    """
    if place:
        check_placeable(target)
    verilog = exported_verilog(exported)
    top = top_module(verilog)
    result = synthesize_project(verilog, top, target, say=say)
    if not place:
        return result
    say("placing and routing with nextpnr; the first call takes half a minute longer")
    return replace(result, placement=place_and_route(verilog, top))
