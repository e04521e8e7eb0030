"""Devices and clock: what a design is built for.

Devices are data files, ``estimate/data/devices/*.json``, one a family; a new part is a line there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from hbnn_hw.errors import HbnnError

FOLDER = "estimate/data/devices"


@dataclass(frozen=True, slots=True)
class Device:
    """Resources of one FPGA part.

    Attributes
    ----------
    board
        The name that it is known by here: of a board, or of the part.
    part
        Vendor's full part name.
    luts, flip_flops, bram36, dsps
        Available resources (LUTs, flip-flops, 36-kbit block RAMs or pairs of 18 kbit, DSP slices).
    source
        Where the numbers were read.
    family
        Vendor's name of the family.
    lut_inputs
        Inputs of a LUT. Estimates count LUTs of six.
    """

    board: str
    part: str
    luts: int
    flip_flops: int
    bram36: int
    dsps: int
    source: str
    family: str = ""
    lut_inputs: int = 6

    @property
    def bram18(self) -> int:
        """Block RAMs of 18 kbit."""
        return 2 * self.bram36

    @property
    def luts_per_lut6(self) -> int:
        """Most LUTs of this device that a LUT of six inputs takes; multiplexers join them for nothing."""
        return 1 << (6 - self.lut_inputs)


def _devices_of(family: Mapping[str, Any]) -> Iterator[Device]:
    """Yield every part of a family under the names of its boards and its own."""
    for part in family["parts"]:
        figures = {key: value for key, value in part.items() if key not in {"name", "boards"}}
        for name in (*part["boards"], part["name"]):
            yield Device(board=name, family=family["family"], lut_inputs=family["lut_inputs"], **figures)


def _load() -> dict[str, Device]:
    paths = sorted((files("hbnn_hw") / FOLDER).iterdir(), key=lambda path: path.name)
    families = [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.name.endswith(".json")]
    return {device.board: device for family in families for device in _devices_of(family)}


DEVICES: Mapping[str, Device] = _load()
"""Devices by name: of every part, and of boards."""

XC7Z045 = DEVICES["zc706"]


def find_device(name: str) -> Device:
    """Return the device of a board, a part or a full part name, in any case.

    Raises
    ------
    HbnnError
        If there is none; lists all names.
    """
    wanted = name.lower()
    for device in DEVICES.values():
        if wanted in {device.board, device.part.lower()}:
            return device
    raise HbnnError(f"the device must be one of {', '.join(sorted(DEVICES))}, not {name!r}")


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
