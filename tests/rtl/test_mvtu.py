"""Matrix units by themselves: every kind of input, folding and output of the IR, exact in bits and cycles."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import Component, In, Out
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw.backends.rtl.mvtu import FoldedMvtu, build
from hbnn_hw.backends.rtl.rom import RomStyle
from hbnn_hw.backends.rtl.row_decision import RowDecision
from hbnn_hw.backends.rtl.step_words import StepWords
from hbnn_hw.folding import LUT_ROM_DEPTH, Folding, divisors, legal_pe
from hbnn_hw.ops import Mvtu, Tensor
from hbnn_hw.passes import FoldingRequest, lower
from hbnn_hw.timing import FOLDED_DEPTH, matrix_depth
from hbnn_hw.types import Bordered, Integers, Planes, TensorType
from hbnn_hw.verify.proof import component_verilog, prove_equal
from hbnn_hw.weights import WeightPlanes
from hbnn_hw.xor_encoding import FlattenLayout, FlattenOrder, XorEncoding
from tests.graphs import random_mlp
from tests.rtl.beats import beats_of
from tests.rtl.harness import drive
from tests.rtl.mvtu_cases import Case, Maps
from tests.rtl.test_networks import check as check_network

TWO = Planes((1, 2))
FRAME = Bordered(Planes((1,)))
WIDE_FRAME = Bordered(Planes((3, 1)))
BYTES, SIGNED, TINY = Integers(0, 255), Integers(-7, 5), Integers(-1, 0)

CASES = {
    # Many places.
    "an image": Case(places=(2, 3), coefficients=(2, 1), element=TWO),
    "one place, one weight": Case(places=(1, 1), rows=1, channels=1, folding=Folding(1, 1)),
    "skipped words": Case(places=(3,), channels=8, coefficients=(4, 2, 1), maps=Maps.COLUMNS),
    "rows without weights": Case(places=(2,), rows=8, channels=2, folding=Folding(1, 1), levels=0),
    "odd sizes": Case(places=(5,), rows=5, channels=7, folding=Folding(5, 7), levels=3, coefficients=(5, 3)),
    # Groups: parts of a group, whole groups, several of them, all.
    "parts of a group": Case(groups=3, places=(2,), window=4, channels=2, folding=Folding(2, 4)),
    "a group at once": Case(groups=3, places=(2,), window=4, folding=Folding(6, 8), coefficients=(2, 1)),
    "two groups at once": Case(groups=4, places=(2,), window=3, rows=2, folding=Folding(4, 4), element=TWO),
    "all groups at once": Case(groups=3, window=4, rows=2, channels=3, folding=Folding(6, 3), levels=0),
    "depthwise": Case(groups=6, places=(2, 2), window=9, rows=1, channels=1, folding=Folding(3, 1)),
    "depthwise, one by one": Case(groups=4, window=9, rows=1, channels=1, folding=Folding(1, 3)),
    "depthwise, all": Case(groups=4, window=9, rows=1, channels=1, folding=Folding(4, 1), maps=Maps.FULL),
    "groups with skipped words": Case(groups=2, channels=8, coefficients=(2, 1), maps=Maps.COLUMNS),
    # A frame of nothing.
    "frame": Case(places=(3,), window=4, element=FRAME, maps=Maps.FULL),
    "frame, raw": Case(places=(3,), window=4, element=FRAME, levels=0, coefficients=(2, 1)),
    "frame of two planes": Case(places=(2,), window=3, element=WIDE_FRAME, folding=Folding(3, 4), levels=3),
    "frame, skipped words": Case(
        places=(2,), window=4, element=FRAME, coefficients=(3, 1), maps=Maps.COLUMNS, levels=0
    ),
    "frame around groups": Case(groups=4, window=4, rows=1, element=FRAME, folding=Folding(2, 4)),
    "frame, one channel": Case(window=9, channels=1, element=WIDE_FRAME, folding=Folding(1, 1)),
    # Integers.
    "bytes": Case(places=(2,), element=BYTES, levels=0),
    "bytes to codes": Case(element=BYTES, levels=3, coefficients=(2, 1)),
    "signed": Case(places=(2,), element=SIGNED, levels=0, coefficients=(3, 1)),
    "signed to bits": Case(element=SIGNED, folding=Folding(3, 4)),
    "signed depthwise": Case(groups=4, window=4, rows=1, channels=1, element=SIGNED, folding=Folding(2, 1)),
    "a sign alone": Case(element=TINY, levels=0),
    "a constant": Case(element=Integers(0, 0), levels=0),
    # Unrolled.
    "unrolled image": Case(places=(2, 2), folding=Folding(6, 4, unrolled=True), element=TWO, levels=3),
    "unrolled frame": Case(places=(4,), folding=Folding(6, 4, unrolled=True), element=WIDE_FRAME),
    "unrolled frame, raw": Case(
        places=(4,), folding=Folding(6, 4, unrolled=True), element=FRAME, levels=0, coefficients=(2, 1)
    ),
    "unrolled signed": Case(places=(2,), folding=Folding(6, 4, unrolled=True), element=SIGNED, levels=0),
    "unrolled groups": Case(
        groups=3, places=(2,), window=4, rows=2, channels=2, folding=Folding(6, 8, unrolled=True), element=TWO
    ),
    "unrolled depthwise, raw": Case(
        groups=4,
        places=(2,),
        window=9,
        rows=1,
        channels=1,
        folding=Folding(4, 9, unrolled=True),
        element=SIGNED,
        levels=0,
        coefficients=(2, 1),
    ),
    "unrolled groups in a frame": Case(
        groups=2, places=(4,), rows=3, folding=Folding(6, 4, unrolled=True), element=WIDE_FRAME, levels=3
    ),
    "unrolled bytes": Case(folding=Folding(6, 4, unrolled=True), element=BYTES),
}


def check(case: Case, batch: int = 3) -> None:
    """A case with random inputs."""
    check_unit(case.op(), case.inputs(batch), case.seed)


def check_unit(op: Mvtu, inputs: Tensor, seed: int = 0, make: Callable[..., Component] = build) -> None:
    """Compare with the operator's own arithmetic at full rate, under stalls and after a reset."""
    source = inputs.type
    words = beats_of(source, inputs.data, op.lanes_in)
    expected = beats_of(op.infer(source), op.compute(inputs), op.lanes_out)
    run = drive(make(op, source), words, len(expected))
    assert run.outputs == expected
    per_sample = len(expected) // len(inputs.data)
    assert set(np.diff(run.output_cycles[per_sample - 1 :: per_sample])) <= {op.cycles(source)}
    run = drive(make(op, source), words, len(expected), stall_seed=seed, reset_after=3 + 5 * seed % 40)
    assert run.outputs == expected


