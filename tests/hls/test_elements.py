"""Operators on single elements in C simulation equal their own plain meaning bit for bit."""

import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hbnn_hw.backends.hls import HlsTool, emit
from hbnn_hw.backends.hls.elements import mask_words
from hbnn_hw.errors import FoldingError, GraphError, MismatchError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Decode, Rescale, Threshold, Thresholds
from hbnn_hw.types import Integers, PlaneMask, Planes, TensorType
from hbnn_hw.verify.csim import CsimTools, run_csim
from hbnn_hw.verify.hls_lint import lint
from tests.hls.conftest import QUICK
from tests.hls.lint.projects import HEADERS
from tests.hls.networks import TARGET, export, golden
from tests.hls.streams import Builder

pytestmark = pytest.mark.hls

SLOW = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
"""Each example compiles a program of many operators."""

SYNTHESIS = "-DHBNN_SYNTHESIS_BRANCHES"
BRANCHES = ((), (SYNTHESIS,))


def check(graph, tools, *flags, tool=HlsTool.VIVADO_HLS, sanitize=False, batch=8):
    """Hold the C simulation of a graph against its meaning, output by output and step by step."""
    graph.check()
    tools = replace(tools, extra_flags=(*tools.extra_flags, *flags))
    with tempfile.TemporaryDirectory() as folder:
        result = run_csim(export(Path(folder), graph, tool, batch), tools=tools, sanitize=sanitize)
    assert result.images == batch


def random_mask(rng, n_planes, shape, by_channel):
    """Nested planes under a random bit map, entries without planes included."""
    bits = rng.integers(0, n_planes + 1, shape[-1:] if by_channel else shape)
    mask = np.broadcast_to(bits, shape)[np.newaxis] > np.arange(n_planes).reshape(-1, *(1 for _ in shape))
    return mask.astype(np.uint8)


def everything(seed, pixels, channels, lanes, low, span):
    """A network with every operator on elements, of several widths and signs, all seen outside."""
    rng = np.random.default_rng(seed)
    net = Builder(seed, (*pixels, channels), low, low + span, lanes)
    shape = (*pixels, channels)
    start = net.fork("x")
    # Three pieces; one piece with products of up to 51 bits.
    bent = net.rescale(start, pieces=3, shift=int(rng.integers(0, 9)), bits=7)
    line = net.rescale(start, pieces=1, shift=int(rng.integers(25, 45)), bits=29)
    codes = net.threshold(start, n_bits=int(rng.integers(1, 4)))
    mask = random_mask(rng, 3, shape, by_channel=bool(rng.integers(2)))
    masked = net.threshold(start, n_bits=3, scales=(7, 2, 1), mask=mask)
    uneven = net.threshold(start, n_bits=2, scales=(5, 1))
    total = net.add(bent, line, *map(net.decode, (codes, masked, uneven)))
    net.concat(total, start, net.rescale(start, pieces=2, shift=3, bits=4))
    return net.graph


@st.composite
def shapes(draw):
    """Images and vectors, down to one element, with lanes that divide the channels."""
    pixels = draw(st.sampled_from([(), (1, 1), (2, 3), (3, 1)]))
    channels = draw(st.sampled_from([1, 2, 3, 6, 8, 15]))
    return pixels, channels, draw(st.sampled_from([d for d in range(1, channels + 1) if channels % d == 0]))


@SLOW
@given(
    seed=st.integers(0, 1 << 30),
    shape=shapes(),
    low=st.sampled_from([-(1 << 21), -255, -1, 0, 3]),
    span=st.sampled_from([0, 1, 6, 255, (1 << 21) - 1]),
    flags=st.sampled_from(BRANCHES),
    tool=st.sampled_from(HlsTool),
)
def test_all_operators_together(clang_tools, seed, shape, low, span, flags, tool):
    check(everything(seed, *shape, low, span), clang_tools, *flags, tool=tool)


