"""The registers of an accelerator that a host sees through AXI4-Lite."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import Enum

from hbnn_hw import ir_file
from hbnn_hw.graph import Graph

MAP_VERSION = 1
"""Rises when a register changes its place or its meaning."""

IDENTITY = int.from_bytes(b"HBNN", "little")
"""What the first register reads: the letters HBNN in memory order."""


class Access(Enum):
    """What a host may do with a register."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """One register of 32 bits.

    Attributes
    ----------
    name
        Upper case, as in a header file.
    offset
        Byte address.
    access
        Read-only, or write-only (reads 0).
    meaning
        One phrase for the project's page.
    """

    name: str
    offset: int
    access: Access
    meaning: str


ID = Register(name="ID", offset=0x00, access=Access.READ, meaning="`0x4e4e4248`, the letters HBNN")
VERSION = Register(
    name="VERSION", offset=0x04, access=Access.READ, meaning=f"version of this table: {MAP_VERSION}"
)
NETWORK = Register(
    name="NETWORK", offset=0x08, access=Access.READ, meaning="CRC-32 of the network's IR file, `graph.hbnn`"
)
CONTROL = Register(
    name="CONTROL",
    offset=0x0C,
    access=Access.WRITE,
    meaning="bit 0: reset the network and the counters below for one clock; what is in flight is lost",
)
STATUS = Register(
    name="STATUS",
    offset=0x10,
    access=Access.READ,
    meaning="bit 0: idle, every image that began to enter has left; "
    "bit 1: `s_axis_tlast` came within an image since the last reset",
)
IMAGES_IN = Register(
    name="IMAGES_IN", offset=0x14, access=Access.READ, meaning="images taken whole, modulo 2^32"
)
IMAGES_OUT = Register(
    name="IMAGES_OUT", offset=0x18, access=Access.READ, meaning="results given whole, modulo 2^32"
)

REGISTERS = (ID, VERSION, NETWORK, CONTROL, STATUS, IMAGES_IN, IMAGES_OUT)
"""All of them, in the order of their addresses."""

ADDRESS_BITS = 5
"""Width of the byte address of the register map; higher bits of a bus address are not looked at."""


def network_checksum(graph: Graph) -> int:
    """Return the CRC-32 of a graph's file, by which a host recognizes the network."""
    return zlib.crc32(ir_file.to_bytes(graph))