@pytest.mark.parametrize("name", CASES)
def test_units_are_exact(name):
    check(CASES[name])


@pytest.mark.parametrize("reset_after", [1, 2, 4, 7, 11, 12, 13])
def test_a_reset_at_any_time_starts_over(reset_after):
    case = CASES["frame around groups"]
    op, inputs = case.op(), case.inputs(3)
    source = inputs.type
    words = beats_of(source, inputs.data, op.lanes_in)
    expected = beats_of(op.infer(source), op.compute(inputs), op.lanes_out)
    run = drive(build(op, source), words, len(expected), reset_after=reset_after)
    assert run.outputs == expected


@pytest.mark.parametrize("name", ["frame, raw", "groups with skipped words", "one place, one weight"])
def test_weights_in_block_ram_come_a_clock_later(name):
    case = CASES[name]
    check_unit(case.op(), case.inputs(3), make=partial(FoldedMvtu, rom_style=RomStyle.BLOCK))


def test_deep_weight_memories_keep_to_the_predicted_cycles():
    graph = lower(random_mlp(4, [12, 12, 3]), FoldingRequest(pe=1, simd=1))
    steps = [node.op.place_cycles() for node in graph.hardware_nodes if isinstance(node.op, Mvtu)]
    assert [matrix_depth(node.op) for node in graph.hardware_nodes if isinstance(node.op, Mvtu)] == [
        FOLDED_DEPTH + (n > LUT_ROM_DEPTH) for n in steps
    ]
    assert min(steps) < LUT_ROM_DEPTH < max(steps)
    check_network(graph)


ELEMENTS = [Planes((1,)), TWO, Planes((5, 3)), FRAME, WIDE_FRAME, BYTES, SIGNED, TINY, Integers(-128, 127)]


@st.composite
def random_cases(draw):
    """Every kind of unit at small odd sizes, with a legal folding."""
    groups, window = draw(st.sampled_from([1, 1, 2, 3, 4])), draw(st.sampled_from([1, 2, 3, 4]))
    rows, channels = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    element = draw(st.sampled_from(ELEMENTS))
    pe = draw(st.sampled_from(legal_pe(groups * rows, groups)))
    bordered = isinstance(element, Bordered)
    simd = channels if pe > rows else draw(st.sampled_from(divisors(channels * (1 if bordered else window))))
    folding = Folding(pe, simd)
    if groups == 1 and (window == 1 or not bordered) and draw(st.booleans()):
        folding = Folding(rows, window * channels, unrolled=True)
    return Case(
        element=element,
        places=draw(st.sampled_from([(), (1,), (3,), (2, 2)])),
        groups=groups,
        rows=rows,
        channels=channels,
        window=window,
        folding=folding,
        coefficients=draw(st.sampled_from([(1,), (2, 1), (5, 3), (4, 2, 1)])),
        maps=draw(st.sampled_from(Maps)),
        levels=draw(st.sampled_from([0, 1, 3])),
        seed=draw(st.integers(0, 999)),
    )


