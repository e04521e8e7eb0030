"""Units of operators on single elements equal the operators' plain meaning, at any stalls and resets."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hbnn_hw.backends.rtl import add, arg_max, concat, decode, fork, rescale, threshold, width_converter
from hbnn_hw.backends.rtl.pipeline import smallest_period
from hbnn_hw.errors import FoldingError
from hbnn_hw.ops import (
    Add,
    ArgMax,
    Concat,
    Decode,
    Fork,
    Rescale,
    Threshold,
    Thresholds,
    WidthConverter,
)
from hbnn_hw.timing import (
    ADD_DEPTH,
    CONCAT_DEPTH,
    CONVERTER_DEPTH,
    DECODE_DEPTH,
    FORK_DEPTH,
    RESCALE_DEPTH,
    THRESHOLD_DEPTH,
    arg_max_depth,
)
from hbnn_hw.types import Bordered, Integers, Planes, TensorType
from tests.rtl.beats import beats_of, operation, random_mask, random_planes, random_values
from tests.rtl.harness import drive, drive_ports

SAMPLES = 3

MANY = settings(max_examples=7, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
"""Each example simulates a unit twice."""


def check(unit, op, sources, batches, depth, lanes=None):
    """Hold a unit against ``compute``: at full rate with its interval, and under stalls after a reset."""
    lanes = lanes or [op.lanes_in] * len(sources) + [op.lanes_out]
    words, expected = operation(op, sources, batches, lanes)
    names = ["i"] if len(sources) == 1 else [f"i{at}" for at in range(len(sources))]
    sent = dict(zip(names, words, strict=True))
    full_rate = drive_ports(unit(), sent, {"o": len(expected)})
    assert full_rate["o"].words == expected
    per_sample = len(expected) // len(batches[0])
    ends = full_rate["o"].cycles[per_sample - 1 :: per_sample]
    assert set(np.diff(ends).tolist()) <= {op.cycles(*sources)}
    if depth is not None:
        read = max(full_rate[name].cycles[len(sent[name]) // len(batches[0]) - 1] for name in names)
        assert ends[0] - read == depth
    seed = len(expected)
    stalled = drive_ports(unit(), sent, {"o": len(expected)}, stall_seed=seed, reset_after=1 + seed % 17)
    assert stalled["o"].words == expected


@st.composite
def shapes(draw):
    """Images and vectors, down to one element, with lanes that divide the channels; a seed for all else."""
    pixels = draw(st.sampled_from([(), (1, 1), (2, 3), (3, 1)]))
    channels = draw(st.sampled_from([1, 2, 3, 6, 8, 15]))
    lanes = draw(st.sampled_from([d for d in range(1, channels + 1) if channels % d == 0]))
    return (*pixels, channels), lanes, np.random.default_rng(draw(st.integers(0, 1 << 30)))


ranges = st.sampled_from(
    [Integers(0, 1), Integers(-1, 0), Integers(-7, 9), Integers(3, 3), Integers(5, 300), Integers(-4096, -17)]
)


def source_of(rng, shape, element):
    """Integers of a range, or planes with or without a mask, or planes in a frame."""
    kind = rng.integers(4)
    if kind < 2:
        return TensorType(shape, element)
    planes = random_planes(rng, shape, int(rng.integers(1, 9)))
    if kind == 2 or len(shape) == 1:
        return planes
    return TensorType(shape, Bordered(Planes(planes.element.scales)))


def batches_of(rng, sources):
    return [random_values(rng, source, SAMPLES) for source in sources]


# --- sums, joins, forks


@MANY
@given(shapes(), st.lists(ranges, min_size=2, max_size=4))
def test_sums_of_integers_and_planes(shape, elements):
    shape, lanes, rng = shape
    sources = [source_of(rng, shape, element) for element in elements]
    # Integers wait at the port for what has to be decoded.
    reads_integers = any(isinstance(source.element, Integers) for source in sources)
    depth = ADD_DEPTH if reads_integers else ADD_DEPTH + DECODE_DEPTH
    op = Add(lanes=lanes)
    check(lambda: add.build(op, *sources), op, sources, batches_of(rng, sources), depth)


@MANY
@given(shapes(), st.lists(ranges, min_size=2, max_size=4))
def test_joins_of_integers_and_planes(shape, elements):
    shape, lanes, rng = shape
    sources = []
    for element in elements:
        channels = lanes * int(rng.integers(1, 4))
        sources.append(source_of(rng, (*shape[:-1], channels), element))
    depth = CONCAT_DEPTH if all(isinstance(source.element, Integers) for source in sources) else None
    op = Concat(lanes=lanes)
    check(lambda: concat.build(op, *sources), op, sources, batches_of(rng, sources), depth)


@MANY
@given(shapes())
def test_joins_of_planes_stay_planes(shape):
    shape, lanes, rng = shape
    planes = random_planes(rng, shape, 3).element
    other = TensorType((*shape[:-1], 2 * shape[-1]), Planes(planes.scales))
    sources = [TensorType(shape, planes), other]
    op = Concat(lanes=lanes)
    assert isinstance(op.infer(*sources).element, Planes)
    check(lambda: concat.build(op, *sources), op, sources, batches_of(rng, sources), CONCAT_DEPTH)


@pytest.mark.parametrize("readers", [1, 2, 3])
@pytest.mark.parametrize("bordered", [False, True])
def test_every_reader_of_a_fork_gets_every_beat_in_its_own_time(readers, bordered):
    rng = np.random.default_rng(readers)
    planes = Planes((1, 3))
    source = TensorType((2, 3, 4), Bordered(planes) if bordered else planes)
    op = Fork(lanes=2)
    words = beats_of(source, random_values(rng, source, SAMPLES), op.lanes)
    counts = {f"o{at}": len(words) for at in range(readers)}
    unit = lambda: fork.build(op, source, readers=readers)  # noqa: E731
    full_rate = drive_ports(unit(), {"i": words}, counts)
    for name in counts:
        assert full_rate[name].words == words
        waited = np.subtract(full_rate[name].cycles, full_rate["i"].cycles)
        assert waited.tolist() == [FORK_DEPTH] * len(words)
    everyone, last = {"i", *counts}, {f"o{readers - 1}"}
    for seed, stalling, reset_after in [(1, everyone, 0), (2, last, 0), (3, everyone, 7), (4, last, 12)]:
        run = drive_ports(
            unit(), {"i": words}, counts, stall_seed=seed, stalling=stalling, reset_after=reset_after
        )
        assert all(run[name].words == words for name in counts)


# --- planes and integers


@MANY
@given(shapes(), st.integers(1, 8))
def test_decoded_planes(shape, n_planes):
    shape, lanes, rng = shape
    source = random_planes(rng, shape, n_planes)
    op = Decode(lanes=lanes)
    check(lambda: decode.build(op, source), op, [source], batches_of(rng, [source]), DECODE_DEPTH)


def tables(rng, low, high, channels, levels):
    """In the range, at its ends and beyond; equal levels, inverted channels."""
    table = rng.integers(low, high + 2, (channels, levels))
    ends = [low, high + 1, low - 1000, high + 1000, high]
    for channel, end in zip(rng.permutation(channels), ends, strict=False):
        table[channel, rng.integers(levels) :] = end
    return Thresholds(table=np.sort(table, axis=1), inverted=rng.integers(0, 2, channels) == 1)


@MANY
@given(shapes(), ranges, st.sampled_from([1, 3, 7]))
def test_thresholds(shape, element, levels):
    shape, lanes, rng = shape
    source = source_of(rng, shape, element)
    reached = add.as_integers(source).element
    thresholds = tables(rng, reached.low, reached.high, shape[-1], levels)
    if rng.random() < 0.4:
        mask = random_mask(rng, levels.bit_length(), shape, bool(rng.integers(2)))
        thresholds = Thresholds(table=thresholds.table, inverted=thresholds.inverted, mask=mask)
    op = Threshold(thresholds=thresholds, lanes=lanes)
    depth = THRESHOLD_DEPTH + (0 if isinstance(source.element, Integers) else DECODE_DEPTH)
    check(lambda: threshold.build(op, source), op, [source], batches_of(rng, [source]), depth)


@MANY
@given(shapes(), ranges, st.sampled_from([1, 2, 3]), st.sampled_from([0, 1, 9]))
def test_rescaled_integers(shape, element, pieces, shift):
    shape, lanes, rng = shape
    source = source_of(rng, shape, element)
    reached = add.as_integers(source).element
    channels = shape[-1]
    op = Rescale(
        multipliers=rng.integers(-100, 101, (pieces, channels)),
        offsets=rng.integers(-(2 << shift), 2 << shift, (pieces, channels)),
        knees=np.sort(rng.integers(reached.low - 2, reached.high + 3, (pieces - 1, channels)), axis=0),
        shift=shift,
        lanes=lanes,
    )
    depth = RESCALE_DEPTH + (0 if isinstance(source.element, Integers) else DECODE_DEPTH)
    check(lambda: rescale.build(op, source), op, [source], batches_of(rng, [source]), depth)


@pytest.mark.parametrize("lanes", [1, 4, 8])
@pytest.mark.parametrize("shift", [0, 35, 51])
def test_products_of_52_bits_round_down(lanes, shift):
    """The largest products there may be, of either sign, and a shift that leaves their highest bits."""
    most = (1 << 21) - 1
    multipliers = np.array([[most, -most, (1 << 30) - 1, -((1 << 30) - 1), 1, -1, 0, 3]])
    offsets = np.array([[(1 << 51) - 1, -(1 << 51), 0, 1 << 20, 0, 0, -1, (1 << 34) - 1]])
    op = Rescale(
        multipliers=multipliers, offsets=offsets, knees=np.empty((0, 8), np.int64), shift=shift, lanes=lanes
    )
    source = TensorType((2, 1, 8), Integers(-most, most))
    assert op.sum_range(source).bits == 53
    batch = random_values(np.random.default_rng(shift), source, SAMPLES)
    check(lambda: rescale.build(op, source), op, [source], [batch], RESCALE_DEPTH)


def test_knees_at_every_integer_and_equal_knees():
    """Every integer of a range against knees in it, at its ends and outside."""
    low, high = -3, 4
    edges = np.arange(low - 1, high + 2)
    knees = np.sort(np.stack([edges, np.roll(edges, 3)]), axis=0)
    op = Rescale(
        multipliers=np.array([[1], [-2], [3]]) * np.ones((1, len(edges)), np.int64),
        offsets=np.array([[0], [5], [-4]]) * np.ones((1, len(edges)), np.int64),
        knees=knees,
        shift=1,
        lanes=len(edges),
    )
    source = TensorType((len(edges),), Integers(low, high))
    batch = np.repeat(np.arange(low, high + 1)[:, np.newaxis], len(edges), axis=1)
    check(lambda: rescale.build(op, source), op, [source], [batch], RESCALE_DEPTH)


# --- classes


@MANY
@given(shapes(), ranges, st.sampled_from([0, 1, 5]), st.booleans())
def test_the_first_of_the_largest_scores(shape, element, shift, has_offsets):
    """Ranges are short, so ties are frequent, across lanes and across beats."""
    (*_, classes), lanes, rng = shape
    source = source_of(rng, (classes,), element)
    offsets = rng.integers(-2 << shift, (2 << shift) + 1, classes) * int(has_offsets)
    op = ArgMax(offsets=offsets, shift=shift, lanes=lanes)
    depth = arg_max_depth(lanes) + (0 if isinstance(source.element, Integers) else DECODE_DEPTH)
    check(lambda: arg_max.build(op, source), op, [source], batches_of(rng, [source]), depth)


@pytest.mark.parametrize(("classes", "lanes"), [(10, 1), (10, 2), (10, 5), (10, 10), (7, 7), (1, 1)])
def test_every_class_can_win_and_equal_scores_give_the_first(classes, lanes):
    source = TensorType((classes,), Integers(-8, 7))
    op = ArgMax(offsets=np.zeros(classes, np.int64), lanes=lanes)
    best = np.where(np.eye(classes, dtype=bool), 7, -8)
    batch = np.concatenate([best, np.full((2, classes), -8), np.tril(np.full((classes, classes), 7))])
    check(lambda: arg_max.build(op, source), op, [source], [batch.astype(np.int64)], arg_max_depth(lanes))


# --- regrouped beats


@pytest.mark.parametrize(("lanes_from", "lanes_to"), [(1, 6), (6, 2), (3, 3), (12, 6), (1, 2)])
@pytest.mark.parametrize("bordered", [False, True])
def test_regrouped_beats(lanes_from, lanes_to, bordered):
    rng = np.random.default_rng(lanes_from)
    planes = Planes((1, 2))
    source = TensorType((2, 3, 12), Bordered(planes) if bordered else planes)
    op = WidthConverter(lanes_from=lanes_from, lanes_to=lanes_to)
    batch = random_values(rng, source, SAMPLES)
    unit = lambda: width_converter.build(op, source)  # noqa: E731
    words, expected = beats_of(source, batch, lanes_from), beats_of(source, batch, lanes_to)
    run = drive(unit(), words, len(expected))
    assert run.outputs == expected
    ends = run.output_cycles[source.n_elements // lanes_to - 1 :: source.n_elements // lanes_to]
    assert set(np.diff(ends).tolist()) == {op.cycles(source)}
    if lanes_from < lanes_to:
        assert run.output_cycles[0] - run.input_cycles[lanes_to // lanes_from - 1] == CONVERTER_DEPTH
    for seed, reset_after in [(1, 0), (2, 5), (3, 8)]:
        assert drive(unit(), words, len(expected), seed, reset_after).outputs == expected


def test_a_beat_of_two_pixels_has_no_border_mark():
    source = TensorType((2, 2, 3), Bordered(Planes((1,))))
    with pytest.raises(FoldingError, match="6 lanes do not divide 3 channels"):
        width_converter.build(WidthConverter(lanes_from=3, lanes_to=6), source)


def test_words_that_repeat_are_stored_once():
    words = {(5,): 1, (5, 5, 5): 1, (1, 2, 1, 2): 2, (1, 2, 1): 3, (1, 1, 2, 1, 1, 2): 3}
    assert {each: smallest_period(each) for each in words} == words
