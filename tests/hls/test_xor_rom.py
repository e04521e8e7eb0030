"""FleXOR's weights stay encoded in memory where a folding takes whole slices, and decode to the weights."""

import re
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw.backends.hls import HlsTool
from hbnn_hw.backends.hls.layers import layer_values
from hbnn_hw.backends.hls.mvtu import mvtu_values
from hbnn_hw.backends.hls.xor_rom import fitting_simd, xor_wiring
from hbnn_hw.folding import Folding, divisors, fold_schedule, weight_words
from hbnn_hw.ops import Mvtu
from hbnn_hw.templating import render
from hbnn_hw.types import Integers, Planes, TensorType
from hbnn_hw.weights import WeightPlanes
from hbnn_hw.xor_encoding import FlattenLayout, FlattenOrder, XorEncoding
from hbnn_hw.xor_wiring import decoder_columns, stored_words
from tests.hls.layer_bench import BRANCHES, Layer
from tests.hls.networks import random_thresholds
from tests.tables import rows


@dataclass(frozen=True)
class Case:
    """A layout, a folding, and how many PEs share a decoder; 0 if the memory has to be decoded."""

    order: FlattenOrder
    rows: int
    columns: int
    n_in: int
    n_out: int
    folding: tuple[int, int]
    decoder_pes: int
    layout: tuple[int, int] = (1, 1)
    planes: int = 1
    inverted: bool = False
    shuffled: bool = False

    def encoding(self) -> XorEncoding:
        rng = np.random.default_rng(self.rows * self.columns + self.n_out)
        pe, simd = self.layout
        layout = FlattenLayout(
            order=self.order, rows=self.rows, columns=self.columns, n_out=self.n_out, pe=pe, simd=simd
        )
        encoded = rng.integers(0, 2, (self.planes, layout.n_slices, self.n_in), dtype=np.uint8)
        matrices = rng.integers(0, 2, (self.planes, self.n_out, self.n_in), dtype=np.uint8)
        inverted = rng.integers(0, 2, (self.planes, self.rows)) == 1 if self.inverted else None
        # Whole slices move, as the channels of a kernel do.
        order = rng.permutation(self.columns // self.n_out)[:, np.newaxis] * self.n_out + np.arange(
            self.n_out
        )
        return XorEncoding.from_bits(
            encoded,
            matrices,
            layout,
            inverted=inverted,
            column_order=order.ravel().astype(np.int64) if self.shuffled else None,
        )

    def weights(self) -> WeightPlanes:
        return WeightPlanes.from_encoding(self.encoding(), (2, 1)[: self.planes] if self.planes > 1 else None)


PAPER, ROW_MAJOR, WORD = FlattenOrder.PAPER, FlattenOrder.ROW_MAJOR, FlattenOrder.WORD

CASES = {
    # Slices run along the columns of a row: SIMD of whole slices, every PE decodes for itself.
    "row_major": Case(ROW_MAJOR, 6, 20, 4, 5, (3, 5), 1),
    "row_major_wide": Case(ROW_MAJOR, 4, 120, 8, 10, (2, 120), 1, inverted=True),
    "row_major_shuffled": Case(ROW_MAJOR, 4, 24, 3, 4, (2, 8), 1, shuffled=True, inverted=True),
    # Slices run along the rows: as many PEs share a decoder.
    "paper": Case(PAPER, 10, 6, 4, 5, (10, 3), 5),
    # Slices go around a column's end: all rows at once, and columns until they end together.
    "paper_straddling": Case(PAPER, 4, 15, 5, 6, (4, 3), 4),
    # The hardware's own order, at its folding and at one that takes several of its words.
    "word": Case(WORD, 6, 8, 4, 7, (3, 4), 3, (3, 4)),
    "word_of_more": Case(WORD, 4, 16, 3, 4, (4, 8), 1, (2, 4), planes=2, inverted=True),
    "two_planes": Case(ROW_MAJOR, 5, 12, 5, 6, (1, 6), 1, planes=2),
    "decoded": Case(ROW_MAJOR, 4, 20, 8, 10, (2, 5), 0),
    "decoded_paper": Case(PAPER, 4, 20, 3, 4, (2, 5), 0),
}


@pytest.mark.parametrize("name", CASES)
def test_which_foldings_take_whole_slices(name):
    case = CASES[name]
    wiring = xor_wiring(case.encoding(), Folding(*case.folding))
    assert (0 if wiring is None else wiring.group_pes) == case.decoder_pes


