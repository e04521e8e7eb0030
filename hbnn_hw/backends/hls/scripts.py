"""The vendor tools' scripts of an HLS project: from C simulation to the ZC706's bitstream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hbnn_hw.backends.hls.dialect import HlsTool
from hbnn_hw.templating import render, static_text

SCRIPTS = (
    "hls.tcl",
    "run_hls.sh",
    "package_ip.tcl",
    "ooc_synth.tcl",
    "zc706_bd.tcl",
    "bitstream.tcl",
)
"""Scripts that a user starts; all but the shell script source ``common.tcl``."""

DMA_ADDRESS = 0x4040_0000
"""Where the processor sees the AXI DMA's registers, in the window of M_AXI_GP0 (0x40000000 to 0x7FFFFFFF)."""

ACCELERATOR_ADDRESS = 0x43C0_0000
"""Where the processor sees the accelerator's control registers, in the same window."""

IP_IDENTITY = {"vendor": "hbnn", "library": "hls", "version": "1.0"}
"""Who the packaged accelerator is; its name is the top function's."""

MAX_DMA_BITS = 1024
"""Widest stream of AXI DMA 7.1; all are powers of two from 8 on. Source: PG021."""

HP_PORT_BITS = 64
"""Width of a high-performance port of the Zynq-7000's processing system. Source: UG585."""


@dataclass(frozen=True, slots=True)
class DmaStream:
    """How the AXI DMA meets one edge of the accelerator.

    Attributes
    ----------
    edge_bits
        Width of the accelerator's TDATA, a multiple of 8 [bit].
    """

    edge_bits: int

    @property
    def dma_bits(self) -> int:
        """Width of the DMA's stream: the widest power of two that divides the edge's.

        Then every beat of the accelerator is a whole number of the DMA's, and no beat has bytes to leave out:
        the converter in between never needs TKEEP, whatever the length of a sample.
        """
        return min(self.edge_bits & -self.edge_bits, MAX_DMA_BITS)

    @property
    def memory_bits(self) -> int:
        """Width of the DMA's memory side: the port's, or the stream's, which must not be wider."""
        return max(HP_PORT_BITS, self.dma_bits)

    @property
    def converted(self) -> bool:
        """Whether an AXI4-Stream width converter stands in between."""
        return self.dma_bits != self.edge_bits


def script_files(values: Mapping[str, Any]) -> dict[str, str]:
    """Write the scripts of a project.

    Parameters
    ----------
    values
        What the project's templates use: ``network``, ``part``, ``clock_ns``, ``clock_mhz``, ``tool``,
        ``tcl``, and ``input`` and ``output`` with their ``data_bits``.

    Returns
    -------
    dict
        Text by path, all below ``scripts/``.

    Raises
    ------
    TemplateError
        If a value is missing.
    """
    tool = HlsTool(values["tool"])
    known = {
        **values,
        "other_tool": next(other.value for other in HlsTool if other is not tool),
        "ip": IP_IDENTITY,
        "addresses": {"dma": f"0x{DMA_ADDRESS:08X}", "accelerator": f"0x{ACCELERATOR_ADDRESS:08X}"},
        "dma": {side: DmaStream(values[side]["data_bits"]) for side in ("input", "output")},
    }
    files = {f"scripts/{name}": render(f"vivado/{name}.j2", known) for name in SCRIPTS}
    return files | {"scripts/common.tcl": static_text("vivado/common.tcl")}
