"""Windows, frames and poolings in C++ equal their operators: beats, reads and steps, over all shapes."""

from math import gcd

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hbnn_hw.backends.hls import HlsTool
from hbnn_hw.folding import divisors
from hbnn_hw.ops import Pad, PadPlanes, Pool, PoolKind, SlidingWindow, WindowPool
from hbnn_hw.types import Bordered, Integers, Planes, TensorType
from hbnn_hw.windows import span
from tests.hls.layer_bench import BRANCHES, SANITIZED, Layer, LayerBench

pytestmark = pytest.mark.hls

# Each example is a compilation of a dozen layers; a smaller one of the same kind tells no more than the message.
FEW = settings(
    max_examples=4,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def bench(compiler, tmp_path_factory):
    return LayerBench(compiler.path, tmp_path_factory.mktemp("layers"))


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
def test_sliding_windows(bench, layers, seed):
    bench.check(layers, seed=seed)


@FEW
@given(layers=layers(st.one_of(pads(), plane_pads())), seed=st.integers(0, 99))
def test_frames(bench, layers, seed):
    bench.check(layers, seed=seed)


@FEW
@given(layers=layers(pools()), seed=st.integers(0, 99))
def test_pools(bench, layers, seed):
    bench.check(layers, seed=seed)


@FEW
@given(layers=layers(window_pools()), seed=st.integers(0, 99))
def test_window_pools(bench, layers, seed):
    bench.check(layers, seed=seed)
