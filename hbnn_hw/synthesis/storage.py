"""Flip-flops, shift registers and distributed memories of 7-series, as rows of state.

Meaning of the cells: Xilinx UG953 (7-series libraries guide). One clock, rising edges.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.synthesis.flat_netlist import ONE, ZERO, Cell
from hbnn_hw.synthesis.lanes import ALL_LANES, Words, select

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class FlipFlop:
    """``Q = reset_value if reset else (D if enable else Q)``; initially ``initial``."""

    output: int
    data: int
    enable: int
    reset: int
    reset_value: int
    initial: int


@dataclass(frozen=True, slots=True)
class ReadPort:
    """An asynchronous read of a memory: ``output = memory[address][bit]``."""

    output: int
    address: tuple[int, ...]
    bit: int = 0


@dataclass(frozen=True, slots=True)
class LutMemory:
    """A distributed memory, or a shift register.

    Attributes
    ----------
    name
        The cell's.
    initial
        Bits (words, width) at start.
    reads
        Asynchronous read ports.
    address
        Nets of the write address; None for a shift register, which writes word 0 and moves the others up.
    data, enable
        Nets of the written word and of the enable.
    """

    name: str
    initial: NDArray[np.uint8] = field(repr=False)
    reads: tuple[ReadPort, ...]
    address: tuple[int, ...] | None
    data: tuple[int, ...]
    enable: int


def flip_flop(cell: Cell) -> FlipFlop:
    """Read a flip-flop; asynchronous inputs must be tied to 0 (see ``simulation``)."""
    resets = {"FDRE": "R", "FDSE": "S"}
    return FlipFlop(
        output=cell.pin("Q"),
        data=cell.pin("D"),
        enable=cell.pin("CE", ONE),
        reset=cell.pin(resets[cell.kind]) if cell.kind in resets else ZERO,
        reset_value=int(cell.kind == "FDSE"),
        initial=cell.bits("INIT", 1)[0],
    )


def _words(cell: Cell, parameters: Sequence[str], depth: int, width: int) -> NDArray[np.uint8]:
    """Initial content (depth, width · parameters); each parameter holds ``width`` bits of every word."""
    parts = [np.reshape(cell.bits(name, depth * width), (depth, width)) for name in parameters]
    return np.concatenate(parts, axis=1).astype(np.uint8)


def _shift_register(cell: Cell) -> LutMemory:
    depth = 16 if cell.kind == "SRL16E" else 32
    address = cell.pins["A"] if "A" in cell.pins else tuple(cell.pin(f"A{at}") for at in range(4))
    reads = [ReadPort(cell.pin("Q"), address)] if "Q" in cell.pins else []
    if "Q31" in cell.pins:
        reads.append(ReadPort(cell.pin("Q31"), (ONE,) * 5))
    words = _words(cell, ["INIT"], depth, 1)
    return LutMemory(cell.name, words, tuple(reads), None, (cell.pin("D"),), cell.pin("CE", ONE))


def _four_ports(cell: Cell) -> LutMemory:
    """RAM32M (four ports of two bits) and RAM64M (four of one): all are written at ADDRD."""
    depth, width = (32, 2) if cell.kind == "RAM32M" else (64, 1)
    reads: list[ReadPort] = []
    data: list[int] = []
    for place, port in enumerate("ABCD"):
        outputs = cell.pins.get(f"DO{port}", ())
        address = cell.pins.get(f"ADDR{port}", cell.pins["ADDRD"])
        reads += [ReadPort(net, address, place * width + bit) for bit, net in enumerate(outputs)]
        data += cell.pins.get(f"DI{port}", (ZERO,) * width)
    words = _words(cell, [f"INIT_{port}" for port in "ABCD"], depth, width)
    return LutMemory(cell.name, words, tuple(reads), cell.pins["ADDRD"], tuple(data), cell.pin("WE"))


def _address(cell: Cell, vector: str, scalar: str, bits: int) -> tuple[int, ...]:
    return (
        cell.pins[vector] if vector in cell.pins else tuple(cell.pin(f"{scalar}{at}") for at in range(bits))
    )


def _one_bit(cell: Cell) -> LutMemory:
    """RAM<depth>X1S and RAM<depth>X1D: one bit, written and read at A, read at DPRA too."""
    depth = int(cell.kind[3 : cell.kind.index("X")])
    bits = depth.bit_length() - 1
    address = _address(cell, "A", "A", bits)
    reads = [ReadPort(cell.pin(port), address) for port in ("O", "SPO") if port in cell.pins]
    if "DPO" in cell.pins:
        reads.append(ReadPort(cell.pin("DPO"), _address(cell, "DPRA", "DPRA", bits)))
    words = _words(cell, ["INIT"], depth, 1)
    return LutMemory(cell.name, words, tuple(reads), address, (cell.pin("D"),), cell.pin("WE"))


MEMORIES = {
    "SRL16E": _shift_register,
    "SRLC32E": _shift_register,
    "RAM32M": _four_ports,
    "RAM64M": _four_ports,
    **{f"RAM{depth}X1{ports}": _one_bit for depth in (32, 64, 128, 256) for ports in "SD"},
}

FLIP_FLOPS = ("FDRE", "FDSE", "FDCE", "FDPE")


class FlipFlops:
    """All flip-flops of a design, clocked together.

    Parameters
    ----------
    cells
        Flip-flops; their outputs are the rows of state.
    """

    def __init__(self, cells: Sequence[FlipFlop]) -> None:
        def rows(values: Iterator[int]) -> Rows:
            return np.fromiter(values, np.intp, len(cells))

        self._output = rows(cell.output for cell in cells)
        self._data = rows(cell.data for cell in cells)
        self._enable = rows(cell.enable for cell in cells)
        self._reset = rows(cell.reset for cell in cells)
        self._reset_value = rows(cell.reset_value for cell in cells)
        self._initial = rows(cell.initial for cell in cells)

    def start(self, values: Words) -> None:
        """Set initial values."""
        values[self._output] = values[self._initial]

    def next(self, values: Words) -> Words:
        """Return what the outputs become at the clock edge, (cells, words)."""
        old, reset = values[self._output], values[self._reset]
        new = old ^ ((old ^ values[self._data]) & values[self._enable])
        result: Words = new ^ ((new ^ values[self._reset_value]) & reset)
        return result

    def update(self, values: Words, new: Words) -> None:
        """Store what :meth:`next` returned."""
        values[self._output] = new


class MemoryState:
    """One memory's words in all lanes."""

    def __init__(self, memory: LutMemory, n_words: int) -> None:
        self.memory = memory
        filled = np.where(memory.initial != 0, ALL_LANES, np.uint64(0))[:, :, np.newaxis]
        self.content: Words = np.repeat(filled, n_words, axis=2)

    def read(self, port: ReadPort, values: Words) -> Words:
        """Return the addressed bit in every lane, (words,)."""
        inputs = values[list(port.address)][:, np.newaxis]
        found: Words = select(self.content[np.newaxis, :, port.bit], inputs)[0]
        return found

    def next(self, values: Words) -> Words:
        """Return the content behind the clock edge."""
        old, enable = self.content, values[self.memory.enable]
        new, written = values[list(self.memory.data)], np.broadcast_to(enable, old.shape[::2])
        if self.memory.address is None:
            new = np.concatenate([new[np.newaxis], old[:-1]])
        else:
            written = self._decoded(values) & enable
        content: Words = old ^ ((old ^ new) & written[:, np.newaxis])
        return content

    def _decoded(self, values: Words) -> Words:
        """One-hot write address, (depth, words)."""
        hot = np.full((1, values.shape[1]), ALL_LANES)
        for net in reversed(self.memory.address or ()):
            bit = values[net]
            halves: Words = np.stack([hot & ~bit, hot & bit], axis=1)
            hot = halves.reshape(-1, values.shape[1])
        return hot
