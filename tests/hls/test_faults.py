"""One flipped bit in a ROM of the generated text is found by the C simulation."""

import re

import pytest

from hbnn_hw.errors import MismatchError
from hbnn_hw.verify.csim import run_csim
from tests.hls.networks import export, mlp, multi_level

pytestmark = pytest.mark.hls


def rom_words(text, name):
    """Matches of the words of one ROM in the text of a layer header."""
    start = text.index(f"{name} = {{ {{")
    stop = text.index("} };", start)
    return [m for m in re.finditer(r"0x[0-9a-f]+", text) if start < m.start() < stop]


def flip(folder, layer, rom, word, bit):
    path = folder / "hls" / "src" / "layers" / f"{layer}.h"
    text = path.read_text()
    match = rom_words(text, f"{layer}_{rom}")[word]
    flipped = f"0x{int(match[0], 16) ^ (1 << bit):0{len(match[0]) - 2}x}"
    path.write_text(text[: match.start()] + flipped + text[match.end() :])


def raw_scores():
    """Element maps, raw scores at the end: the lowest bits of the first words exist in all planes here."""
    return mlp(31, [12, 8, 6], (4, 6), (3, 4), coefficients=(2, 1))


def codes():
    return multi_level(32, [8, 6], (2,), (3, 4))


@pytest.mark.parametrize(
    ("network", "layer", "rom", "word", "bit"),
    [
        (raw_scores, "fc2", "weights", 0, 3),
        (raw_scores, "fc2", "masks", 0, 3),
        (raw_scores, "fc2", "activation", 2, 0),
        (raw_scores, "fc1", "activation", 1, 8),  # the inversion of a row
        (codes, "fc1", "activation", 4, 3),
        (codes, "fc1", "input_scales", 1, 1),
    ],
)
def test_a_flipped_bit_is_found(network, layer, rom, word, bit, tmp_path, clang_tools):
    folder = export(tmp_path, network(), batch=40)
    if rom == "input_scales":
        _swap_scales(folder)
    else:
        flip(folder, layer, rom, word, bit)
    with pytest.raises(MismatchError, match=r"C simulation: \d+ of \d+ outputs differ; first at image"):
        run_csim(folder, tools=clang_tools)


def _swap_scales(folder):
    path = folder / "hls" / "src" / "layers" / "fc1.h"
    text = path.read_text()
    assert "{ 1u, 2u }" in text
    path.write_text(text.replace("{ 1u, 2u }", "{ 2u, 1u }"))


def test_a_flipped_expected_bit_is_found_by_the_bench_itself(tmp_path, clang_tools):
    """The delivered test bench has to fail by itself: the vendor's tool has no Python to compare with."""
    folder = export(tmp_path, codes())
    path = folder / "hls" / "tb" / "output.dat"
    lines = path.read_text().split()
    lines[3] = f"{int(lines[3], 16) ^ 1:0{len(lines[3])}x}"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(MismatchError, match=r"FAILED: image 1, beat 1: .* golden has"):
        run_csim(folder, tools=clang_tools)
