"""RAMB18E1 and RAMB36E1 without output registers, as Xilinx UG473 describes them.

A port of width 9, 18, 36 or 72 has 8, 16, 32 or 64 data bits and a parity bit for each byte; data and parity
lie in memories of their own, both addressed by the word number. In simple dual-port mode side A reads and
side B writes, and the widest words take both sides' pins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import ToolFailedError
from hbnn_hw.synthesis.flat_netlist import ZERO, Cell
from hbnn_hw.synthesis.lanes import WORD_LANES, Bits, Words, pack, to_integers, unpack


@dataclass(frozen=True, slots=True)
class _Kind:
    """Address bits for words of one bit; data pins of one side."""

    address_bits: int
    side_bits: int


BLOCK_RAMS: Mapping[str, _Kind] = {"RAMB18E1": _Kind(14, 16), "RAMB36E1": _Kind(15, 32)}


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPort:
    """What one side reads and writes at its address.

    Attributes
    ----------
    address
        Nets, counting bits of data.
    enable, reset
        Nets; the reset clears the output.
    read, write
        Nets of the words' data bits, then of their parity bits; empty if unused.
    write_enable
        Nets, one for each byte of the written word.
    mode
        "READ_FIRST", "WRITE_FIRST" or "NO_CHANGE": what is read while the same side writes.
    """

    address: tuple[int, ...]
    enable: int
    reset: int
    read: tuple[int, ...]
    write: tuple[int, ...]
    write_enable: tuple[int, ...]
    mode: str


def _data_bits(word: tuple[int, ...]) -> int:
    """Data bits of a word with its parity bits."""
    return len(word) if len(word) < 9 else len(word) // 9 * 8


def _pins(cell: Cell, names: tuple[str, ...], bits: int, side_bits: int) -> tuple[int, ...]:
    """``bits`` pins of a word, the second side's behind the first one's where it is wider than a side."""
    first = (cell.pins.get(names[0], ()) + (ZERO,) * side_bits)[:side_bits]
    second = (cell.pins.get(names[1], ()) + (ZERO,) * side_bits)[:side_bits]
    return (first + second)[:bits]


def _word(cell: Cell, data: tuple[str, ...], parity: tuple[str, ...], width: int) -> tuple[int, ...]:
    side = BLOCK_RAMS[cell.kind].side_bits
    n_parity = width // 9
    return _pins(cell, data, width - n_parity, side) + _pins(cell, parity, n_parity, side // 8)


def _sides(cell: Cell) -> tuple[BlockPort, BlockPort]:
    """Ports of both sides."""
    outputs, inputs = ("DOADO", "DOBDO"), ("DIADI", "DIBDI")
    parities_out, parities_in = ("DOPADOP", "DOPBDOP"), ("DIPADIP", "DIPBDIP")
    simple = cell.parameters.get("RAM_MODE", "TDP").strip() == "SDP"
    widths = {name: cell.number(name) for name in (f"{k}_WIDTH_{s}" for k in ("READ", "WRITE") for s in "AB")}
    address_bits = BLOCK_RAMS[cell.kind].address_bits
    ports = []
    for side, (a, e, r, w) in {
        "A": ("ADDRARDADDR", "ENARDEN", "RSTRAMARSTRAM", "WEA"),
        "B": ("ADDRBWRADDR", "ENBWREN", "RSTRAMB", "WEBWE"),
    }.items():
        turn = -1 if side == "B" else 1  # side B's own pins come first, except for the words of both sides
        read_turn, write_turn = turn, 1 if simple else turn
        ports.append(
            BlockPort(
                address=cell.pins.get(a, (ZERO,) * address_bits)[:address_bits],
                enable=cell.pin(e),
                reset=cell.pin(r),
                read=_word(
                    cell, outputs[::read_turn], parities_out[::read_turn], widths[f"READ_WIDTH_{side}"]
                ),
                write=_word(
                    cell, inputs[::write_turn], parities_in[::write_turn], widths[f"WRITE_WIDTH_{side}"]
                ),
                write_enable=cell.pins.get(w, (ZERO,)),
                mode=cell.parameters.get(f"WRITE_MODE_{side}", "WRITE_FIRST").strip(),
            )
        )
    return ports[0], ports[1]


def _content(cell: Cell, prefix: str, bits: int) -> Bits:
    """Initial bits of data (``INIT_``) or parity (``INITP_``) memory, 256 a parameter."""
    lines = [cell.bits(f"{prefix}{at:02X}", 256) for at in range(bits // 256)]
    return np.array(lines, np.uint8).reshape(1, -1)


class BlockRam:
    """One block RAM's content in all lanes.

    Parameters
    ----------
    cell
        RAMB18E1 or RAMB36E1.
    n_words
        Words of lanes.

    Raises
    ------
    ToolFailedError
        If it has output registers, or a start or reset value other than 0.
    """

    def __init__(self, cell: Cell, n_words: int) -> None:
        for name in ("DOA_REG", "DOB_REG", "INIT_A", "INIT_B", "SRVAL_A", "SRVAL_B"):
            if cell.number(name):
                raise ToolFailedError(
                    f"{name} of the block RAM '{cell.name}' must be 0, not {cell.number(name)}"
                )
        self.ports = _sides(cell)
        size = 1 << BLOCK_RAMS[cell.kind].address_bits
        self._lanes = n_words * WORD_LANES
        self._data, self._parity = _content(cell, "INIT_", size), _content(cell, "INITP_", size // 8)
        if any(net != ZERO for port in self.ports if port.write for net in port.write_enable):
            self._data = np.repeat(self._data, self._lanes, axis=0)
            self._parity = np.repeat(self._parity, self._lanes, axis=0)

    def next(self, values: Words) -> list[tuple[tuple[int, ...], Words]]:
        """Let a clock edge pass: write, and return what was read as pairs of nets and their words."""
        before = [self._read(port, values, port.read) for port in self.ports]
        for port in self.ports:
            self._write(port, values)
        return [
            (port.read, pack(self._output(port, values, old)))
            for port, old in zip(self.ports, before, strict=True)
            if port.read
        ]

    def _bit(self, net: int, values: Words) -> NDArray[np.bool_]:
        """One net in every lane, (lanes, 1)."""
        bits: NDArray[np.bool_] = unpack(values[[net]], self._lanes) != 0
        return bits

    def _places(self, port: BlockPort, values: Words, n_data: int) -> NDArray[np.int64]:
        """Number of the addressed word in every lane, (lanes, 1)."""
        address = to_integers(unpack(values[list(port.address)], self._lanes))
        places: NDArray[np.int64] = (address // max(n_data, 1))[:, np.newaxis]
        return places

    def _read(self, port: BlockPort, values: Words, word: tuple[int, ...]) -> Bits:
        """Return the addressed word's bits (lanes, data + parity)."""
        n_data = _data_bits(word)
        n_parity, place = len(word) - n_data, self._places(port, values, n_data)
        lane = np.arange(self._lanes)[:, np.newaxis] if len(self._data) > 1 else 0
        return np.concatenate(
            [
                self._data[lane, place * n_data + np.arange(n_data)],
                self._parity[lane, place * n_parity + np.arange(n_parity)],
            ],
            axis=1,
        )

    def _written(self, port: BlockPort, values: Words) -> NDArray[np.bool_]:
        """Tell which bits of the word are written, (lanes, data + parity)."""
        n_data = _data_bits(port.write)
        byte = np.concatenate([np.arange(n_data) // 8, np.arange(len(port.write) - n_data)])
        enables = np.array(port.write_enable + (ZERO,) * 8)[byte]
        chosen: NDArray[np.bool_] = unpack(values[enables], self._lanes) != 0
        return chosen & self._bit(port.enable, values)

    def _write(self, port: BlockPort, values: Words) -> None:
        if not port.write or len(self._data) == 1:
            return
        n_data, written = _data_bits(port.write), self._written(port, values)
        new = np.where(
            written,
            unpack(values[list(port.write)], self._lanes),
            self._read(port, values, port.write),
        )
        place, lane = self._places(port, values, n_data), np.arange(self._lanes)[:, np.newaxis]
        n_parity = len(port.write) - n_data
        self._data[lane, place * n_data + np.arange(n_data)] = new[:, :n_data]
        self._parity[lane, place * n_parity + np.arange(n_parity)] = new[:, n_data:]

    def _output(self, port: BlockPort, values: Words, old: Bits) -> Bits:
        """What the output becomes: old or new word, nothing new while disabled, 0 behind a reset."""
        kept, moves = unpack(values[list(port.read)], self._lanes), self._bit(port.enable, values)
        if port.write and port.mode != "READ_FIRST":
            writes = self._written(port, values).any(axis=1, keepdims=True)
            if port.mode == "NO_CHANGE":
                moves = moves & ~writes
            else:
                old = np.where(writes, self._read(port, values, port.read), old)
        word = np.where(moves, old, kept)
        clears = self._bit(port.reset, values) & self._bit(port.enable, values)
        return np.where(clears, 0, word).astype(np.uint8)
