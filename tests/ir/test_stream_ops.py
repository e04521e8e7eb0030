"""Operators on streams of images: what they mean, when they read, and how long they take."""

from math import gcd, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.folding import divisors
from hbnn_hw.ops import (
    MaxPool,
    Pad,
    PadPlanes,
    Pool,
    PoolKind,
    SlidingWindow,
    SumPool,
    WindowPool,
)
from hbnn_hw.ops.base import Tensor, integers_of
from hbnn_hw.types import Bordered, Integers, PlaneMask, Planes, TensorType
from tests.graphs import random_convolution

BYTE = Integers(-128, 127)
SCALES = [(1,), (1, 2), (3, 2, 1), (1, 1)]


def random_image(rng, shape, element, batch=2):
    if isinstance(element, Integers):
        data = rng.integers(element.low, element.high, (batch, *shape), endpoint=True)
    else:
        data = rng.integers(0, 2, (batch, element.bits, *shape), dtype=np.uint8)
    return Tensor(TensorType(shape, element), data)


def numbered(source):
    """An image whose elements are their own positions in the stream."""
    positions = np.arange(source.n_elements).reshape(1, *source.shape)
    return Tensor(TensorType(source.shape, Integers(0, source.n_elements - 1)), positions)


@st.composite
def rngs(draw):
    return np.random.default_rng(draw(st.integers(0, 99999)))


@st.composite
def windows(draw):
    """A sliding window with lanes, and the image that it reads."""
    shape, kernel, dilation = [], [], []
    for _ in range(2):
        kernel.append(draw(st.integers(1, 4)))
        dilation.append(draw(st.integers(1, 3)))
        shape.append((kernel[-1] - 1) * dilation[-1] + 1 + draw(st.integers(0, 6)))
    channels = draw(st.integers(1, 8))
    block = draw(st.sampled_from(divisors(channels)))
    lanes = draw(st.sampled_from(divisors(block)))
    stride = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    op = SlidingWindow(
        kernel=tuple(kernel), stride=stride, dilation=tuple(dilation), block=block, lanes=lanes
    )
    return op, TensorType((*shape, channels), BYTE)


# --- sliding windows


@settings(deadline=None)
@given(windows(), rngs())
def test_a_window_shows_blocks_of_what_it_sees_in_the_order_of_its_definition(case, rng):
    op, source = case
    image = random_image(rng, source.shape, BYTE)
    found = op.run(image)
    rows, columns, _ = found.type.shape
    for r, c in np.ndindex(rows, columns):
        seen = [
            image.data[
                :, r * op.stride[0] + i * op.dilation[0], c * op.stride[1] + j * op.dilation[1], at + k
            ]
            for at in range(0, source.shape[2], op.block)
            for i in range(op.kernel[0])
            for j in range(op.kernel[1])
            for k in range(op.block)
        ]
        assert np.array_equal(found.data[:, r, c], np.stack(seen, axis=1))


@settings(deadline=None)
@given(windows(), st.integers(1, 3), rngs())
def test_a_convolution_is_a_matrix_product_with_what_a_window_shows(case, per_group, rng):
    window, source = case
    groups = source.shape[2] // window.block
    op = random_convolution(
        rng,
        source.shape,
        outputs=per_group,
        kernel=window.kernel,
        coefficients=(2, 1),
        groups=groups,
        stride=window.stride,
        dilation=window.dilation,
    )
    image = random_image(rng, source.shape, BYTE)
    seen = window.compute(image)
    vectors = seen.reshape(*seen.shape[:3], groups, -1)
    matrices = op.weights.values().reshape(groups, per_group, -1)
    sums = np.einsum("brcgk,gok->brcgo", vectors, matrices).reshape(*seen.shape[:3], -1)
    assert np.array_equal(sums, op.compute(image))


@settings(deadline=None)
@given(windows(), st.sampled_from(SCALES), st.booleans(), rngs())
def test_a_window_moves_elements_whatever_they_are(case, scales, framed, rng):
    op, source = case
    image = random_image(rng, source.shape, Planes(scales))
    if framed:
        image = PadPlanes(padding=(1, 0, 2, 1)).run(image)
    numbers = Tensor(TensorType(image.type.shape, BYTE), integers_of(image))
    shown = op.run(image)
    assert shown.type.element == image.type.element
    assert np.array_equal(integers_of(shown), op.compute(numbers))


# --- frames


