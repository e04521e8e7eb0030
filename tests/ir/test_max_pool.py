"""Max-pooling of every kind of number, and the order in which images are vectors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw import ir_file
from hbnn_hw.errors import GraphError, ShapeError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Affine, Flatten, MaxPool, Sign, SignOfZero, Tensor, Threshold, Unflatten
from hbnn_hw.passes import fold_thresholds, hoist_signs
from hbnn_hw.planes import decode
from hbnn_hw.types import Integers, Planes, Reals, TensorType


def by_definition(op, image):
    """The maximum of every window, one at a time."""
    (kr, kc), (sr, sc) = op.kernel, op.stride
    rows, columns = (image.shape[1] - kr) // sr + 1, (image.shape[2] - kc) // sc + 1
    result = np.empty((len(image), rows, columns, image.shape[3]), image.dtype)
    for r, c in np.ndindex(rows, columns):
        result[:, r, c] = image[:, r * sr : r * sr + kr, c * sc : c * sc + kc].max(axis=(1, 2))
    return result


@st.composite
def cases(draw):
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    op = MaxPool(kernel=kernel, stride=(draw(st.integers(1, 3)), draw(st.integers(1, 3))))
    shape = (*(draw(st.integers(k, 8)) for k in kernel), draw(st.integers(1, 3)))
    return op, shape, np.random.default_rng(draw(st.integers(0, 9999)))


@settings(deadline=None)
@given(cases())
def test_the_maximum_of_integers_and_reals(case):
    op, shape, rng = case
    integers = Tensor(TensorType(shape, Integers(-9, 9)), rng.integers(-9, 10, (3, *shape)))
    reals = Tensor(TensorType(shape, Reals()), rng.normal(size=(3, *shape)))
    for source in (integers, reals):
        out = op.run(source)
        assert np.array_equal(out.data, by_definition(op, source.data))
        assert out.type == TensorType(out.data.shape[1:], source.type.element)


@settings(deadline=None)
@given(cases(), st.sampled_from([(1,), (1, 2, 4), (5, 2), (3, 3)]))
def test_the_maximum_of_planes_is_that_of_their_values(case, scales):
    op, shape, rng = case
    bits = rng.integers(0, 2, (3, len(scales), *shape), dtype=np.uint8)
    out = op.run(Tensor(TensorType(shape, Planes(scales)), bits))
    assert out.data.dtype == np.uint8
    assert np.array_equal(decode(out.data, scales), by_definition(op, decode(bits, scales)))


def test_the_maximum_of_one_plane_is_an_or():
    bits = np.array([0, 0, 0, 1, 0, 0, 0, 0], dtype=np.uint8).reshape(1, 1, 2, 4, 1)
    out = MaxPool(kernel=(2, 2), stride=(2, 2)).run(Tensor(TensorType((2, 4, 1), Planes((1,))), bits))
    assert out.data.ravel().tolist() == [0, 1]


def test_a_window_must_fit_and_needs_an_image():
    op = MaxPool(kernel=(3, 3), stride=(1, 1))
    with pytest.raises(ShapeError, match="a window of 3 pixels must fit into the image, which has 2"):
        op.infer(TensorType((2, 5, 1), Integers(0, 1)))
    with pytest.raises(ShapeError, match=r"needs an image \(rows, columns, channels\), not \(9,\)"):
        op.infer(TensorType((9,), Integers(0, 1)))
    with pytest.raises(ShapeError, match="the window must be 2 numbers from 1"):
        MaxPool(kernel=(0, 2), stride=(1, 1))


@pytest.mark.parametrize("zero", SignOfZero)
def test_the_sign_moves_in_front_of_pooling_and_flattening_and_ties_stay(zero):
    """Slopes of both signs over small integers: many of the normalized values are exactly 0."""
    rng = np.random.default_rng(0)
    affine = Affine(
        alpha=np.array([1, -1, 0.5], dtype=np.float32), beta=np.array([-1, 1, 0], dtype=np.float32)
    )
    graph = Graph(
        "pooled",
        "x",
        TensorType((5, 4, 3), Integers(0, 2)),
        (
            Node("norm", affine, ("x",)),
            Node("pool", MaxPool(kernel=(2, 2), stride=(1, 2)), ("norm",)),
            Node("flatten", Flatten(), ("pool",)),
            Node("sign", Sign(zero=zero), ("flatten",)),
        ),
    )
    moved = hoist_signs(graph)
    assert [type(node.op) for node in moved.nodes] == [Affine, Sign, MaxPool, Flatten]
    assert moved.output_name == "sign"
    assert moved.output_type == graph.output_type
    codes = rng.integers(0, 3, (200, 5, 4, 3))
    assert np.array_equal(moved.run(codes).data, graph.run(codes).data)
    assert [type(node.op) for node in fold_thresholds(moved).nodes] == [Threshold, MaxPool, Flatten]
    assert np.array_equal(fold_thresholds(moved).run(codes).data, graph.run(codes).data)


def test_a_pooling_that_others_read_too_stays():
    graph = Graph("g", "x", TensorType((2, 2, 1), Integers(0, 2)), ())
    pool = Node("pool", MaxPool(kernel=(2, 2), stride=(2, 2)), ("x",))
    graph = Graph("g", "x", graph.input_type, (pool,))
    assert hoist_signs(graph).nodes == (pool,)


# --- vectors and images ---


def test_an_image_comes_from_pytorchs_order_and_leaves_in_the_streams():
    """Two channels of 2x2: 0 1 / 2 3 and 4 5 / 6 7."""
    kind = TensorType((8,), Integers(0, 7))
    image = Unflatten(shape=(2, 2, 2)).run(Tensor(kind, np.arange(8)[np.newaxis]))
    assert image.data[0].tolist() == [[[0, 4], [1, 5]], [[2, 6], [3, 7]]]
    assert Flatten().run(image).data[0].tolist() == [0, 4, 1, 5, 2, 6, 3, 7]
    assert Flatten().run(image).type == kind


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_planes_move_as_their_values_do(rows, columns, channels, n_planes):
    rng = np.random.default_rng(0)
    scales = tuple(1 << p for p in range(n_planes))
    n = rows * columns * channels
    bits = rng.integers(0, 2, (2, n_planes, n), dtype=np.uint8)
    image = Unflatten(shape=(rows, columns, channels)).run(Tensor(TensorType((n,), Planes(scales)), bits))
    expected = decode(bits, scales).reshape(2, channels, rows, columns).transpose(0, 2, 3, 1)
    assert np.array_equal(decode(image.data, scales), expected)
    assert np.array_equal(decode(Flatten().run(image).data, scales), expected.reshape(2, n))


def test_one_channel_stays_in_its_order():
    codes = np.arange(12)[np.newaxis]
    image = Unflatten(shape=(3, 4, 1)).run(Tensor(TensorType((12,), Integers(0, 11)), codes))
    assert np.array_equal(Flatten().run(image).data, codes)


def test_a_vector_of_another_length_is_refused_by_name():
    node = Node("image", Unflatten(shape=(3, 3, 1)), ("x",))
    with pytest.raises(GraphError, match=r"'image': an image \(3, 3, 1\) needs 9 values, not \(8,\)"):
        Graph("g", "x", TensorType((8,), Integers(0, 1)), (node,)).check()


@pytest.mark.parametrize("field", ["kernel", "stride"])
def test_a_file_with_an_impossible_window_is_refused(field):
    nodes = (
        Node("image", Unflatten(shape=(4, 4, 1)), ("x",)),
        Node("pool", MaxPool(kernel=(2, 2), stride=(2, 2)), ("image",)),
    )
    content = ir_file.to_bytes(Graph("g", "x", TensorType((16,), Integers(0, 1)), nodes))
    good = f'"{field}": [\n     2,\n     2\n    ]'.encode()
    assert good in content
    with pytest.raises(GraphError):
        ir_file.from_bytes(content.replace(good, good.replace(b"2,", b"0,")))