@pytest.mark.parametrize("flags", BRANCHES, ids=["native", "synthesis"])
def test_beats_beyond_64_bits(flags, csim_tools):
    """Elements of 9, 30 and 3 bits that lie across the words of a beat, masks of wide beats included."""
    check(everything(3, (2, 1), 44, 22, -300, 599), csim_tools, *flags)


def test_sanitizers_find_nothing(compiler):
    check(everything(4, (2, 1), 12, 4, -7, 20), CsimTools(extra_flags=QUICK), sanitize=True)


# --- single operators at their extremes


@pytest.mark.parametrize("flags", BRANCHES, ids=["native", "synthesis"])
def test_products_of_52_bits_round_down(flags, csim_tools):
    """The largest products there may be, of either sign, and a shift that leaves their highest bits."""
    most = (1 << 21) - 1
    multipliers = np.array([[most, -most, (1 << 30) - 1, -((1 << 30) - 1), 1, -1, 0, 3]])
    offsets = np.array([[(1 << 51) - 1, -(1 << 51), 0, 1 << 20, 0, 0, -1, (1 << 34) - 1]])
    op = Rescale(
        multipliers=multipliers, offsets=offsets, knees=np.empty((0, 8), np.int64), shift=35, lanes=4
    )
    graph = Graph("r", "x", TensorType((2, 1, 8), Integers(-most, most)), (Node("rescaled", op, ("x",)),))
    assert op.sum_range(graph.input_type).bits == 53
    check(graph, csim_tools, *flags, batch=16)


def knees_and_levels():
    """Every integer of a range against knees and thresholds in it, at its ends and outside."""
    low, high = -3, 4
    n = high - low + 3
    edges = np.arange(low - 1, high + 2)
    net = Builder(0, (n,), low, high, 1)
    knees = np.sort(np.stack([edges, np.roll(edges, 3)]), axis=0)
    multipliers = np.array([[1], [-2], [3]]) * np.ones((1, n), np.int64)
    offsets = np.array([[0], [5], [-4]]) * np.ones((1, n), np.int64)
    start = net.fork("x")
    bent = net.put(Rescale(multipliers=multipliers, offsets=offsets, knees=knees, shift=1, lanes=1), start)
    tables = [np.sort(np.stack([edges, np.roll(edges, k), np.roll(edges, 2 * k)], 1), axis=1) for k in (0, 2)]
    codes = [
        net.put(Threshold(thresholds=Thresholds(table=table, inverted=edges % 2 == k), lanes=1), start)
        for k, table in enumerate(tables)
    ]
    net.add(bent, *map(net.decode, codes))
    return net.graph


@pytest.mark.parametrize("flags", BRANCHES, ids=["native", "synthesis"])
def test_knees_and_levels_at_and_beyond_the_ends(flags, csim_tools):
    check(knees_and_levels(), csim_tools, *flags, batch=64)


def test_sums_and_joins_of_one_sided_ranges(clang_tools):
    """A sum whose range is narrower than its terms, of numbers that are all negative or all positive."""
    net = Builder(1, (2, 2, 4), 5, 8, 2)
    start = net.fork("x")
    minus = Rescale(
        multipliers=np.full((1, 4), -1),
        offsets=np.full((1, 4), 4),
        knees=np.empty((0, 4), np.int64),
        shift=0,
        lanes=2,
    )
    below = net.put(minus, start)
    assert net.type(below).element == Integers(-4, -1)
    below = net.fork(below)
    total = net.add(start, below)
    assert net.type(total).element == Integers(1, 7)
    net.concat(total, start, below)
    check(net.graph, clang_tools)


def test_planes_are_joined_as_they_are(clang_tools):
    """Channels of 6 and 3 elements in beats of 3, and a fork that has three readers."""
    net = Builder(2, (2, 3, 6), 0, 7, 3)
    planes = net.fork(net.encode("x"))
    net.concat(planes, planes, planes)
    assert isinstance(net.graph.output_type.element, Planes)
    check(net.graph, clang_tools)
    check(net.graph, clang_tools, SYNTHESIS, tool=HlsTool.VITIS_HLS)