@settings(deadline=None)
@given(st.sampled_from(SCALES), st.tuples(*[st.integers(0, 3)] * 4), st.booleans(), rngs())
def test_a_frame_of_planes_is_a_code_or_counts_as_nothing(scales, padding, nothing, rng):
    image = random_image(rng, (3, 2, 2), Planes(scales))
    frame = None if nothing else tuple(int(bit) for bit in rng.integers(0, 2, len(scales)))
    framed = PadPlanes(padding=padding, frame=frame).run(image)
    value = 0 if nothing else sum(s if bit else -s for s, bit in zip(scales, frame, strict=True))
    top, bottom, left, right = padding
    widths = ((0, 0), (top, bottom), (left, right), (0, 0))
    assert np.array_equal(integers_of(framed), np.pad(integers_of(image), widths, constant_values=value))
    if nothing:
        planes, outside = framed.data[:, :-1], framed.data[:, -1]
        assert not (planes * outside[:, np.newaxis]).any()
        assert outside.sum() == len(outside) * (framed.type.n_elements - image.type.n_elements)
    else:
        assert framed.type.element == image.type.element


@pytest.mark.parametrize(
    ("value", "element"), [(0, Integers(-3, 5)), (9, Integers(-3, 9)), (-70, Integers(-70, 5))]
)
def test_a_frame_of_numbers_widens_their_range_and_may_have_channels(value, element):
    image = random_image(np.random.default_rng(1), (2, 3, 4), Integers(-3, 5))
    framed = Pad(padding=(1, 2, 0, 1), channels=(2, 4), value=value).run(image)
    assert framed.type == TensorType((5, 4, 10), element)
    assert np.array_equal(framed.data[:, 1:3, :3, 2:6], image.data)
    assert (framed.data == value).sum() >= 2 * (5 * 4 * 10 - 2 * 3 * 4)
    framed.data[:, 1:3, :3, 2:6] = value
    assert (framed.data == value).all()


# --- poolings


def maximum(kernel, stride, padding=(0,) * 4, smallest=None):
    return MaxPool(kernel=kernel, stride=stride, padding=padding, smallest=smallest)


@st.composite
def poolings(draw):
    """Kernel, stride and padding of a pooling, an image, and the channels that take the minimum."""
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = tuple(draw(st.integers(0, k - 1)) for k in (kernel[0],) * 2 + (kernel[1],) * 2)
    channels = draw(st.integers(1, 4))
    shape = (draw(st.integers(kernel[0], 7)), draw(st.integers(kernel[1], 7)), channels)
    smallest = draw(st.none() | st.lists(st.booleans(), min_size=channels, max_size=channels))
    return kernel, stride, padding, shape, None if smallest is None else np.asarray(smallest)


def pooled(image, kernel, stride, smallest=None, kind=PoolKind.MAX):
    shown = SlidingWindow(kernel=kernel, stride=stride, block=1, lanes=1).run(image)
    return WindowPool(kind=kind, window=prod(kernel), block=1, smallest=smallest, lanes=1).run(shown)


@settings(deadline=None)
@given(poolings(), st.sampled_from(SCALES), rngs())
def test_the_maximum_of_planes_in_windows_is_max_pool_bit_for_bit(case, scales, rng):
    """Bits, not values: of codes of the same value, both keep the first, and a frame is never chosen."""
    kernel, stride, padding, shape, smallest = case
    image = random_image(rng, shape, Planes(scales))
    framed = PadPlanes(padding=padding).run(image) if any(padding) else image
    found = pooled(framed, kernel, stride, smallest)
    expected = maximum(kernel, stride, padding, smallest).run(image)
    assert found.type == expected.type
    assert np.array_equal(found.data, expected.data)


@settings(deadline=None)
@given(poolings(), rngs())
def test_poolings_of_integers_in_windows_are_those_of_images(case, rng):
    kernel, stride, padding, shape, smallest = case
    image = random_image(rng, shape, BYTE)
    for plain, found in (
        (maximum(kernel, stride, smallest=smallest), pooled(image, kernel, stride, smallest)),
        (
            maximum(kernel, stride, padding),
            pooled(Pad(padding=padding, value=BYTE.low).run(image), kernel, stride),
        ),
        (
            SumPool(kernel=kernel, stride=stride, padding=padding),
            pooled(Pad(padding=padding).run(image), kernel, stride, kind=PoolKind.SUM),
        ),
    ):
        expected = plain.run(image)
        assert found.type.shape == expected.type.shape
        assert np.array_equal(found.data, expected.data)


@settings(deadline=None)
@given(poolings(), st.sampled_from([BYTE, *map(Planes, SCALES)]), rngs())
def test_pools_on_the_stream_equal_windows(case, element, rng):
    kernel, stride, _, shape, smallest = case
    stride = tuple(map(max, kernel, stride))
    image = random_image(rng, shape, element)
    found = Pool(kind=PoolKind.MAX, kernel=kernel, stride=stride, smallest=smallest).run(image)
    expected = pooled(image, kernel, stride, smallest)
    assert found.type == expected.type
    assert np.array_equal(found.data, expected.data)
    if isinstance(element, Integers):
        total = Pool(kind=PoolKind.SUM, kernel=kernel, stride=stride).run(image)
        expected = pooled(image, kernel, stride, kind=PoolKind.SUM)
        assert (total.type, total.data.tolist()) == (expected.type, expected.data.tolist())


