"""Contents of read-only memories reach the Verilog text word for word, once each, past Amaranth and Yosys."""

import re

import numpy as np
from amaranth.hdl import Module
from amaranth.lib import wiring

from hbnn_hw.backends.rtl.mvtu import FoldedMvtu
from hbnn_hw.backends.rtl.rom import Rom, RomStyle, rom_words
from hbnn_hw.backends.rtl.rom_contents import CONTENTS_ATTRIBUTE
from hbnn_hw.backends.rtl.verilog import to_verilog
from hbnn_hw.folding import Folding, weight_words
from hbnn_hw.ops import Mvtu
from hbnn_hw.types import Planes, TensorType
from hbnn_hw.xor_wiring import stored_words, xor_wirings
from tests.graphs import random_weights
from tests.rtl.test_mvtu import ROW_MAJOR, encoded

SIZES = [(1, 2), (3, 5), (4, 16), (5, 65), (64, 3), (70, 33), (257, 130)]
"""Bits of a word, words."""

MEMORY = re.compile(
    r"^  reg (?:\[(\d+):0\] )?memory \[(\d+):0\];\n((?:  initial begin\n(?:    memory.*\n){1,64}  end\n)*)",
    re.MULTILINE,
)
WORD = re.compile(r"memory\[(\d+)\] = (\d+)'h([0-9a-f]+);")


def memories(verilog: str) -> dict[str, list[int]]:
    """Words of the memory in every module that has one; addresses must ascend and widths agree."""
    found = {}
    for name, body in re.findall(r"^module (\w+)\((.*?)^endmodule", verilog, re.MULTILINE | re.DOTALL):
        for high, last, lines in MEMORY.findall(body):
            words = WORD.findall(lines)
            assert [int(address) for address, _, _ in words] == list(range(int(last) + 1))
            assert {int(width) for _, width, _ in words} == {int(high or 0) + 1}
            found[name] = [int(word, 16) for _, _, word in words]
    return found


def random_words(width: int, depth: int, seed: int = 0) -> list[int]:
    """Draw words; the last one has all bits."""
    bits = np.random.default_rng([width, depth, seed]).integers(0, 2, (depth, width), dtype=np.uint8)
    bits[-1] = 1
    return rom_words(bits)


class AmaranthRom(Rom):
    """The same ROM as a memory of Amaranth, as its simulator runs it."""

    def elaborate(self, platform):
        return super().elaborate(None)


class Roms(wiring.Component):
    """ROMs by name, their ports outside."""

    def __init__(self, roms):
        self.roms = roms
        super().__init__({name: wiring.Out(rom.signature) for name, rom in roms.items()})

    def elaborate(self, platform):
        m = Module()
        for name, rom in self.roms.items():
            m.submodules[name] = rom
            wiring.connect(m, wiring.flipped(getattr(self, name)), rom)
        return m


def test_words_arrive_at_every_size():
    contents = {f"rom_{width}_{depth}_x": random_words(width, depth) for width, depth in SIZES}
    roms = {name: Rom(int(name.split("_")[1]), words) for name, words in contents.items()}
    verilog = to_verilog(Roms(roms), "roms")
    assert memories(verilog) == {f"roms_{name}": words for name, words in contents.items()}
    assert CONTENTS_ATTRIBUTE not in verilog


def test_the_text_is_that_of_amaranths_own_memories():
    """Byte for byte as long as it is one block, so simulators and synthesis see nothing new."""
    for style in RomStyle:
        words = random_words(70, 33)
        assert to_verilog(Rom(70, words, style), "rom") == to_verilog(AmaranthRom(70, words, style), "rom")


def test_equal_memories_are_printed_once_and_others_are_not_mistaken_for_them():
    """Same words in another width, at another depth, under another attribute, or all but one of them."""
    words = random_words(9, 70)
    roms = {
        "first_a": Rom(9, words),
        "again_b": Rom(9, words),
        "wider_c": Rom(12, words),
        "shorter_d": Rom(9, words[:-1]),
        "block_e": Rom(9, words, RomStyle.BLOCK),
        "other_f": Rom(9, [words[0] ^ 256, *words[1:]]),
    }
    verilog = to_verilog(Roms(roms), "roms")
    kept = {f"roms_{name}": rom.words for name, rom in roms.items() if name != "again_b"}
    assert memories(verilog) == kept
    assert len(re.findall(r"^  roms_first_a \w+ \(", verilog, re.MULTILINE)) == 2


def test_a_unit_has_the_weight_and_mask_words_of_its_schedule():
    weights = random_weights(np.random.default_rng(1), 12, 24, (4, 2, 1))
    op = Mvtu(weights=weights, folding=Folding(4, 3))
    found = memories(to_verilog(FoldedMvtu(op, TensorType((24,), Planes((1,)))), "unit"))
    for name, bits in zip(
        ("weight", "mask"), weight_words(weights, op.scheduled_folding, op.schedule()), strict=True
    ):
        assert len(set(found[f"unit_{name}_rom"])) > 1
        assert found[f"unit_{name}_rom"] == rom_words(bits.reshape(len(bits), -1))


def test_a_unit_with_encoded_weights_has_their_stored_words():
    weights, folding = encoded(ROW_MAJOR, (6, 20), 4, 5, turned=True), Folding(3, 10)
    op = Mvtu(weights=weights, folding=folding)
    unit = FoldedMvtu(op, TensorType((20,), Planes((1,))), rom_style=RomStyle.BLOCK)
    wiring_of_slices = next(xor_wirings(weights.encoding, folding))
    stored = stored_words(weights.encoding, wiring_of_slices, folding, op.schedule())
    words = rom_words(stored.swapaxes(0, 1).reshape(op.schedule().n_steps, -1))
    assert memories(to_verilog(unit, "unit"))["unit_weight_rom_stored"] == words