@settings(max_examples=12, deadline=None, derandomize=True)
@given(random_cases())
def test_random_units_are_exact(case):
    check(case, batch=2)


# --- proofs


class Decision(Component):
    """The raw output of one row, combinational."""

    def __init__(self, decision: RowDecision) -> None:
        self.decision = decision
        widths = {"agreement": In(decision.agreement_bits), "word": In(decision.word_bits)}
        super().__init__({**widths, "result": Out(decision.output_bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.result.eq(self.decision.build(m, "row", self.agreement, self.word))
        return m


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("output_bits", [3, 9])
def test_raw_output_equals_shifted_sum_less_offset(shift, output_bits):
    """For all sums and offsets, at output widths below and above that of the difference."""
    decision = RowDecision(6, shift, 0, output_bits, ())
    bits = decision.word_bits
    gold = f"""
    module gold(input [5:0] agreement, input [{bits - 1}:0] word, output [{output_bits - 1}:0] result);
      wire signed [15:0] dot = $signed({{10'd0, agreement}} << {shift}) - $signed({{1'b0, word}});
      assign result = dot[{output_bits - 1}:0];
    endmodule"""
    assert prove_equal(gold, component_verilog(Decision(decision), "gate")).equal


# --- FleXOR


def encoded(order: FlattenOrder, shape: tuple[int, int], n_in: int, n_out: int, **options) -> WeightPlanes:
    """Random stored bits; ``layout`` is the folding of order WORD, ``turned`` turns rows over."""
    rng = np.random.default_rng(sum(shape))
    planes, (pe, simd) = options.get("planes", 1), options.get("layout", (1, 1))
    layout = FlattenLayout(order=order, rows=shape[0], columns=shape[1], n_out=n_out, pe=pe, simd=simd)
    encoding = XorEncoding.from_bits(
        rng.integers(0, 2, (planes, layout.n_slices, n_in), dtype=np.uint8),
        rng.integers(0, 2, (planes, n_out, n_in), dtype=np.uint8),
        layout,
        inverted=rng.random((planes, shape[0])) < 0.5 if options.get("turned") else None,
    )
    return WeightPlanes.from_encoding(encoding, (3, 1)[:planes] if planes > 1 else None)


PAPER, ROW_MAJOR, WORD = FlattenOrder.PAPER, FlattenOrder.ROW_MAJOR, FlattenOrder.WORD

ENCODED = {
    "rows": (encoded(ROW_MAJOR, (6, 20), 4, 5), Folding(3, 5)),
    "rows turned": (encoded(ROW_MAJOR, (6, 20), 4, 5, turned=True), Folding(2, 10)),
    "shared decoders": (encoded(PAPER, (10, 6), 4, 5), Folding(10, 3)),
    "around a column's end": (encoded(PAPER, (4, 15), 5, 6), Folding(4, 3)),
    "words": (encoded(WORD, (4, 16), 3, 4, layout=(2, 4), planes=2, turned=True), Folding(4, 8)),
    "two planes": (encoded(ROW_MAJOR, (5, 12), 5, 6, planes=2), Folding(1, 6)),
    "one word": (encoded(WORD, (2, 8), 3, 4, layout=(2, 8)), Folding(2, 8)),
}


@pytest.mark.parametrize("name", ENCODED)
def test_encoded_weights_stay_encoded_and_decode_exactly(name):
    weights, folding = ENCODED[name]
    op = Mvtu(weights=weights, folding=folding)
    source = TensorType((2, weights.columns), TWO)
    data = np.random.default_rng(0).integers(0, 2, (3, 2, *source.shape), dtype=np.uint8)
    check_unit(op, Tensor(source, data))
    encoding, memories = weights.encoding, StepWords.of(op, None)
    assert memories.weight_bits == encoding.stored_bits
    assert memories.weight_bits * encoding.n_out == memories.weights.size * encoding.n_in


def test_a_folding_that_cuts_slices_keeps_decoded_weights():
    weights = encoded(ROW_MAJOR, (4, 20), 8, 10)
    op = Mvtu(weights=weights, folding=Folding(2, 5))
    data = np.random.default_rng(0).integers(0, 2, (3, 1, 20), dtype=np.uint8)
    check_unit(op, Tensor(TensorType((20,), Planes((1,))), data))
    assert StepWords.of(op, None).weight_bits == 80
