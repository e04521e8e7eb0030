"""Windows, frames and poolings in C++ equal their operators: beats, reads and steps, over all shapes."""

from math import gcd

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hbnn_hw.backends.hls import HlsTool
from hbnn_hw.backends.hls.layers import layer_values
from hbnn_hw.backends.hls.windows import Buffer, place_buffer, ring_distance
from hbnn_hw.errors import FoldingError, GraphError
from hbnn_hw.folding import divisors
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import (
    EncodeBitPlanes,
    Pad,
    PadPlanes,
    Pool,
    PoolKind,
    SlidingWindow,
    WidthConverter,
    WindowPool,
)
from hbnn_hw.ops.base import Tensor
from hbnn_hw.streams import sample_interval
from hbnn_hw.types import Bordered, Integers, PlaneMask, Planes, TensorType
from hbnn_hw.verify.csim import SANITIZERS, run_csim
from hbnn_hw.windows import span
from tests.hls.layer_bench import BRANCHES, Layer
from tests.hls.networks import export
from tests.tables import rows

pytestmark = pytest.mark.hls

# Each example is a compilation of a dozen layers; a smaller one would tell no more than the message does.
FEW = settings(
    max_examples=3,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


SIDES = st.sampled_from([1, 2, 3, 4, 5, 7, 8, 11, 13])
CHANNELS = st.sampled_from([1, 2, 3, 4, 5, 6, 8, 12])
SCALES = [(1,), (3,), (1, 2), (1, 2, 4), (2, 1), (1, 1), (3, 2, 1), (1, 2, 3), (5, 1, 1, 2)]
PLANES = st.sampled_from(SCALES).map(Planes)
INTEGERS = st.sampled_from(
    [(0, 1), (-1, 0), (0, 0), (-4, 3), (-5, 9), (0, 255), (3, 17), (-(2**31), 2**31 - 1), (-9, -2)]
).map(lambda ends: Integers(*ends))

ELEMENTS = st.one_of(PLANES, INTEGERS, PLANES.map(Bordered))
PADDINGS = st.tuples(*[st.integers(0, 3)] * 4)


@st.composite
def images(draw, elements=ELEMENTS):
    return TensorType((draw(SIDES), draw(SIDES), draw(CHANNELS)), draw(elements))


@st.composite
def sliding_windows(draw):
    source = draw(images())
    rows, columns, channels = source.shape
    kernel, dilation = [], []
    for side in (rows, columns):
        apart = draw(st.integers(1, 3))
        kernel.append(draw(st.integers(1, min(4, (side - 1) // apart + 1))))
        dilation.append(apart)
        assert span(kernel[-1], apart) <= side
    block = draw(st.sampled_from(divisors(channels)))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    lanes = draw(st.sampled_from(divisors(block)))
    op = SlidingWindow(
        kernel=tuple(kernel), stride=stride, dilation=tuple(dilation), block=block, lanes=lanes
    )
    return Layer(op, source)


@st.composite
def pads(draw):
    source = draw(images(INTEGERS))
    channels = draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    lanes = draw(st.sampled_from(divisors(gcd(source.shape[2], *channels))))
    value = draw(st.sampled_from([0, -1, 1, 300, -300, -(2**33)]))
    return Layer(Pad(padding=draw(PADDINGS), channels=channels, value=value, lanes=lanes), source)


@st.composite
def plane_pads(draw):
    source = draw(images(PLANES))
    bits = st.tuples(*[st.integers(0, 1)] * source.element.n_planes)
    lanes = draw(st.sampled_from(divisors(source.shape[2])))
    return Layer(PadPlanes(padding=draw(PADDINGS), frame=draw(st.none() | bits), lanes=lanes), source)


def smallest(draw, channels):
    wanted = draw(st.none() | st.lists(st.booleans(), min_size=channels, max_size=channels))
    return None if wanted is None else np.asarray(wanted)


@st.composite
def pools(draw):
    kind = draw(st.sampled_from(PoolKind))
    source = draw(images(INTEGERS if kind is PoolKind.SUM else st.one_of(PLANES, INTEGERS)))
    rows, columns, channels = source.shape
    kernel = draw(st.integers(1, rows)), draw(st.integers(1, columns))
    stride = tuple(side + draw(st.sampled_from([0, 0, 1, 3])) for side in kernel)
    turned = None if kind is PoolKind.SUM else smallest(draw, channels)
    lanes = draw(st.sampled_from(divisors(channels)))
    return Layer(Pool(kind=kind, kernel=kernel, stride=stride, smallest=turned, lanes=lanes), source)


@st.composite
def window_pools(draw):
    kind = draw(st.sampled_from(PoolKind))
    source = draw(images(INTEGERS if kind is PoolKind.SUM else ELEMENTS))
    window, (rows, columns, channels) = draw(st.integers(1, 9)), source.shape
    turned = None if kind is PoolKind.SUM else smallest(draw, channels)
    lanes = draw(st.sampled_from(divisors(channels)))
    op = WindowPool(kind=kind, window=window, block=lanes, smallest=turned, lanes=lanes)
    return Layer(op, TensorType((rows, columns, channels * window), source.element))


def layers(strategy, n=12):
    return st.lists(strategy, min_size=n, max_size=n)


@FEW
@given(layers=layers(sliding_windows(), 16), seed=st.integers(0, 99))
def test_sliding_windows(clang_bench, layers, seed):
    clang_bench.check(layers, seed=seed)


@FEW
@given(layers=layers(st.one_of(pads(), plane_pads())), seed=st.integers(0, 99))
def test_frames(clang_bench, layers, seed):
    clang_bench.check(layers, seed=seed)


@FEW
@given(layers=layers(pools()), seed=st.integers(0, 99))
def test_pools(clang_bench, layers, seed):
    clang_bench.check(layers, seed=seed)


@FEW
@given(layers=layers(window_pools()), seed=st.integers(0, 99))
def test_window_pools(clang_bench, layers, seed):
    clang_bench.check(layers, seed=seed)


def window(shape, element, kernel, stride=(1, 1), dilation=(1, 1), *, block, lanes):
    op = SlidingWindow(kernel=kernel, stride=stride, dilation=dilation, block=block, lanes=lanes)
    return Layer(op, TensorType(shape, element))


def pool(shape, element, kernel, stride=None, kind=PoolKind.MAX, turned=None, *, lanes):
    op = Pool(kind=kind, kernel=kernel, stride=stride or kernel, smallest=turned, lanes=lanes)
    return Layer(op, TensorType(shape, element))


def window_pool(shape, element, window, kind=PoolKind.MAX, turned=None, *, lanes):
    op = WindowPool(kind=kind, window=window, block=lanes, smallest=turned, lanes=lanes)
    return Layer(op, TensorType(shape, element))


BIT, CODE, LEVELS = Planes((1,)), Planes((1, 2)), Planes((3, 2, 1))
BYTE, WORD = Integers(-128, 127), Integers(-(2**31), 2**31 - 1)
ODD = np.arange(80) % 2 == 1

NAMED = {
    # Beats of one word, just beyond one, and of several; rings in registers, in LUT RAM and in block RAM.
    "window_of_one_pixel": window((1, 1, 1), BIT, (1, 1), block=1, lanes=1),
    "window_of_one_row": window((1, 13, 4), CODE, (1, 3), (1, 2), block=4, lanes=2),
    "window_of_one_column": window((11, 1, 3), BYTE, (3, 1), (2, 1), (2, 1), block=3, lanes=3),
    "window_of_65_bits": window((5, 4, 64), Bordered(BIT), (3, 3), block=64, lanes=64),
    "window_of_words": window((4, 5, 70), CODE, (2, 2), (2, 1), block=70, lanes=70),
    "window_of_single_channels": window((7, 9, 6), BYTE, (3, 3), (2, 2), block=1, lanes=1),
    "window_of_every_fourth": window((13, 11, 2), BIT, (1, 1), (4, 4), block=2, lanes=1),
    "window_between_rows": window((11, 7, 2), BIT, (2, 3), (4, 1), (1, 3), block=2, lanes=2),
    "window_of_lut_ram": window((9, 17, 2), BIT, (3, 3), (1, 1), block=2, lanes=1),
    "window_of_block_ram": window((9, 31, 8), WORD, (3, 3), (2, 2), (2, 2), block=4, lanes=2),
    "frame_of_a_code": Layer(
        PadPlanes(padding=(1, 0, 2, 3), frame=(1, 0, 1), lanes=3), TensorType((3, 2, 6), LEVELS)
    ),
    "frame_of_nothing": Layer(PadPlanes(padding=(0, 2, 1, 0), lanes=32), TensorType((2, 3, 32), CODE)),
    "frame_of_numbers": Layer(
        Pad(padding=(2, 1, 0, 1), channels=(6, 3), value=-300, lanes=3), TensorType((3, 3, 6), BYTE)
    ),
    "frame_of_wide_numbers": Layer(
        Pad(padding=(0, 0, 1, 1), value=2**33, lanes=5), TensorType((2, 2, 5), WORD)
    ),
    "frame_of_no_pixels": Layer(PadPlanes(padding=(0,) * 4, frame=(0,), lanes=1), TensorType((1, 1, 1), BIT)),
    "or": pool((6, 6, 80), BIT, (2, 2), lanes=80),
    "or_and": pool((5, 7, 80), BIT, (2, 3), turned=ODD, lanes=20),
    "codes": pool((5, 6, 4), CODE, (2, 2), turned=ODD[:4], lanes=2),
    "levels": pool((6, 4, 40), LEVELS, (3, 2), turned=ODD[:40], lanes=40),
    "numbers": pool((4, 4, 6), WORD, (2, 2), turned=ODD[:6], lanes=3),
    "sums": pool((7, 7, 6), WORD, (7, 7), kind=PoolKind.SUM, lanes=3),
    "sums_of_bytes": pool((4, 9, 5), Integers(0, 255), (2, 2), (3, 4), kind=PoolKind.SUM, lanes=5),
    "row_of_results": pool((4, 41, 2), BYTE, (2, 1), (2, 1), lanes=2),
    "pixel_of_results": pool((3, 3, 40), BYTE, (3, 3), lanes=1),
    "long_row_of_results": pool((2, 80, 4), WORD, (2, 2), lanes=2),
    "bits_in_a_frame": window_pool((2, 3, 70 * 9), Bordered(BIT), 9, turned=ODD[:70], lanes=70),
    "codes_in_a_frame": window_pool((3, 2, 32 * 4), Bordered(CODE), 4, turned=ODD[:32], lanes=16),
    "levels_in_a_frame": window_pool((3, 3, 2 * 6), Bordered(LEVELS), 6, lanes=1),
    "numbers_of_windows": window_pool((2, 2, 4 * 9), WORD, 9, turned=ODD[:4], lanes=4),
    "sums_of_windows": window_pool((2, 2, 4 * 9), BYTE, 9, PoolKind.SUM, lanes=2),
    "window_of_one": window_pool((2, 2, 3), BYTE, 1, lanes=3),
}


@pytest.mark.parametrize(
    ("compiled_by", "flags", "tool", "every"),
    rows(
        [
            ("clang_bench", (), HlsTool.VIVADO_HLS, 1),
            ("bench", SANITIZERS, HlsTool.VIVADO_HLS, 6),
            ("bench", SANITIZERS, HlsTool.VIVADO_HLS, 1),
            ("bench", BRANCHES, HlsTool.VITIS_HLS, 1),
        ],
        usual=lambda compiled_by, flags, tool, every: compiled_by == "clang_bench" or every > 1,
    ),
    ids=["native", "some sanitized", "sanitized", "synthesis"],
)
def test_named_layers(request, compiled_by, flags, tool, every):
    """Sanitizers make a program of all layers a half-minute's compilation: the usual run has every sixth."""
    request.getfixturevalue(compiled_by).check(list(NAMED.values())[::every], *flags, tool=tool)


# --- whole accelerators


def chain(name, element, shape, *ops):
    """A network of operators one behind the other."""
    names = ["x", *(f"unit{index}" for index in range(len(ops)))]
    nodes = tuple(
        Node(after, op, (before,)) for before, after, op in zip(names, names[1:], ops, strict=False)
    )
    graph = Graph(name, "x", TensorType(shape, element), nodes)
    graph.check()
    return graph


def sliding(kernel, stride=(1, 1), dilation=(1, 1), *, block, lanes):
    return SlidingWindow(kernel=kernel, stride=stride, dilation=dilation, block=block, lanes=lanes)


def maximum(kernel, *, lanes):
    return Pool(kind=PoolKind.MAX, kernel=kernel, stride=kernel, lanes=lanes)


CHAINS = {
    "frame_of_nothing": lambda: chain(
        "nothing",
        Integers(0, 7),
        (5, 4, 6),
        EncodeBitPlanes(n_bits=3, lanes=2),
        PadPlanes(padding=(1, 1, 1, 1), lanes=2),
        sliding((3, 3), (2, 2), block=2, lanes=2),
        WindowPool(kind=PoolKind.MAX, window=9, block=2, smallest=np.arange(6) < 3, lanes=2),
        maximum((2, 1), lanes=2),
    ),
    "frame_of_a_code": lambda: chain(
        "code",
        Integers(0, 3),
        (3, 7, 4),
        EncodeBitPlanes(n_bits=2, lanes=4),
        maximum((1, 2), lanes=4),
        WidthConverter(lanes_from=4, lanes_to=2),
        PadPlanes(padding=(2, 0, 0, 1), frame=(0, 1), lanes=2),
        sliding((2, 2), (1, 2), (3, 1), block=4, lanes=2),
    ),
    "numbers": lambda: chain(
        "numbers",
        Integers(-100, 100),
        (6, 5, 2),
        Pad(padding=(0, 1, 1, 0), channels=(2, 0), value=-101, lanes=2),
        sliding((2, 3), (1, 1), block=2, lanes=2),
        WindowPool(kind=PoolKind.SUM, window=6, block=2, lanes=2),
        Pool(kind=PoolKind.SUM, kernel=(2, 2), stride=(2, 2), lanes=2),
        Pool(kind=PoolKind.MAX, kernel=(3, 2), stride=(3, 2), smallest=np.array([1, 0, 0, 1]) == 1, lanes=2),
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_accelerators_of_windows_equal_golden(name, tmp_path, csim_tools):
    graph = CHAINS[name]()
    result = run_csim(export(tmp_path, graph), tools=csim_tools)
    assert result.images == 8
    assert result.interval_cycles == sample_interval(graph)


# --- memories and refusals


def values(layer):
    return layer_values(layer.graph, layer.graph.nodes[0], 0, "layer")


@settings(deadline=None)
@given(sliding_windows())
def test_the_ring_is_read_no_sooner_than_it_says(layer):
    """Every read of every row of places against the step that put the beat in."""
    op, source = layer.op, layer.source
    row, fill = op.row_beats(source), op.spans[0] * op.row_beats(source)
    numbers = TensorType(source.shape, Integers(0, source.n_elements))
    positions = np.arange(source.n_elements).reshape(1, *source.shape)
    shown = op.compute(Tensor(numbers, positions)).reshape(op.sides(source)[0], -1, op.lanes)
    at = shown[:, :, 0] // op.lanes
    per_row = max(op.place_row_beats(source), op.stride[0] * row)
    read_at = fill + np.arange(len(at))[:, np.newaxis] * per_row + np.arange(at.shape[1])
    place_rows, within = np.divmod(np.arange(source.n_elements // op.lanes) - fill, op.stride[0] * row)
    put_at = np.where(place_rows < 0, np.arange(len(place_rows)), fill + place_rows * per_row + within)
    assert ring_distance(op, source) == (read_at - put_at[at]).min() > 0


@pytest.mark.parametrize(
    ("name", "buffer", "core"),
    [
        ("window_of_65_bits", "ring", None),
        ("window_of_lut_ram", "ring", "RAM_S2P_LUTRAM"),
        ("window_of_block_ram", "ring", "RAM_S2P_BRAM"),
        ("pixel_of_results", "pixel", "RAM_S2P_LUTRAM"),
        ("long_row_of_results", "row", "RAM_S2P_LUTRAM"),
        ("or", "row", None),
    ],
)
def test_buffers_go_to_the_memory_of_their_size(name, buffer, core):
    assert values(NAMED[name])[buffer].core == core


def test_a_buffer_that_is_read_at_once_stays_in_registers_as_far_as_the_tools_allow():
    assert place_buffer("x", "ring", depth=1024, bits=1, distance=7) == Buffer(None, 7)
    assert place_buffer("x", "ring", depth=1025, bits=9, distance=8) == Buffer("RAM_S2P_BRAM", 8)
    with pytest.raises(FoldingError, match="layer 'x': the ring must have at most 1024 elements"):
        place_buffer("x", "ring", depth=1025, bits=1, distance=7)


MASKED = Planes((2, 1), PlaneMask.of(np.arange(8).reshape(2, 2, 2, 1) > 0))


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        (
            window((2, 2, 4), BIT, (1, 1), block=2, lanes=4),
            FoldingError,
            "lanes must divide its 2 channels, not be 4",
        ),
        (
            Layer(Pad(channels=(1, 2), lanes=2), TensorType((1, 1, 2), BYTE)),
            FoldingError,
            "lanes must divide its 2, 1, 2 channels, not be 2",
        ),
        (
            Layer(Pad(padding=(1,) * 4, lanes=1), TensorType((1, 1, 2), CODE)),
            GraphError,
            "decode them before it",
        ),
        (pool((2, 2, 1), CODE, (2, 2), kind=PoolKind.SUM, lanes=1), GraphError, "decode them before it"),
        (pool((2, 2, 1), MASKED, (1, 1), lanes=1), GraphError, "planes without a map"),
        (
            pool((2, 2, 1), Integers(0, 2**64 - 1), (2, 2), kind=PoolKind.SUM, lanes=1),
            GraphError,
            "at most 64 bits, not 66",
        ),
        (
            Layer(WindowPool(kind=PoolKind.MAX, window=2, block=2, lanes=1), TensorType((1, 1, 4), BIT)),
            FoldingError,
            "lanes must be its block of 2, not 1",
        ),
    ],
)
def test_layers_that_cannot_be_are_refused(layer, error, message):
    with pytest.raises(error, match=f"'y'.*{message}"):
        values(layer)
