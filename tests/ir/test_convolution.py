"""Convolutions: their definition in plain integers, the fast path, networks of them through the passes."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw import ir_file
from hbnn_hw.backends import rtl
from hbnn_hw.backends.golden import DotKernel, GoldenModel
from hbnn_hw.backends.golden import convolution as golden_convolution
from hbnn_hw.backends.golden.steps import step_of
from hbnn_hw.backends.golden.values import EXACT_IN_FLOAT32, Value
from hbnn_hw.errors import FoldingError, RangeError, ShapeError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.inspection import graph_text
from hbnn_hw.ops import (
    Affine,
    Convolution,
    EncodeBitPlanes,
    MaxPool,
    Mvtu,
    Sign,
    SignOfZero,
    Tensor,
    Threshold,
    Thresholds,
)
from hbnn_hw.options import parse_folding
from hbnn_hw.passes import PIPELINE, lower, simplify
from hbnn_hw.planes import decode
from hbnn_hw.target import Target
from hbnn_hw.types import Integers, Planes, Reals, TensorType
from hbnn_hw.weights import WeightPlanes
from tests.graphs import PoolAt, random_cnn, random_convolution, random_inputs


def planes_image(rng, batch, shape, scales):
    bits = rng.integers(0, 2, (batch, len(scales), *shape), dtype=np.uint8)
    return Tensor(TensorType(shape, Planes(scales)), bits)


def by_definition(op, image):
    """Every product of every output, one at a time, in Python's integers."""
    values = op.weights.values().tolist()
    (kr, kc), (sr, sc), (top, bottom, left, right) = op.kernel, op.stride, op.padding
    per_group, group_outputs = op.group_inputs, op.weights.rows // op.groups
    rows, columns = image.shape[1:3]
    out_rows, out_columns = (rows + top + bottom - kr) // sr + 1, (columns + left + right - kc) // sc + 1
    result = np.zeros((len(image), out_rows, out_columns, op.weights.rows), dtype=np.int64)
    for n, r, c, o in product(*map(range, result.shape)):
        for i, j, k in product(range(kr), range(kc), range(per_group)):
            y, x = r * sr + i - top, c * sc + j - left
            inside = 0 <= y < rows and 0 <= x < columns
            pixel = int(image[n, y, x, o // group_outputs * per_group + k]) if inside else op.border
            result[n, r, c, o] += values[o][(i * kc + j) * per_group + k] * pixel
    return result


@st.composite
def cases(draw, largest_side=7):
    """A convolution of any kind with an image that fits, often of one pixel or one row."""
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    channels = groups * draw(st.integers(1, 3))
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    padding = tuple(draw(st.integers(0, 3)) for _ in range(4))
    smallest = (max(1, kernel[0] - sum(padding[:2])), max(1, kernel[1] - sum(padding[2:])))
    shape = (*(draw(st.integers(low, max(low, largest_side))) for low in smallest), channels)
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    op = random_convolution(
        rng,
        shape,
        outputs=draw(st.integers(1, 3)),
        kernel=kernel,
        coefficients=draw(st.sampled_from([(1,), (2, 1), (5, 3, 2)])),
        groups=groups,
        stride=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        padding=padding,
        border=draw(st.sampled_from([0, -1, 1, -256, 3])),
    )
    scales = draw(st.sampled_from([(1,), (1, 2, 4), (5, 2)]))
    return op, planes_image(rng, draw(st.integers(1, 3)), shape, scales)


@settings(max_examples=60, deadline=None)
@given(cases(largest_side=5))
def test_a_convolution_is_its_definition_within_its_proven_range(case):
    op, source = case
    out = op.run(source)
    assert np.array_equal(out.data, by_definition(op, decode(source.data, source.type.element.scales)))
    assert out.data.shape[1:] == out.type.shape
    assert isinstance(out.type.element, Integers)
    assert out.type.element.low <= out.data.min() <= out.data.max() <= out.type.element.high


@settings(max_examples=150, deadline=None)
@given(cases(), st.sampled_from(DotKernel))
def test_the_fast_paths_equal_the_plain_meaning(case, kernel):
    op, source = case
    assert np.array_equal(convolve(op, source, kernel), op.compute(source))


@settings(max_examples=60, deadline=None)
@given(cases(largest_side=5), st.integers(-300, 300), st.integers(0, 300))
def test_the_fast_path_takes_images_of_any_integers(case, low, extent):
    op, source = case
    image = np.random.default_rng(0).integers(low, low + extent + 1, (2, *source.type.shape))
    kinds = TensorType(source.type.shape, Integers(low, low + extent)), op.infer(source.type)
    step = step_of(op, kinds[:1], kinds[1], lambda *_: DotKernel.NUMBA)
    assert np.array_equal(step(Value(kinds[0], data=image)).data(), by_definition(op, image))


@pytest.mark.parametrize("groups", [1, 6])
def test_the_fast_path_does_not_depend_on_how_many_images_it_takes_at_a_time(monkeypatch, groups):
    rng = np.random.default_rng(groups)
    source = planes_image(rng, 7, (5, 6, 6), (1, 2))
    op = random_convolution(rng, (5, 6, 6), outputs=2, groups=groups, padding=(1, 1, 1, 1), border=-1)
    expected = op.compute(source)
    for largest in (1, 400, 1 << 24):
        monkeypatch.setattr(golden_convolution, "LARGEST_MATRIX", largest)
        assert np.array_equal(convolve(op, source), expected)


def test_sums_that_float32_cannot_hold_are_exact():
    """With a coefficient of 2^22 - 1 the sums of nine products leave 24 bits and end on odd digits."""
    rng = np.random.default_rng(0)
    source = planes_image(rng, 2, (4, 4, 1), (1,))
    op = random_convolution(rng, (4, 4, 1), outputs=3, coefficients=((1 << 22) - 1, 1))
    assert op.infer(source.type).element.high > EXACT_IN_FLOAT32
    assert np.array_equal(convolve(op, source), op.compute(source))


def test_the_proven_range_is_reached():
    rng = np.random.default_rng(3)
    op = random_convolution(rng, (3, 3, 2), outputs=2, coefficients=(3, 1))
    source = planes_image(rng, 1, (3, 3, 2), (1, 2))
    row = int(op.weights.row_magnitudes().argmax())
    source.data[0] = (op.weights.values()[row] > 0).reshape(3, 3, 2)
    assert op.run(source).data[0, 0, 0, row] == op.infer(source.type).element.high


@pytest.mark.parametrize(("border", "bound"), [(0, 9 * 7), (-1, 9 * 7), (-8, 9 * 8)])
def test_a_border_beyond_the_inputs_widens_the_range(border, bound):
    rng = np.random.default_rng(3)
    op = random_convolution(rng, (3, 3, 1), outputs=1, padding=(1, 1, 1, 1), border=border)
    full = replace(op, weights=random_full(rng, 1, 9))
    assert full.infer(TensorType((3, 3, 1), Planes((1, 2, 4)))).element == Integers(-bound, bound)


def convolve(op, source, kernel=DotKernel.FLOAT32):
    """What the golden model's step for a convolution computes."""
    step = step_of(op, (source.type,), op.infer(source.type), lambda *_: kernel)
    return step(Value(source.type, data=source.data)).data()


def random_full(rng, rows, columns):
    return WeightPlanes.from_bits(rng.integers(0, 2, (1, rows, columns)), np.ones((1, rows, columns)), (1,))


def test_a_masked_border_leaves_the_sum_and_another_one_does_not():
    """A 3x3 kernel of ones on a 2x2 image of ones sees 4 pixels everywhere; the other 5 are the border."""
    ones = np.ones((1, 1, 9), dtype=np.uint8)
    weights = WeightPlanes.from_bits(ones, ones, (1,))
    source = Tensor(TensorType((2, 2, 1), Planes((1,))), np.ones((1, 1, 2, 2, 1), dtype=np.uint8))
    for border, expected in ((0, 4), (-1, 4 - 5), (1, 9)):
        op = Convolution(weights=weights, kernel=(3, 3), padding=(1, 1, 1, 1), border=border)
        assert op.run(source).data.ravel().tolist() == [expected] * 4


def test_the_work_counts_every_place():
    op = random_convolution(np.random.default_rng(0), (6, 5, 2), outputs=3, coefficients=(2, 1))
    work = op.work(TensorType((6, 5, 2), Planes((1, 2))))
    present = int(op.weights.plane_populations().sum())
    assert (work.binary_macs, work.weight_bits) == (present * 2 * 4 * 3, present)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": (2, 2)}, "a multiple of 4 columns, not 18"),
        ({"kernel": (3,)}, r"the kernel must be 2 numbers from 1, not \(3,\)"),
        ({"stride": (0, 1)}, "the stride must be 2 numbers from 1"),
        ({"padding": (1, 1)}, "the padding must be 4 numbers from 0"),
        ({"groups": 2}, "3 output channels cannot stand in 2 groups"),
    ],
)
def test_impossible_shapes_are_refused(change, message):
    op = random_convolution(np.random.default_rng(0), (5, 5, 2), outputs=3)
    with pytest.raises(ShapeError, match=message):
        replace(op, **change)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (TensorType((5, 5, 3), Planes((1,))), ShapeError, r"\(rows, columns, 2 channels\), not \(5, 5, 3\)"),
        (TensorType((50,), Planes((1,))), ShapeError, r"needs an image"),
        (TensorType((2, 5, 2), Planes((1,))), ShapeError, "a window of 3 pixels must fit"),
        (TensorType((5, 5, 2), Reals()), RangeError, "needs bit-planes or integers"),
        (TensorType((5, 5, 2), Planes((1 << 30,))), RangeError, "beyond 32 bits"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(source, error, message):
    op = random_convolution(np.random.default_rng(0), (5, 5, 2), outputs=3)
    with pytest.raises(error, match=message):
        op.infer(source)


# --- what stands behind a convolution works on images ---


def test_affine_sign_and_threshold_work_channel_by_channel():
    rng = np.random.default_rng(1)
    source = Tensor(TensorType((2, 3, 4), Integers(-5, 5)), rng.integers(-5, 6, (6, 2, 3, 4)))
    alpha, beta = rng.normal(size=(2, 4)).astype(np.float32)
    scaled = Affine(alpha=alpha, beta=beta).run(source)
    assert scaled.type == TensorType((2, 3, 4), Reals())
    thresholds = Thresholds(table=np.arange(12).reshape(4, 3), inverted=np.array([False, True, False, True]))
    codes = Threshold(thresholds=thresholds).run(source)
    assert codes.data.shape == (6, 2, 2, 3, 4)
    for n, r, c, k in np.ndindex(6, 2, 3, 4):
        assert scaled.data[n, r, c, k] == float(source.data[n, r, c, k]) * float(alpha[k]) + float(beta[k])
        single = thresholds.apply(np.full((1, 4), source.data[n, r, c, k]))
        assert codes.data[n, :, r, c, k].tolist() == single[0, :, k].tolist()
    assert Sign(zero=SignOfZero.PLUS).run(scaled).data.shape == (6, 1, 2, 3, 4)


def test_thresholds_of_an_image_are_stored_once_and_compared_everywhere():
    thresholds = Thresholds(table=np.zeros((4, 1), dtype=np.int64), inverted=np.zeros(4, dtype=bool))
    work = Threshold(thresholds=thresholds).work(TensorType((2, 3, 4), Integers(-8, 7)))
    assert (work.comparisons, work.threshold_bits) == (24, 4 * 4)


networks = st.builds(
    random_cnn,
    seed=st.integers(0, 10_000),
    shape=st.tuples(st.integers(4, 7), st.integers(4, 7), st.integers(1, 3)),
    pools=st.lists(st.sampled_from(PoolAt), min_size=1, max_size=2),
    n_bits=st.integers(1, 8),
    coefficients=st.sampled_from([(1,), (3, 1)]),
    zero=st.sampled_from(SignOfZero),
)


@settings(max_examples=40, deadline=None)
@given(networks)
def test_lowering_keeps_the_outputs_after_every_pass(graph):
    inputs = random_inputs(graph, 5, seed=1)
    expected = graph.run(inputs).data
    assert np.array_equal(GoldenModel(graph, chunk=2).value(inputs), expected)
    for step in PIPELINE:
        graph = step(graph)
        graph.check()
        assert np.array_equal(graph.run(inputs).data, expected), step
    assert np.array_equal(GoldenModel(lower(graph)).value(inputs), expected)
    again = ir_file.from_bytes(ir_file.to_bytes(graph))
    assert again.text() == graph.text()
    assert ir_file.to_bytes(again) == ir_file.to_bytes(graph)
    assert np.array_equal(GoldenModel(again).value(inputs), expected)


@pytest.mark.parametrize("pool", PoolAt)
def test_no_real_number_is_left_inside_a_lowered_network(pool):
    graph = simplify(random_cnn(5, (6, 6, 2), (pool, PoolAt.NOWHERE)))
    kinds = [type(graph.types[node.name].element) for node in graph.nodes]
    assert Reals not in kinds[:-1]
    assert [type(node.op) for node in graph.nodes].count(MaxPool) == (pool is not PoolAt.NOWHERE)
    assert {node.name for node in graph.nodes if isinstance(node.op, Mvtu)} == {"fc1", "fc2"}


def test_a_large_network_runs_in_smaller_chunks():
    rng = np.random.default_rng(0)
    shape = (64, 64, 16)
    op = random_convolution(rng, shape, outputs=64, padding=(1, 1, 1, 1))
    graph = Graph("large", "x", TensorType(shape, Integers(0, 1)), ())
    assert GoldenModel(graph).images_at_a_time == 1024
    nodes = (Node("encode", EncodeBitPlanes(n_bits=1), ("x",)), Node("conv", op, ("encode",)))
    bytes_per_image = 64 * 64 * (16 * 8 + 16 + 64 * 8)
    graph = Graph("large", "x", TensorType(shape, Integers(0, 1)), nodes)
    assert GoldenModel(graph).images_at_a_time == (1 << 30) // bytes_per_image
    assert GoldenModel(graph, chunk=3).images_at_a_time == 3


# --- what the rest of the toolkit says ---


@pytest.fixture(scope="module")
def lowered():
    return lower(random_cnn(5, (6, 6, 2), (PoolAt.ACCUMULATORS,)))


def test_the_rtl_back_end_emits_a_convolutional_network(lowered):
    verilog = next(text for name, text in rtl.emit(lowered, Target()).items() if name.endswith(".v"))
    for node in lowered.hardware_nodes:
        assert f"// {node.name}: {type(node.op).__name__}" in verilog


def test_a_folding_request_for_a_layer_that_is_not_there_is_still_an_error():
    with pytest.raises(FoldingError, match="no layer 'conv9' to fold; the layers are conv0, fc1, fc2"):
        lower(random_cnn(5, (6, 6, 2), (PoolAt.SIGNS,)), parse_folding(pe=["conv9=2"]))


def test_inspection_tells_the_shape_of_a_convolution():
    op = random_convolution(
        np.random.default_rng(0),
        (5, 5, 4),
        outputs=3,
        groups=2,
        stride=(2, 1),
        padding=(1, 1, 0, 0),
        border=-1,
    )
    graph = Graph("one", "x", TensorType((5, 5, 4), Planes((1,))), (Node("conv", op, ("x",)),))
    text = graph_text(graph)
    assert "conv : integer" in text
    assert "conv: 6 × 18, " in text
    assert ", 3×3 kernel, stride 2×1, padding 1 1 0 0 of -1, 2 groups\n" in text
    masked = replace(
        op, border=0, stride=(1, 1), groups=1, weights=random_full(np.random.default_rng(0), 6, 36)
    )
    graph = Graph("one", "x", TensorType((5, 5, 4), Planes((1,))), (Node("conv", masked, ("x",)),))
    assert ", 3×3 kernel, padding 1 1 0 0 masked\n" in graph_text(graph)
