# SPDX-License-Identifier: Apache-2.0
"""A board that runs PYNQ: its MMIO and its contiguous buffers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pynq  # type: ignore[import-not-found]

from .platform import Buffer, Platform, Registers


class _PynqRegisters(Registers):
    def __init__(self, address: int, size: int) -> None:
        self._mmio = pynq.MMIO(address, size)

    def read(self, offset: int) -> int:
        return int(self._mmio.read(offset))

    def write(self, offset: int, value: int) -> None:
        self._mmio.write(offset, value)


class _PynqBuffer(Buffer):
    def __init__(self, size: int) -> None:
        self._array = pynq.allocate(shape=(size,), dtype=np.uint8)

    @property
    def address(self) -> int:
        # `physical_address` is the older releases' name.
        return int(getattr(self._array, "device_address", None) or self._array.physical_address)

    @property
    def octets(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return np.asarray(self._array)

    def flush(self) -> None:
        self._array.flush()

    def invalidate(self) -> None:
        self._array.invalidate()


class PynqPlatform(Platform):
    """PYNQ's MMIO and ``allocate``.

    Parameters
    ----------
    bitstream
        A ``.bit`` file to load first, with its ``.hwh`` beside it; None leaves the fabric as it is.
    """

    def __init__(self, bitstream: Path | None = None) -> None:
        self.overlay = None if bitstream is None else pynq.Overlay(str(bitstream))

    def registers(self, address: int, size: int) -> Registers:
        """Map registers through PYNQ's MMIO."""
        return _PynqRegisters(address, size)

    def allocate(self, size: int) -> Buffer:
        """Reserve memory of PYNQ's contiguous allocator."""
        return _PynqBuffer(size)

    def now(self) -> float:
        """Return the machine's monotonic time [s]."""
        return time.monotonic()