# --- when they read


def check_reads(op, source, latest):
    """Hold ``reads`` against the position of the last element that each output element needs, -1 for none."""
    (reads,) = op.reads(source)
    result = op.infer(source)
    beats = source.n_elements // op.lanes_in
    assert reads.dtype == np.int64
    assert reads.shape == (result.n_elements // op.lanes_out,)
    assert (np.diff(reads) >= 0).all()
    assert 0 <= reads[0] <= reads[-1] <= beats <= op.cycles(source)
    needed = latest.reshape(-1, op.lanes_out).max(axis=1) // op.lanes_in + 1
    assert (needed <= reads).all()
    return reads, needed


def simulated(op, source):
    """Count the steps of a sliding window and what was read at each beat written, step by step."""
    row, total = op.row_beats(source), source.shape[0] * op.row_beats(source)
    taken = steps = op.spans[0] * row
    reads = []
    for _ in range(op.sides(source)[0]):
        to_write, to_read = op.place_row_beats(source), op.stride[0] * row
        row_steps, pace = max(to_write, to_read), 0
        for step in range(row_steps):
            steps += 1
            pace += to_read
            if pace >= row_steps:
                pace -= row_steps
                taken = min(taken + 1, total)
            if step < to_write:
                reads.append(taken)
    return steps, taken, reads


@settings(deadline=None)
@given(windows())
def test_windows_read_and_step_as_their_loop_does(case):
    op, source = case
    reads, _ = check_reads(op, source, op.compute(numbered(source)))
    steps, taken, simulated_reads = simulated(op, source)
    assert reads.tolist() == simulated_reads
    assert steps == op.cycles(source)
    assert taken == source.n_elements // op.lanes


@settings(deadline=None)
@given(windows())
def test_a_ring_of_rows_never_loses_what_is_still_to_be_shown(case):
    """Rows that a row of places sees, and as many as are new to the next, but no more than a window sees."""
    op, source = case
    reads, _ = check_reads(op, source, op.compute(numbered(source)))
    shown_rows = op.compute(numbered(source)).reshape(-1, op.lanes)[:, 0] // prod(source.shape[1:])
    needed_rows = np.minimum.accumulate(shown_rows[::-1])[::-1]
    read_rows = -(-reads // op.row_beats(source))
    kept = [
        sum(row % op.stride[0] < op.spans[0] or op.stride[0] <= op.spans[0] for row in range(first, last))
        for first, last in zip(needed_rows.tolist(), read_rows.tolist(), strict=True)
    ]
    assert max(kept) <= op.spans[0] + min(op.stride[0], op.spans[0])


@settings(deadline=None)
@given(
    st.tuples(*[st.integers(0, 3)] * 4),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 6)),
    st.data(),
)
def test_frames_read_exactly_what_they_write_from_the_image(padding, channels, shape, data):
    source = TensorType(shape, BYTE)
    lanes = data.draw(st.sampled_from(divisors(gcd(shape[2], *channels))))
    op = Pad(padding=padding, channels=channels, value=-1, lanes=lanes)
    reads, needed = check_reads(op, source, op.compute(numbered(source)))
    assert np.array_equal(np.maximum.accumulate(np.maximum(needed, 0)), reads)
    assert op.cycles(source) == op.infer(source).n_elements // lanes
    planes = TensorType(shape, Planes((1, 2)))
    framed = PadPlanes(padding=padding, lanes=lanes)
    latest = Pad(padding=padding, value=-1, lanes=lanes).compute(numbered(source))
    reads, needed = check_reads(framed, planes, latest)
    assert np.array_equal(np.maximum.accumulate(np.maximum(needed, 0)), reads)


