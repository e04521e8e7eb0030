# SPDX-License-Identifier: Apache-2.0
"""The accelerator's AXI4-Lite control block, as HLS makes it for ``ap_ctrl_hs``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from .errors import AcceleratorBusyError, ControlError
from .platform import Registers

REGISTER_BYTES = 0x1000
_START, _DONE, _IDLE = 1 << 0, 1 << 1, 1 << 2
_NOBODY = 0xFFFFFFFF
_DEFINITION = re.compile(
    r"^#define\s+X\w+?_CONTROL_ADDR_(AP_CTRL|IMAGES_DATA)\s+(0x[0-9a-fA-F]+)\s*$", re.MULTILINE
)


class Offsets(NamedTuple):
    """Where the registers are, and who says so."""

    ap_ctrl: int
    images: int
    source: str


DOCUMENTED_OFFSETS = Offsets(0x00, 0x10, "the documented default (no generated header was found)")
"""UG902 and UG1399: AP_CTRL comes first, the first argument is at 0x10."""


def read_offsets(header: Path) -> Offsets:
    """Take the offsets from the header that HLS generates for its own driver, ``x<top>_hw.h``.

    Raises
    ------
    ControlError
        If the file does not define them.
    """
    try:
        found = dict(_DEFINITION.findall(header.read_text(encoding="utf-8")))
    except OSError as error:
        raise ControlError(f"cannot read '{header}': {error.strerror}") from error
    if set(found) != {"AP_CTRL", "IMAGES_DATA"}:
        raise ControlError(
            f"'{header}' must define X<TOP>_CONTROL_ADDR_AP_CTRL and X<TOP>_CONTROL_ADDR_IMAGES_DATA; is it "
            "the header of this accelerator?"
        )
    return Offsets(int(found["AP_CTRL"], 16), int(found["IMAGES_DATA"], 16), str(header))


def find_header(network: str, package: Path) -> Path | None:
    """Look for ``x<network>_hw.h`` beside the package, in the folders above it, and where HLS writes it."""
    name = f"x{network.lower()}_hw.h"
    for folder in (package, package.parent, package.parent.parent):
        if (folder / name).is_file():
            return folder / name
    project = package.parent.parent.parent
    return next(iter(sorted(project.glob(f"{network}_hls/*/impl/**/{name}"))), None)


class Control:
    """Start, done, idle and the number of images.

    Parameters
    ----------
    registers
        The block's registers.
    offsets
        Where they are.
    """

    def __init__(self, registers: Registers, offsets: Offsets) -> None:
        self._registers, self._offsets = registers, offsets
        self._done = True

    def check_idle(self) -> None:
        """Raise AcceleratorBusyError unless a batch may be started.

        A start while the block works would be remembered and run with the wrong number of images.
        """
        state = self._registers.read(self._offsets.ap_ctrl)
        if state == _NOBODY:
            raise ControlError(
                "all bits of AP_CTRL are 1: no accelerator answers at this address; is the bitstream loaded? "
                "compare the address with the Address Editor"
            )
        if state & _START or not state & _IDLE:
            raise AcceleratorBusyError(
                f"the accelerator is not idle (AP_CTRL {state:#04x}): another program uses it, or an earlier "
                "batch was broken off. An HLS block has no reset register: wait, or load the bitstream again"
            )

    def start(self, images: int) -> None:
        """Tell the number of images and start.

        Raises
        ------
        ControlError
            If the argument's register does not keep the number.
        """
        self._registers.write(self._offsets.images, images)
        kept = self._registers.read(self._offsets.images)
        if kept != images:
            raise ControlError(
                f"'images' at offset {self._offsets.images:#04x} keeps {kept}, not {images}: the offset is "
                f"wrong. It comes from {self._offsets.source}; give the header that HLS generated (--header)"
            )
        self._done = False
        self._registers.write(self._offsets.ap_ctrl, _START)

    @property
    def done(self) -> bool:
        """Whether the batch has ended. The done bit clears when it is read, so it is remembered here."""
        if not self._done:
            state = self._registers.read(self._offsets.ap_ctrl)
            self._done = bool(state & _DONE) or (state & _IDLE != 0 and state & _START == 0)
        return self._done
