# SPDX-License-Identifier: Apache-2.0
"""Plain Linux: registers through UIO or /dev/mem, memory through the u-dma-buf module."""

from __future__ import annotations

import mmap
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from .errors import PlatformError
from .platform import Buffer, Platform, Registers

_ALIGNMENT = 128  # the widest memory side of an AXI DMA; also whole cache lines


def _map(path: Path, size: int, offset: int, flags: int = 0) -> mmap.mmap:
    try:
        descriptor = os.open(path, os.O_RDWR | flags)
    except OSError as error:
        raise PlatformError(
            f"cannot open '{path}': {error.strerror}; run as root or set its rights"
        ) from error
    try:
        return mmap.mmap(descriptor, size, offset=offset)
    except (OSError, ValueError) as error:
        raise PlatformError(f"cannot map {size} bytes of '{path}' at {offset:#x}: {error}") from error
    finally:
        os.close(descriptor)


class _MappedRegisters(Registers):
    def __init__(self, memory: mmap.mmap, offset: int, size: int) -> None:
        # An array of words, because slices of a mapping may be read byte by byte, which AXI4-Lite refuses.
        self._words = np.frombuffer(memory, dtype="<u4", count=size // 4, offset=offset)

    def read(self, offset: int) -> int:
        return int(self._words[offset // 4])

    def write(self, offset: int, value: int) -> None:
        self._words[offset // 4] = value


class _DmaBuffer(Buffer):
    """A part of a u-dma-buf device, cached, synchronized through its files in sysfs."""

    def __init__(self, device: UDmaBuf, offset: int, size: int) -> None:
        self._device, self._offset, self._size = device, offset, size

    @property
    def address(self) -> int:
        return self._device.address + self._offset

    @property
    def octets(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return self._device.octets[self._offset : self._offset + self._size]

    def flush(self) -> None:
        self._device.synchronize("sync_for_device", self._offset, self._size)

    def invalidate(self) -> None:
        self._device.synchronize("sync_for_cpu", self._offset, self._size)


class UDmaBuf:
    """One device of the u-dma-buf module, handed out from its begin."""

    def __init__(self, name: str, root: Path = Path("/")) -> None:
        classes = (root / "sys/class" / kind / name for kind in ("u-dma-buf", "udmabuf"))
        found = next((path for path in classes if path.is_dir()), None)
        if found is None:
            raise PlatformError(
                f"there is no memory for the DMA: '{name}' is no u-dma-buf device; load the module, for "
                "example 'insmod u-dma-buf.ko udmabuf0=16777216'"
            )
        self._sysfs = found
        self.address = int((found / "phys_addr").read_text(), 0)
        self._size = int((found / "size").read_text(), 0)
        self._used = 0
        memory = _map(root / "dev" / name, self._size, 0)
        self.octets: np.ndarray[Any, np.dtype[np.uint8]] = np.frombuffer(memory, dtype=np.uint8)

    def take(self, size: int) -> Buffer:
        """Hand out the next ``size`` bytes."""
        begin = -(-self._used // _ALIGNMENT) * _ALIGNMENT
        if begin + size > self._size:
            raise PlatformError(
                f"'{self._sysfs.name}' has {self._size} bytes, {begin} of them are in use, and {size} more "
                "are needed; load the module with a larger size or ask for a smaller batch"
            )
        self._used = begin + size
        return _DmaBuffer(self, begin, size)

    def synchronize(self, direction: str, offset: int, size: int) -> None:
        """Pass a range to the device (``sync_for_device``) or to the host (``sync_for_cpu``)."""
        for name, value in (
            ("sync_offset", offset),
            ("sync_size", size),
            ("sync_direction", 0),
            (direction, 1),
        ):
            (self._sysfs / name).write_text(str(value))


class LinuxPlatform(Platform):
    """Registers through UIO where a device covers the address, else through /dev/mem.

    Parameters
    ----------
    memory
        Name of the u-dma-buf device.
    root
        Where the machine's files are.
    """

    def __init__(self, memory: str = "udmabuf0", root: Path = Path("/")) -> None:
        self._root = root
        self._memory = UDmaBuf(memory, root)

    def _uio(self, address: int) -> Path | None:
        for device in sorted((self._root / "sys/class/uio").glob("uio*")):
            start = device / "maps/map0/addr"
            if start.is_file() and int(start.read_text(), 0) == address:
                return self._root / "dev" / device.name
        return None

    def registers(self, address: int, size: int) -> Registers:
        """Map registers; whole pages, because nothing smaller can be mapped."""
        page = mmap.PAGESIZE
        device = self._uio(address)
        if device is not None:
            return _MappedRegisters(_map(device, page, 0, os.O_SYNC), 0, size)
        begin = address // page * page
        mapped = _map(self._root / "dev/mem", page, begin, os.O_SYNC)
        return _MappedRegisters(mapped, address - begin, size)

    def allocate(self, size: int) -> Buffer:
        """Reserve a part of the u-dma-buf device; it is never given back."""
        return self._memory.take(size)

    def now(self) -> float:
        """Return the machine's monotonic time [s]."""
        return time.monotonic()
