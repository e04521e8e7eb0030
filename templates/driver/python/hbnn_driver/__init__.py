# SPDX-License-Identifier: Apache-2.0
"""Driver of one accelerator: ``connect().classify(images)``. Needs numpy, and PYNQ or u-dma-buf."""

from __future__ import annotations

from pathlib import Path

from . import errors
from .accelerator import Accelerator, Inference
from .control import DOCUMENTED_OFFSETS, find_header, read_offsets
from .network import PACKAGE, Addresses, load_network, load_vectors, read_addresses
from .platform import Buffer, Platform, Registers

__all__ = [
    "Accelerator",
    "Addresses",
    "Buffer",
    "Inference",
    "Platform",
    "Registers",
    "connect",
    "errors",
    "load_network",
    "load_vectors",
]


def find_platform(bitstream: Path | None = None) -> Platform:
    """Take PYNQ where it is installed, else plain Linux.

    Raises
    ------
    PlatformError
        If neither reaches the hardware, or a bitstream is given that only PYNQ can load.
    """
    try:
        from .pynq_platform import PynqPlatform
    except ImportError:
        from .linux_platform import LinuxPlatform

        if bitstream is not None:
            raise errors.PlatformError(
                f"'{bitstream}' can only be loaded by PYNQ; load it with the FPGA manager and leave it away "
                "here"
            ) from None
        return LinuxPlatform()
    return PynqPlatform(bitstream)


def connect(
    platform: Platform | None = None,
    *,
    bitstream: Path | None = None,
    handoff: Path | None = None,
    header: Path | None = None,
    addresses: Addresses | None = None,
    folder: Path = PACKAGE,
    batch: int = 64,
    timeout_s: float | None = None,
) -> Accelerator:
    """Open the accelerator.

    Parameters
    ----------
    platform
        The machine; None finds out.
    bitstream
        Bitstream to load first (PYNQ only); a ``.hwh`` of the same name tells the addresses.
    handoff
        A ``.hwh`` file with the addresses.
    header
        The generated ``x<top>_hw.h`` with the control registers' offsets; None searches for it.
    addresses
        The addresses themselves; the delivered defaults are those of ``network.json``.
    folder
        Where ``network.json`` and the vectors are.
    batch
        Most images per start of the accelerator.
    timeout_s
        Longest time without an image [s].
    """
    network = load_network(folder)
    if handoff is None and bitstream is not None and bitstream.with_suffix(".hwh").is_file():
        handoff = bitstream.with_suffix(".hwh")
    if addresses is None and handoff is not None:
        addresses = read_addresses(handoff, network.name)
    if addresses is None:
        addresses = Addresses(
            network.dma_address, network.control_address, "the delivered default (no .hwh was given)"
        )
    header = header or find_header(network.name, folder)
    offsets = DOCUMENTED_OFFSETS if header is None else read_offsets(header)
    return Accelerator(
        platform or find_platform(bitstream), network, addresses, offsets, batch=batch, timeout_s=timeout_s
    )