def values(case: Case) -> dict:
    op = Mvtu(weights=case.weights(), folding=Folding(*case.folding))
    graph = Layer(op, TensorType((case.columns,), Planes((1,)))).graph
    return mvtu_values(graph, graph.nodes[0])


@pytest.mark.parametrize("name", CASES)
def test_memory_holds_the_stored_bits_and_no_more(name):
    case = CASES[name]
    plain = case.planes * case.rows * case.columns
    made = values(case)
    assert made["encoded_rom"] == (case.decoder_pes > 0)
    assert made["rom_bits"] == (case.encoding().stored_bits if case.decoder_pes else plain)
    if name != "word":  # which drops two outputs of 14 in every word
        assert made["rom_bits"] * case.n_out == plain * (case.n_in if case.decoder_pes else case.n_out)


def test_the_generated_table_has_the_stored_bits():
    """Counted in the text: as many words as steps, each of n_in bits for n_out weights of the step."""
    case = CASES["row_major"]
    op = Mvtu(weights=case.weights(), folding=Folding(*case.folding))
    graph = Layer(op, TensorType((case.columns,), Planes((1,)))).graph
    text = render("hls/mvtu.h.j2", layer_values(graph, graph.nodes[0], 0, "fc"))
    table = text[text.index("fc_weights = ") : text.index("}, {")]
    words = re.findall(r"0x([0-9a-f])\b", table)
    assert "XorRom<4, 5, 1, 3, 8, 1," in text
    assert len(words) * 4 == 6 * 20 * 4 // 5


def test_a_decoded_memory_names_the_simd_that_fit():
    assert values(CASES["decoded"])["fitting_simd"] == [10, 20]
    assert values(CASES["decoded_paper"])["fitting_simd"] == []
    assert fitting_simd(CASES["decoded_paper"].encoding(), 4) == [1, 2, 4, 5, 10, 20]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_decoding_every_step_gives_its_weights(data):
    """In numpy what the generated decoder does: the lanes of all stored bits that are 1, added over GF(2)."""
    order = data.draw(st.sampled_from(FlattenOrder))
    rows, columns = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 24))
    n_out = data.draw(st.integers(2, 6))
    pe, simd = data.draw(st.sampled_from(divisors(rows))), data.draw(st.sampled_from(divisors(columns)))
    layout = (pe, simd) if order is WORD else (1, 1)
    case = Case(order, rows, columns, data.draw(st.integers(1, n_out - 1)), n_out, (pe, simd), 0, layout, 2)
    encoding, folding = case.encoding(), Folding(pe, simd)
    wiring = xor_wiring(encoding, folding)
    if wiring is None:
        return
    weights = WeightPlanes.from_encoding(encoding)
    schedule = fold_schedule(weights, folding)
    stored = stored_words(encoding, wiring, folding, schedule)
    columns_of = decoder_columns(encoding, wiring)[schedule.plane]
    decoded = np.einsum("lsb,sbw->slw", stored.astype(int), columns_of.astype(int)) % 2
    bits, _ = weight_words(weights, folding, schedule)
    assert np.array_equal(decoded.reshape(bits.shape), bits)
    assert stored.size == 2 * len(np.unique(wiring.slices)) * encoding.n_in <= encoding.stored_bits


def units() -> list[Layer]:
    rng = np.random.default_rng(0)
    layers = []
    for index, case in enumerate(CASES.values()):
        op = Mvtu(weights=case.weights(), folding=Folding(*case.folding))
        if index % 2:
            op = replace(op, thresholds=random_thresholds(rng, case.rows, 1, -9, 9))
        element = Integers(-4, 3) if index % 3 == 0 else Planes((1,))
        layers.append(Layer(op, TensorType((2, case.columns), element)))
    return layers


@pytest.mark.hls
@pytest.mark.parametrize(
    ("compiled_by", "branches"),
    rows(
        [("bench", ()), ("clang_bench", BRANCHES), ("bench", BRANCHES)],
        usual=lambda compiled_by, branches: (compiled_by == "clang_bench") == (branches == BRANCHES),
    ),
    ids=["native", "synthesis", "synthesis by g++"],
)
def test_encoded_units_equal_golden(request, compiled_by, branches):
    request.getfixturevalue(compiled_by).check(units(), *branches, tool=HlsTool.VITIS_HLS)