@settings(deadline=None)
@given(poolings(), st.data())
def test_poolings_write_with_the_last_pixel_of_a_window(case, data):
    kernel, stride, _, shape, _ = case
    stride = tuple(map(max, kernel, stride))
    source = TensorType(shape, BYTE)
    lanes = data.draw(st.sampled_from(divisors(shape[2])))
    op = Pool(kind=PoolKind.MAX, kernel=kernel, stride=stride, lanes=lanes)
    reads, needed = check_reads(op, source, op.compute(numbered(source)))
    assert np.array_equal(reads, needed)
    assert op.cycles(source) == source.n_elements // lanes
    shown = TensorType((*shape[:2], prod(kernel) * shape[2]), BYTE)
    window = WindowPool(kind=PoolKind.MAX, window=prod(kernel), block=lanes, lanes=lanes)
    reads, needed = check_reads(window, shown, window.compute(numbered(shown)))
    assert np.array_equal(reads, needed)
    assert (window.cycles(shown), reads[-1]) == (shown.n_elements // lanes,) * 2


# --- how long they take


@pytest.mark.parametrize(
    ("image", "kernel", "stride", "channels", "lanes", "cycles"),
    [
        # CNV's convolutions, 3x3 without padding: fill, then 9 beats per place and lane group.
        (32, 3, 1, 3, 3, 32 * 3 + 30 * 30 * 9),
        (30, 3, 1, 64, 32, 30 * 3 * 2 + 28 * 28 * 18),
        (14, 3, 1, 64, 32, 14 * 3 * 2 + 12 * 12 * 18),
        (12, 3, 1, 128, 32, 12 * 3 * 4 + 10 * 10 * 36),
        (5, 3, 1, 128, 32, 5 * 3 * 4 + 3 * 3 * 36),
        (3, 3, 1, 256, 32, 3 * 3 * 8 + 1 * max(9 * 8, 3 * 8)),
        # Where a stride brings more new beats than are written, taking them sets the pace.
        (9, 1, 2, 4, 2, 9 * 2 + 5 * (2 * 9 * 2)),
        (8, 2, 4, 6, 6, 8 * 2 + 2 * (4 * 8)),
    ],
)
def test_windows_take_the_cycles_of_finns_unit(image, kernel, stride, channels, lanes, cycles):
    """IFM K C/S + OFM max(OFM K K C/S, stride IFM C/S). Source: FINN, sliding window unit."""
    op = SlidingWindow(kernel=(kernel,) * 2, stride=(stride,) * 2, block=channels, lanes=lanes)
    source = TensorType((image, image, channels), Planes((1,)))
    places, beats = (image - kernel) // stride + 1, channels // lanes
    formula = image * kernel * beats + places * max(places * kernel * kernel * beats, stride * image * beats)
    assert op.cycles(source) == cycles == formula


# --- what they refuse


@pytest.mark.parametrize(
    ("op", "source", "message"),
    [
        (
            SlidingWindow(kernel=(1, 1), stride=(1, 1), block=2),
            TensorType((2, 2, 3), BYTE),
            r"blocks of 2 channels, not \(2, 2, 3\)",
        ),
        (
            SlidingWindow(kernel=(3, 3), stride=(1, 1), block=1),
            TensorType((2, 4, 1), BYTE),
            "window of 3 pixels must fit",
        ),
        (
            SlidingWindow(kernel=(1, 1), stride=(1, 1), block=1),
            TensorType((1, 1, 2), Planes((1,), PlaneMask.of([[[[0, 1]]]]))),
            "not planes with a map",
        ),
        (PadPlanes(padding=(1, 1, 1, 1)), TensorType((2, 2, 1), BYTE), "needs an image of planes"),
        (
            PadPlanes(padding=(1, 1, 1, 1), frame=(1,)),
            TensorType((2, 2, 1), Planes((1, 2))),
            "the frame needs 2 bits, not 1",
        ),
        (Pad(padding=(1, 1, 1, 1)), TensorType((4,), BYTE), r"needs an image .*, not \(4,\)"),
        (
            WindowPool(kind=PoolKind.MAX, window=4, block=2),
            TensorType((1, 1, 12), BYTE),
            "windows of 4 elements do not fit",
        ),
        (
            WindowPool(kind=PoolKind.MAX, window=2, block=1, smallest=np.array([True])),
            TensorType((1, 1, 4), BYTE),
            "a pooling of 1 channels does not fit 2",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_refused(op, source, message):
    with pytest.raises(ShapeError, match=message):
        op.infer(source)


def test_units_that_cannot_be_are_refused():
    with pytest.raises(ShapeError, match="must not overlap"):
        Pool(kind=PoolKind.MAX, kernel=(3, 3), stride=(2, 3))
    with pytest.raises(ShapeError, match="at least one channel, not 0"):
        SlidingWindow(kernel=(1, 1), stride=(1, 1), block=0)
    with pytest.raises(RangeError, match="must be bits"):
        PadPlanes(padding=(0,) * 4, frame=(2,))
    with pytest.raises(ShapeError, match="the padding must be 4 numbers from 0"):
        Pad(padding=(0, -1, 0, 0))


def test_a_frame_of_nothing_sums_to_nothing():
    image = random_image(np.random.default_rng(2), (2, 2, 1), Planes((2, 1)))
    framed = PadPlanes(padding=(1, 1, 1, 1)).run(image)
    assert framed.type.element == Bordered(Planes((2, 1)))
    total = pooled(framed, (4, 4), (1, 1), kind=PoolKind.SUM)
    assert total.data.reshape(2).tolist() == integers_of(image).sum(axis=(1, 2, 3)).tolist()
