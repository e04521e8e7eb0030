# SPDX-License-Identifier: Apache-2.0
"""AXI DMA 7.1 in direct register mode.

Source: AMD PG021, "Register Space". A channel runs after DMACR.RS is set and starts when LENGTH is written.
S2MM is idle again only after TLAST; LENGTH then holds the number of bytes that arrived.
"""

from __future__ import annotations

from enum import Enum, IntFlag
from typing import Callable

from .errors import (
    DmaConfigurationError,
    DmaDecodeError,
    DmaInternalError,
    DmaResetError,
    DmaSlaveError,
)
from .platform import Registers

REGISTER_BYTES = 0x60
_DMACR, _DMASR, _ADDRESS, _LENGTH = 0x00, 0x04, 0x18, 0x28
_RUN, _RESET = 1 << 0, 1 << 2
_NOBODY = 0xFFFFFFFF  # what an interconnect answers where nobody listens


class Status(IntFlag):
    """Bits of DMASR."""

    HALTED = 1 << 0
    IDLE = 1 << 1
    SCATTER_GATHER = 1 << 3
    INTERNAL_ERROR = 1 << 4
    SLAVE_ERROR = 1 << 5
    DECODE_ERROR = 1 << 6
    COMPLETED = 1 << 12
    ERROR_INTERRUPT = 1 << 14


_KNOWN = 0x507B  # the bits above; counters of delays and interrupts do not matter here


class Direction(Enum):
    """The two channels; the value is where their registers begin."""

    MM2S = 0x00
    S2MM = 0x30


_ERRORS = (
    (
        Status.INTERNAL_ERROR,
        DmaInternalError,
        "DMAIntErr: {cause}",
    ),
    (
        Status.SLAVE_ERROR,
        DmaSlaveError,
        "DMASlvErr: the memory side answered with SLVERR at or behind {address:#010x}; check that the HP "
        "port is enabled, its clock runs, and that the buffer lies in memory that the port may reach",
    ),
    (
        Status.DECODE_ERROR,
        DmaDecodeError,
        "DMADecErr: nothing answers at {address:#010x}; check the address map of the DMA's master (Vivado: "
        "Address Editor, 'assign_bd_address') and that the buffer is a physical address of DDR",
    ),
)

_INTERNAL_CAUSES = {
    Direction.MM2S: "a LENGTH of 0 or beyond the length register; build the DMA with c_sg_length_width 26",
    Direction.S2MM: "the packet was longer than the {length} bytes of LENGTH; the bitstream's network has "
    "larger outputs than this driver's, or TLAST comes late",
}


class Channel:
    """One direction of the DMA.

    Parameters
    ----------
    registers
        The DMA's registers.
    direction
        Which of the two.
    now
        A clock [s].
    timeout_s
        Longest time for the channel to start to run [s].
    """

    def __init__(
        self, registers: Registers, direction: Direction, now: Callable[[], float], timeout_s: float
    ) -> None:
        self._registers, self.direction, self._now, self._timeout_s = registers, direction, now, timeout_s
        self._address = self._length = 0

    def _read(self, offset: int) -> int:
        return self._registers.read(self.direction.value + offset)

    def _write(self, offset: int, value: int) -> None:
        self._registers.write(self.direction.value + offset, value)

    @property
    def status(self) -> Status:
        """DMASR."""
        return Status(self._read(_DMASR) & _KNOWN)

    def check(self) -> Status:
        """Return DMASR, or raise the DmaError of the first error bit."""
        status = self.status
        for bit, kind, text in _ERRORS:
            if status & bit:
                cause = _INTERNAL_CAUSES[self.direction].format(length=self._length)
                raise kind(f"{self.direction.name} {text.format(address=self._address, cause=cause)}")
        return status

    @property
    def idle(self) -> bool:
        """Whether the last transfer is complete; raises DmaError for error bits."""
        return bool(self.check() & Status.IDLE)

    def run(self) -> None:
        """Set run/stop and wait until the channel is not halted."""
        self._write(_DMACR, self._read(_DMACR) | _RUN)
        deadline = self._now() + self._timeout_s
        while self.check() & Status.HALTED:
            if self._now() > deadline:
                raise DmaResetError(
                    f"{self.direction.name} stays halted although DMACR.RS is set; check the DMA's clock and "
                    "reset"
                )

    def start(self, address: int, length: int) -> None:
        """Start one transfer; writing LENGTH does it."""
        self._address, self._length = address, length
        self._write(_DMASR, int(Status.COMPLETED | Status.ERROR_INTERRUPT))
        self._write(_ADDRESS, address)
        self._write(_LENGTH, length)

    def check_length(self) -> None:
        """Raise DmaConfigurationError if the register has not kept the whole length.

        Only before the first data, because the end of an S2MM transfer overwrites LENGTH.
        """
        kept = self._read(_LENGTH)
        if kept != self._length:
            raise DmaConfigurationError(
                f"{self.direction.name} LENGTH keeps {kept} of {self._length} bytes: its register is too "
                "narrow; build the DMA with c_sg_length_width 26, or ask for smaller batches"
            )

    @property
    def received(self) -> int:
        """Bytes of the S2MM transfer that has completed."""
        return self._read(_LENGTH)


class Dma:
    """Both channels, their common reset, and what must hold for them.

    Parameters
    ----------
    registers
        At least ``REGISTER_BYTES``.
    now
        A clock [s].
    timeout_s
        Longest time for a reset and for a channel to start to run [s].

    Raises
    ------
    DmaConfigurationError
        If there is no AXI DMA in direct register mode at the address.
    """

    def __init__(self, registers: Registers, now: Callable[[], float], timeout_s: float = 0.1) -> None:
        self._registers, self._now, self._timeout_s = registers, now, timeout_s
        self.mm2s = Channel(registers, Direction.MM2S, now, timeout_s)
        self.s2mm = Channel(registers, Direction.S2MM, now, timeout_s)
        for direction in Direction:
            self._check_kind(direction)

    def _check_kind(self, direction: Direction) -> None:
        status = self._registers.read(direction.value + _DMASR)
        if status == _NOBODY:
            raise DmaConfigurationError(
                f"all bits of {direction.name} DMASR are 1: no AXI DMA answers at this address; is the "
                "bitstream loaded? compare the address with the Address Editor"
            )
        if status & Status.SCATTER_GATHER:
            raise DmaConfigurationError(
                f"the AXI DMA's {direction.name} is built with scatter-gather; set c_include_sg to 0"
            )

    def reset(self) -> None:
        """Reset both channels; a reset of either is one of both.

        Raises
        ------
        DmaResetError
            If it does not end.
        """
        self._registers.write(Direction.MM2S.value + _DMACR, _RESET)
        deadline = self._now() + self._timeout_s
        while self._registers.read(Direction.MM2S.value + _DMACR) & _RESET:
            if self._now() > deadline:
                raise DmaResetError(
                    f"the reset of the AXI DMA did not end within {self._timeout_s:g} s; is the bitstream "
                    "loaded, does its clock run, is the base address right?"
                )
        if not self.mm2s.status & Status.HALTED:
            raise DmaConfigurationError(
                "a channel that was just reset must be halted, but DMASR says otherwise: this is no AXI DMA "
                "in direct register mode; check the base address"
            )

    def restart(self) -> None:
        """Reset both channels, whatever they are at, and let them run."""
        self.reset()
        self.s2mm.run()
        self.mm2s.run()