def test_masked_planes_leave_with_their_bits_at_0(clang_tools):
    """At the accelerator's edge the bits of planes that an element lacks are 0, by channel or position."""
    for by_channel in (True, False):
        net = Builder(5, (2, 3, 4), -9, 9, 2)
        net.threshold("x", n_bits=2, mask=random_mask(net.rng, 2, (2, 3, 4), by_channel))
        check(net.graph, clang_tools)


def test_converters_and_encoders_take_images_and_integers(clang_tools):
    """Beats run through rows, columns and channels; converters work on any elements."""
    net = Builder(6, (2, 3, 12), 0, 15, 4)
    net.converted("x", 12)
    net.converted(net.graph.output_name, 2)
    net.encode(net.graph.output_name)
    net.converted(net.graph.output_name, 6)
    net.decode(net.graph.output_name)
    net.converted(net.graph.output_name, 1)
    net.converted(net.graph.output_name, 3)
    assert [node.hardware.cycles(*net.graph.input_types(node)) for node in net.graph.nodes] == [
        *(18, 36, 36, 36, 12, 72, 72)
    ]
    check(net.graph, clang_tools)
    check(net.graph, clang_tools, SYNTHESIS)


# --- the class


@SLOW
@given(
    seed=st.integers(0, 1 << 30),
    classes=st.sampled_from([1, 2, 9, 10, 12]),
    low=st.sampled_from([-200, -3, 0, 2]),
    span=st.sampled_from([0, 2, 400]),
    shift=st.integers(0, 4),
    data=st.data(),
)
def test_arg_max(clang_tools, seed, classes, low, span, shift, data):
    lanes = data.draw(st.sampled_from([d for d in range(1, classes + 1) if classes % d == 0]))
    net = Builder(seed, (classes,), low, low + span, lanes)
    net.arg_max("x", shift)
    check(net.graph, clang_tools, *data.draw(st.sampled_from(BRANCHES)), batch=64)


def test_the_first_of_equal_classes_wins_across_lanes_and_beats(clang_tools):
    """All vectors of four scores out of three: every tie between lanes of a beat and between beats."""
    vectors = np.array(list(product((-1, 0, 1), repeat=4)))
    for lanes in (1, 2, 4):
        net = Builder(0, (4,), -1, 1, lanes)
        net.arg_max("x", 0)
        op = replace(net.graph.nodes[-1].op, offsets=np.zeros(4, np.int64))
        graph = Graph("ties", "x", net.graph.input_type, (Node("class", op, ("x",)),))
        assert graph.run(vectors).data[:, 0].tolist() == [list(v).index(max(v)) for v in vectors]
        check(graph, clang_tools, batch=81)


# --- what the values say


def test_masks_that_are_the_same_at_all_pixels_are_stored_once():
    rng = np.random.default_rng(0)
    by_channel = random_mask(rng, 2, (3, 4, 6), by_channel=True)
    words = mask_words(PlaneMask.of(by_channel), lanes=3)
    assert words.shape == (2, 6)
    # Element i of a beat has its planes in bits 2 i and 2 i + 1.
    assert words.tolist() == by_channel[:, 0, 0].T.reshape(2, 6).tolist()
    by_channel[1, 2, 3, 5] ^= 1
    assert mask_words(PlaneMask.of(by_channel), lanes=3).shape == (24, 6)


def layer_text(graph, name):
    return emit(graph, golden(graph, 1), TARGET)[f"src/layers/{name}.h"]


def test_masks_lie_where_they_are_needed_and_nowhere_twice():
    net = Builder(7, (2, 2, 4), -5, 5, 2)
    mask = random_mask(net.rng, 2, (2, 2, 4), by_channel=False)
    codes = net.threshold("x", n_bits=2, scales=(3, 1), mask=mask)
    wide = net.converted(codes, 4)
    value = net.decode(wide)
    graph = net.graph
    assert "NoMasks<4>" in layer_text(graph, codes)
    assert "SharedRom<8, 4>" in layer_text(graph, value)
    alone = Graph("alone", "x", graph.input_type, graph.nodes[:1])
    with pytest.raises(GraphError, match="uniform codes can cross the edge"):
        emit(alone, golden(alone, 1), TARGET)


