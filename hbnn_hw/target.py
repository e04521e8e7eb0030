"""Devices and clock: what a design is built for."""

from __future__ import annotations

from dataclasses import dataclass

from hbnn_hw.errors import HbnnError


@dataclass(frozen=True, slots=True)
class Device:
    """Resources of one FPGA part.

    Attributes
    ----------
    board
        The board it is known by here.
    part
        Vendor's full part name.
    luts, flip_flops, bram36, dsps
        Available resources (six-input LUTs, flip-flops, 36-kbit block RAMs, DSP slices).
    source
        Where the numbers were read.
    """

    board: str
    part: str
    luts: int
    flip_flops: int
    bram36: int
    dsps: int
    source: str


XC7Z045 = Device(
    board="zc706",
    part="xc7z045ffg900-2",
    luts=218_600,
    flip_flops=437_200,
    bram36=545,
    dsps=900,
    source="report_utilization of Vivado 2021.1 for 7z045ffg900-2",
)

DEVICES: dict[str, Device] = {device.board: device for device in (XC7Z045,)}
"""Devices by board name."""


@dataclass(frozen=True, slots=True)
class Target:
    """A device and the clock period a design is meant to run at.

    Attributes
    ----------
    device
        The FPGA.
    clock_ns
        Clock period [ns].
    """

    device: Device = XC7Z045
    clock_ns: float = 5.0

    def __post_init__(self) -> None:
        if not 0.5 <= self.clock_ns <= 1000.0:
            raise HbnnError(f"the clock period must be 0.5 to 1000 ns, not {self.clock_ns}")

    @property
    def board(self) -> str:
        """Name of the device's board."""
        return self.device.board

    @property
    def clock_mhz(self) -> float:
        """Clock frequency [MHz]."""
        return 1000.0 / self.clock_ns
