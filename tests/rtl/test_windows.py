"""Windows, frames and poolings in Amaranth's simulator equal their operators, at exactly their pace."""

import numpy as np
import pytest
from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw.backends.rtl.output_register import OutputRegister
from hbnn_hw.backends.rtl.stream_buffers import StreamFifo
from hbnn_hw.backends.rtl.window_plan import WindowPlan
from hbnn_hw.errors import FoldingError, GraphError
from hbnn_hw.ops import Pad, PadPlanes, Pool, PoolKind, SlidingWindow, Tensor
from hbnn_hw.types import Bordered, PlaneMask, Planes, TensorType
from tests.rtl.harness import drive
from tests.rtl.window_cases import (
    BIT,
    BYTE,
    CODE,
    COUNT,
    LEVELS,
    TIES,
    WORD,
    Case,
    pooling,
    random_frame,
    random_pooling,
    random_window,
    random_window_pooling,
    window,
    window_pooling,
)

ODD = np.arange(12) % 2 == 1


def check(case: Case, seed: int = 0) -> None:
    """Images back to back: exact words, one image per ``cycles``; then with stalls and after a reset."""
    op, source = case.op, case.source
    words, expected = case.words(3, seed)
    run = drive(case.unit(), words, len(expected))
    assert_words(case, run.outputs, expected)
    of_images = np.array(run.output_cycles[: len(expected)]).reshape(3, -1)
    assert np.all(np.diff(of_images, axis=0) == op.cycles(source)), "images follow without a gap"
    words, expected = case.words(2, seed + 1)
    reset_after = (len(words) + len(expected)) // 3 + seed % 5 + 1
    run = drive(case.unit(), words, len(expected), stall_seed=seed, reset_after=reset_after)
    assert_words(case, run.outputs, expected)


def assert_words(case: Case, found: list[int], expected: list[int]) -> None:
    """All expected words and none too many, but the frame above the next image, which needs no input."""
    n_ahead = int((case.op.reads(case.source)[0] == 0).sum())
    ahead = found[len(expected) :]
    assert found[: len(expected)] == expected
    assert ahead == expected[:n_ahead][: len(ahead)]


@pytest.mark.parametrize("seed", range(7))
@pytest.mark.parametrize("make", [random_window, random_frame, random_pooling, random_window_pooling])
def test_random_shapes_elements_and_lanes(make, seed):
    check(make(np.random.default_rng(seed)), seed)