def test_deep_tables_go_to_block_ram_and_single_words_to_logic():
    assert "core=" not in layer_text(everything(0, (2,), 4, 4, 0, 3), "rescale1")
    assert layer_text(everything(0, (2,), 128, 1, 0, 3), "rescale1").count("core=ROM_1P_LUTRAM") == 3
    assert layer_text(everything(0, (2,), 129, 1, 0, 3), "rescale1").count("core=ROM_1P_BRAM") == 3


def test_what_the_kernels_do_not_compute_is_refused():
    encoded = Builder(0, (4,), 0, 1, 2)
    start = encoded.fork(encoded.encode("x"))
    encoded.add(start, start)
    with pytest.raises(GraphError, match=r"'add2' must read integers, not Planes.*; lower the graph"):
        emit(encoded.graph, golden(encoded.graph, 1), TARGET)
    table = np.zeros((16, 127), np.int64)
    many = Threshold(thresholds=Thresholds(table=table, inverted=np.zeros(16, bool)), lanes=16)
    graph = Graph("many", "x", TensorType((16,), Integers(0, 1)), (Node("t", many, ("x",)),))
    with pytest.raises(FoldingError, match="layer 't': the set of threshold ROMs must have at most 1024"):
        emit(graph, golden(graph, 1), TARGET)
    wide = Graph("wide", "x", TensorType((4,), Planes((1 << 58, 1 << 58, 1 << 59))), ())
    node = Node("d", Decode(lanes=1), ("x",))
    wide = Graph("wide", "x", wide.input_type, (node,))
    with pytest.raises(GraphError, match="'d': the decoded element must have at most 60 bits, not 62"):
        emit(wide, golden(graph, 1), TARGET)


@pytest.mark.parametrize("tool", HlsTool)
def test_the_linter_finds_nothing(tool, tmp_path):
    net = Builder(3, (12,), -200, 200, 3)
    net.arg_max("x", 2)
    for index, graph in enumerate((everything(5, (2, 3), 6, 2, -255, 255), net.graph)):
        folder = export(tmp_path / str(index), graph, tool)
        assert lint(folder / "hls", headers=HEADERS) == ()


# --- planted faults


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("src/lib/elements.h", "sum >> Layer::SHIFT", "sum / (1LL << Layer::SHIFT)"),
        ("src/lib/elements.h", "plain_t(x[lane]) ^ top", "plain_t(x[lane]) | top"),
        ("src/lib/elements.h", "x >= knees.at", "x > knees.at"),
        ("src/lib/elements.h", "bits[plane] && present[plane]", "bits[plane]"),
        ("src/lib/numbers.h", "SIGNED ? 1ULL << (BITS - 1) : 0ULL", "0ULL"),
    ],
)
def test_planted_faults_are_found(file, right, wrong, tmp_path, clang_tools):
    folder = export(tmp_path, everything(8, (2, 2), 6, 3, -20, 40), batch=32)
    path = folder / "hls" / file
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong))
    with pytest.raises(MismatchError, match="outputs differ"):
        run_csim(folder, tools=clang_tools)


def test_a_tie_that_goes_to_the_last_class_is_found(tmp_path, clang_tools):
    net = Builder(9, (6,), -1, 1, 2)
    net.arg_max("x", 0)
    folder = export(tmp_path, net.graph, batch=64)
    path = folder / "hls" / "src" / "lib" / "arg_max.h"
    path.write_text(path.read_text().replace("largest > best", "largest >= best"))
    with pytest.raises(MismatchError, match="outputs differ"):
        run_csim(folder, tools=clang_tools)
