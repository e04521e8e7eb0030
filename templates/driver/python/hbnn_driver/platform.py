# SPDX-License-Identifier: Apache-2.0
"""What the driver needs of a machine: registers, memory that a DMA sees, and a clock."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np


class Registers(ABC):
    """One block of 32-bit registers."""

    @abstractmethod
    def read(self, offset: int) -> int:
        """Return the register at a byte offset."""

    @abstractmethod
    def write(self, offset: int, value: int) -> None:
        """Write the register at a byte offset."""


class Buffer(ABC):
    """Physically contiguous memory that both the host and a DMA reach.

    The HP ports of a Zynq-7000 are not coherent with the processor's caches: what the host wrote must be
    flushed before a DMA reads it, and what a DMA wrote must be invalidated before the host reads it.
    """

    @property
    @abstractmethod
    def address(self) -> int:
        """Physical address, a multiple of 128."""

    @property
    @abstractmethod
    def octets(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The host's view, uint8 (size,)."""

    @abstractmethod
    def flush(self) -> None:
        """Write the host's cached lines to memory."""

    @abstractmethod
    def invalidate(self) -> None:
        """Drop the host's cached lines, so that memory is read anew."""


class Platform(ABC):
    """A machine."""

    @abstractmethod
    def registers(self, address: int, size: int) -> Registers:
        """Map ``size`` bytes of registers at a physical address; raise PlatformError if it cannot."""

    @abstractmethod
    def allocate(self, size: int) -> Buffer:
        """Reserve at least ``size`` bytes for a DMA; raise PlatformError if there are none."""

    @abstractmethod
    def now(self) -> float:
        """Return a time that never runs backwards [s]."""