NAMED = {
    "window_of_one_pixel": window((1, 1, 1), BIT, (1, 1), block=1, lanes=1),
    "window_of_many_pixels_by_one": window((5, 3, 2), CODE, (1, 1), block=2, lanes=2),
    "window_of_one_column": window((11, 1, 3), BYTE, (3, 1), (2, 1), (2, 1), block=3, lanes=3),
    "window_of_marked_words": window((5, 4, 64), Bordered(BIT), (3, 3), block=64, lanes=64),
    "window_of_single_channels": window((7, 5, 3), BYTE, (3, 3), (2, 2), block=1, lanes=1),
    "window_of_every_fourth": window((13, 6, 2), BIT, (1, 1), (4, 4), block=2, lanes=1),
    "window_between_rows": window((11, 7, 2), BIT, (2, 3), (4, 1), (1, 2), block=2, lanes=2),
    "window_that_takes_longer_than_it_shows": window((6, 9, 1), BIT, (2, 2), (2, 3), block=1, lanes=1),
    "window_of_the_whole_image": window((3, 4, 2), COUNT, (3, 4), block=2, lanes=2),
    "or": pooling((6, 6, 12), BIT, (2, 2), lanes=12),
    "and_of_some_channels_in_parts": pooling(
        (4, 6, 12), BIT, (2, 2), smallest=ODD & (ODD.cumsum() > 2), lanes=3
    ),
    "ties_keep_the_first": pooling((4, 4, 2), TIES, (2, 2), smallest=ODD[:2], lanes=1),
    "maximum_of_any_scales": pooling((5, 5, 3), LEVELS, (2, 2), smallest=ODD[:3], lanes=3),
    "pooling_of_one_place": pooling((3, 3, 1), BYTE, (3, 3), lanes=1),
    "pooling_of_one_place_in_parts": pooling((4, 3, 6), BYTE, (3, 3), (4, 4), PoolKind.SUM, lanes=2),
    "pooling_of_rows": pooling((4, 4, 3), COUNT, (1, 4), (1, 4), lanes=1),
    "pooling_of_columns": pooling((4, 4, 1), WORD, (4, 1), kind=PoolKind.SUM, lanes=1),
    "pooling_of_every_third": pooling((7, 7, 2), CODE, (1, 1), (3, 3), lanes=1),
    "pooling_whose_last_stride_has_no_window": pooling((4, 5, 2), WORD, (2, 2), (2, 3), lanes=2),
    "sum_of_plane_values": pooling((4, 4, 4), LEVELS, (2, 2), kind=PoolKind.SUM, lanes=2),
    "windows_in_a_frame": window_pooling((3, 3, 4), Bordered(CODE), 4, smallest=ODD[:4], lanes=2),
    "largest_in_a_frame": window_pooling((3, 3, 4), Bordered(CODE), 4, lanes=4),
    "windows_of_one_element": window_pooling((2, 3, 4), Bordered(BIT), 1, smallest=ODD[:4], lanes=1),
    "sums_in_a_frame": window_pooling((2, 3, 2), Bordered(LEVELS), 5, PoolKind.SUM, lanes=2),
    "sums_of_words": window_pooling((2, 2, 2), WORD, 9, PoolKind.SUM, lanes=2),
    "frame_of_nothing_at_all": Case(
        PadPlanes(padding=(0,) * 4, frame=(0,), lanes=1), TensorType((1, 1, 1), BIT)
    ),
    "frame_on_one_side": Case(PadPlanes(padding=(0, 1, 0, 2), lanes=2), TensorType((3, 2, 4), CODE)),
    "frame_of_channels": Case(Pad(channels=(4, 2), value=-7, lanes=2), TensorType((2, 3, 2), COUNT)),
    "frame_of_wide_numbers": Case(
        Pad(padding=(2, 0, 1, 1), value=2**33, lanes=5), TensorType((2, 2, 5), WORD)
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_named_shapes(name):
    check(NAMED[name], seed=3)


# --- the ring of rows


@st.composite
def plans(draw):
    side = st.integers(1, 12)
    shape = (draw(side), draw(side), draw(st.sampled_from([1, 2, 4, 6])))
    dilation = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    kernel = tuple(draw(st.integers(1, (n - 1) // d + 1)) for n, d in zip(shape[:2], dilation, strict=True))
    stride = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    block = draw(st.sampled_from([n for n in (1, 2, 3, 6) if shape[2] % n == 0]))
    op = SlidingWindow(kernel=kernel, stride=stride, dilation=dilation, block=block, lanes=1)
    return op, TensorType(shape, BIT)


def most_waiting(op: SlidingWindow, source: TensorType) -> int:
    """Most beats in the ring from one that is shown to the last one taken, by the operator's own rules."""
    row, span = op.row_beats(source), op.spans[0]
    numbers = np.arange(source.n_elements).reshape(1, 1, *source.shape)
    shown = op.compute(Tensor(source, numbers))[0, 0].reshape(-1)
    seen_rows = {place * op.stride[0] + i for place in range(op.sides(source)[0]) for i in range(span)}
    kept = np.repeat([at in seen_rows for at in range(source.shape[0])], row)
    # Beats that were kept before each one.
    before = np.concatenate([[0], np.cumsum(kept)])
    waiting = before[op.reads(source)[0]] - before[shown]
    assert waiting.min() >= 1, "what is shown has been taken"
    return int(waiting.max())


@settings(max_examples=60, deadline=None)
@given(plans())
def test_the_ring_is_as_small_as_can_be(case):
    op, source = case
    assert WindowPlan.of(op, source).least_words() == most_waiting(op, source)


@pytest.mark.parametrize(
    ("shape", "kernel", "least", "words"),
    [
        ((34, 34, 16), (3, 3), 104, 128),  # three rows and two pixels, not four rows
        ((226, 226, 16), (3, 3), 680, 1024),
        ((400, 400, 16), (3, 3), 1202, 1536),  # wraps at a multiple of a block RAM
        ((6, 6, 16), (1, 1), 7, 8),
    ],
)
def test_words_of_the_ring(shape, kernel, least, words):
    op = SlidingWindow(kernel=kernel, stride=(1, 1), block=16, lanes=16)
    plan = WindowPlan.of(op, TensorType(shape, BIT))
    assert (plan.least_words(), plan.ring_words()) == (least, words)


def test_a_ring_that_is_no_power_of_two(monkeypatch):
    monkeypatch.setattr(WindowPlan, "ring_words", WindowPlan.least_words)
    check(window((6, 5, 3), CODE, (3, 2), (2, 1), block=3, lanes=1), seed=5)
    check(window((7, 6, 1), BYTE, (3, 3), block=1, lanes=1), seed=6)


class Pacer(wiring.Component):
    """Passes a word every ``clocks / words`` clocks, and waits as a whole while it is refused."""

    def __init__(self, width, words, clocks):
        self.words, self.clocks = words, clocks
        word = stream.Signature(unsigned(width))
        super().__init__({"i": In(word), "o": Out(word)})

    def elaborate(self, platform):
        m = Module()
        sum_ = Signal(range(self.clocks + self.words))
        due = sum_ + self.words >= self.clocks
        moves = Signal()
        m.d.comb += [
            self.o.valid.eq(self.i.valid & due),
            self.i.ready.eq(self.o.ready & due),
            self.o.payload.eq(self.i.payload),
            moves.eq(~due | (self.i.valid & self.o.ready)),
        ]
        with m.If(moves):
            m.d.sync += sum_.eq(sum_ + self.words - Mux(due, self.clocks, 0))
        return m


class Paced(wiring.Component):
    """A sliding window behind a queue of its first rows, or of one stride, filled at the average pace."""

    def __init__(self, case):
        self.unit = case.unit()
        self.pacer = Pacer(len(self.unit.i.payload), *case_pace(case))
        self.queue = StreamFifo(len(self.unit.i.payload), max(2, self.unit.plan.fill, self.unit.plan.new))
        word = stream.Signature(self.unit.i.payload.shape())
        super().__init__({"i": In(word), "o": Out(word)})

    def elaborate(self, platform):
        m = Module()
        m.submodules += [self.pacer, self.queue, self.unit]
        wiring.connect(m, wiring.flipped(self.i), self.pacer.i)
        wiring.connect(m, self.pacer.o, self.queue.i)
        wiring.connect(m, self.queue.o, self.unit.i)
        wiring.connect(m, self.unit.o, wiring.flipped(self.o))
        return m


def case_pace(case):
    return case.source.n_elements // case.op.lanes, case.op.cycles(case.source)


@pytest.mark.parametrize(
    "case",
    [
        window((6, 6, 2), BIT, (3, 3), block=2, lanes=2),
        window((7, 5, 1), BIT, (3, 3), (2, 2), block=1, lanes=1),
        window((5, 6, 1), BIT, (1, 1), (2, 2), block=1, lanes=1),
        window((6, 6, 1), BIT, (1, 1), block=1, lanes=1),
    ],
)
def test_inputs_at_their_average_pace_are_no_slower(case):
    words, expected = case.words(5)
    run = drive(Paced(case), words, len(expected))
    assert run.outputs == expected
    of_images = np.array(run.output_cycles).reshape(5, -1)
    assert np.all(np.diff(of_images, axis=0)[2:] == case.op.cycles(case.source))


# --- parts


@pytest.mark.parametrize("stall_seed", [None, 1, 2])
@pytest.mark.parametrize("reset_after", [0, 7])
def test_an_output_register_keeps_all_words_in_order(stall_seed, reset_after):
    words = [(37 * at + 5) % 512 for at in range(60)]
    run = drive(OutputRegister(9), words, len(words), stall_seed=stall_seed, reset_after=reset_after)
    assert run.outputs == words
    if stall_seed is None:
        assert np.all(np.diff(run.output_cycles) == 1)


def test_what_does_not_fit_is_refused():
    image, mask = TensorType((4, 4, 6), BIT), PlaneMask.of([[[[1, 1, 0]] * 2] * 2])
    with pytest.raises(FoldingError, match="the lanes must divide 6, 0, 0 channels, not be 4"):
        Case(PadPlanes(padding=(1,) * 4, lanes=4), image).unit()
    with pytest.raises(FoldingError, match="the lanes must divide 6, 2, 0 channels, not be 3"):
        Case(Pad(channels=(2, 0), lanes=3), image).unit()
    with pytest.raises(FoldingError, match="must divide 2 channels"):
        window((4, 4, 6), BIT, (2, 2), block=2, lanes=6).unit()
    with pytest.raises(FoldingError, match="must divide 6 channels"):
        pooling((4, 4, 6), BIT, (2, 2), lanes=5).unit()
    case = window_pooling((4, 4, 6), BIT, 4, lanes=2)
    with pytest.raises(FoldingError, match="must be its block of 2, not 1"):
        Case(type(case.op)(kind=PoolKind.MAX, window=4, block=2, lanes=1), case.source).unit()
    with pytest.raises(GraphError, match="integers or planes without a map"):
        Case(
            Pool(kind=PoolKind.MAX, kernel=(2, 2), stride=(2, 2), lanes=3),
            TensorType((2, 2, 3), Planes((1,), mask)),
        ).unit()
