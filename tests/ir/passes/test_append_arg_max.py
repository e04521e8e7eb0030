"""The class that integers choose is the class that float64 scores choose, or the network is refused."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw import ir_file
from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.errors import GraphError, RangeError, ShapeError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Affine, ArgMax, PiecewiseAffine, Tensor
from hbnn_hw.passes import FoldingRequest, append_arg_max, lower, simplify
from hbnn_hw.types import Integers, TensorType
from tests.graphs import random_inputs, random_mlp


def scored(low: int, high: int, alpha, beta) -> Graph:
    """Integers with a scale and an offset per class."""
    affine = Affine(alpha=np.array(alpha, dtype=np.float32), beta=np.array(beta, dtype=np.float32))
    source = TensorType((len(alpha),), Integers(low, high))
    return Graph("scored", "x", source, (Node("scale", affine, ("x",)),))


SLOPES = st.sampled_from([1.0, 0.5, 0.1, 3.0, 1e-3, 0.007, 1e-20])
STEPS = st.sampled_from([0.0, 0.25, 0.5, 1 / 3, 0.1, 0.9999, -0.25, 1e-5, 2.0, 7.5, -3.0, 100.0])


@given(SLOPES, st.lists(STEPS, min_size=1, max_size=4), st.integers(-3, 2), st.integers(0, 3))
def test_all_integers_give_the_class_of_the_scores(slope, steps, low, span):
    """Offsets in multiples of the scale and its parts: exact ties, and fractions that are nearly equal."""
    alpha = np.float32(slope)
    beta = [np.float32(alpha * np.float32(step)) for step in steps]
    graph = scored(low, low + span, [alpha] * len(steps), beta)
    chosen = append_arg_max(graph)
    inputs = np.array(list(product(range(low, low + span + 1), repeat=len(steps))))
    assert chosen.output_type == TensorType((1,), Integers(0, len(steps) - 1))
    assert np.array_equal(chosen.run(inputs).data[:, 0], np.argmax(graph.run(inputs).data, axis=1))


@given(st.integers(0, 9999), st.integers(2, 12), st.sampled_from([1.0, 1e-2, 1e4]))
def test_random_offsets_at_the_edge_of_a_tie(seed, classes, spread):
    """Of every pair: the difference at which the choice turns, and those beside it, at several places."""
    rng = np.random.default_rng(seed)
    alpha = np.float32(rng.uniform(0.01, 2))
    beta = rng.normal(0, spread, classes).astype(np.float32)
    graph = scored(-2000, 2000, [alpha] * classes, beta)
    chosen = append_arg_max(graph)
    turns = np.ceil((beta[np.newaxis] - beta[:, np.newaxis]).astype(np.float64) / np.float64(alpha))
    inputs = []
    for a, b in product(range(classes), repeat=2):
        for distance, base in product((turns[a, b] - 1, turns[a, b], turns[a, b] + 1), (-300, 0, 300)):
            x = np.full(classes, -2000)
            x[b], x[a] = base, np.clip(base + distance, -2000, 2000)
            inputs.append(x)
    assert np.array_equal(
        chosen.run(np.array(inputs)).data[:, 0], np.argmax(graph.run(np.array(inputs)).data, axis=1)
    )


def test_equal_fractions_cost_no_bits_and_different_ones_few():
    op = append_arg_max(scored(-9, 9, [0.5] * 4, [0.0, 1.0, -1.5, 0.5])).nodes[-1].op
    assert (op.offsets.tolist(), op.shift) == ([3, 5, 0, 4], 0)
    op = append_arg_max(scored(-9, 9, [1.0] * 3, [0.5, 0.25, 1.0])).nodes[-1].op
    assert (op.offsets.tolist(), op.shift) == ([2, 1, 4], 2)


def test_scores_that_are_integers_already_are_compared_as_they_are():
    graph = scored(-4, 4, [1.0] * 3, [0.0] * 3)
    bare = append_arg_max(Graph("bare", "x", graph.input_type, append_arg_max(graph).nodes))
    assert bare.nodes[-1].name == "scale_arg_max_arg_max"
    op = append_arg_max(graph).nodes[-1].op
    assert (op.offsets.tolist(), op.shift) == ([0, 0, 0], 0)


@pytest.mark.parametrize(
    ("graph", "complaint"),
    [
        (
            scored(-9, 9, [0.5, 0.5, 0.25], [0.0] * 3),
            "class 0 has 0.5 and class 2 has 0.25; leave the choice",
        ),
        (
            scored(-9, 9, [-0.5, -0.5], [0.0] * 2),
            "'scale': the scale of the classes must be positive.*not -0.5",
        ),
        (scored(-9, 9, [0.0, 0.0], [1.0, 2.0]), "must be positive for the accelerator.*, not 0; leave"),
        (scored(-9, 9, [1.0, 1.0], [0.0, 1e-20]), "scores of up to 9 come within 1e-20 of each other"),
        (scored(-9, 9, [1e-20, 1e-20], [0.0, 1.0]), "float64 may round to a tie that integers do not have"),
        (scored(0, 1 << 29, [1.0, 1.0], [0.0, 1.0]), r"must stay below 2\*\*29, not reach 536870912"),
    ],
)
def test_what_is_not_provable_is_refused(graph, complaint):
    with pytest.raises(GraphError, match=complaint):
        append_arg_max(graph)


def test_the_refused_tie_is_a_real_one():
    """What the rounding check refuses: float64 sees a tie where the integers with their ranks see none."""
    graph = scored(-9, 9, [1.0, 1.0], [0.0, 1e-20])
    scores = graph.run(np.array([[5, 5]])).data[0]
    assert scores[0] == scores[1]
    assert np.float32(1e-20) > 0


def test_other_outputs_are_refused():
    bent = PiecewiseAffine(
        alpha=np.ones((2, 3), np.float32), beta=np.zeros((2, 3), np.float32), knees=np.zeros((1, 3), np.int64)
    )
    source = TensorType((3,), Integers(-4, 4))
    with pytest.raises(GraphError, match=r"'bent' must be an affine of integers.*not a PiecewiseAffine"):
        append_arg_max(Graph("g", "x", source, (Node("bent", bent, ("x",)),)))
    image = Graph("g", "x", TensorType((2, 2, 3), Integers(0, 1)), scored(0, 1, [1.0] * 3, [0.0] * 3).nodes)
    with pytest.raises(GraphError, match="output of 'g' must be one vector of scores"):
        append_arg_max(image)
    with pytest.raises(GraphError, match="must be one vector of scores"):
        append_arg_max(Graph("empty", "x", source, ()))


@pytest.mark.parametrize(
    "folding", [FoldingRequest(), FoldingRequest(pe=1, simd=1), FoldingRequest(unroll=True)]
)
def test_a_network_answers_with_its_class_at_any_folding(folding, tmp_path):
    graph = random_mlp(3, [12, 9, 6], n_bits=2)
    last = graph.nodes[-1]
    affine = Affine(alpha=np.full(6, 0.3, np.float32), beta=np.linspace(-2, 1, 6, dtype=np.float32))
    nodes = (*graph.nodes[:-1], Node(last.name, affine, last.inputs))
    graph = Graph(graph.name, graph.input_name, graph.input_type, nodes)
    lowered = lower(graph, folding, arg_max=True)
    inputs = random_inputs(graph, 100, 5)
    expected = GoldenModel(graph).classes(inputs)
    assert len(set(expected.tolist())) > 2
    assert lowered.host_nodes == ()
    assert isinstance(lowered.nodes[-1].op, ArgMax)
    assert np.array_equal(lowered.run(inputs).data[:, 0], expected)
    assert np.array_equal(GoldenModel(lowered).classes(inputs), expected)
    # Unrolled, one image a clock: the choice is no slower than the layers.
    cycles = [node.hardware.cycles(*lowered.input_types(node)) for node in lowered.hardware_nodes]
    assert cycles[-1] <= max(cycles[:-1])
    path = tmp_path / "graph.hbnn"
    path.write_bytes(ir_file.to_bytes(lowered))
    assert np.array_equal(ir_file.load(path).run(inputs).data[:, 0], expected)


def test_without_the_request_the_scores_leave():
    graph = random_mlp(3, [12, 9, 6], n_bits=2)
    assert not any(isinstance(node.op, ArgMax) for node in lower(graph).nodes)
    assert simplify(graph).output_type.shape == (6,)


# --- the operator


@given(st.integers(0, 9999), st.integers(1, 9), st.integers(0, 4))
def test_the_class_is_the_first_of_the_largest(seed, classes, shift):
    rng = np.random.default_rng(seed)
    op = ArgMax(offsets=rng.integers(-3, 4, classes), shift=shift)
    x = rng.integers(-2, 3, (20, classes))
    found = op.run(Tensor(TensorType((classes,), Integers(-2, 2)), x))
    keys = [[(int(v) << shift) + int(o) for v, o in zip(row, op.offsets, strict=True)] for row in x]
    assert found.type == TensorType((1,), Integers(0, classes - 1))
    assert found.data[:, 0].tolist() == [row.index(max(row)) for row in keys]


def test_the_operator_names_what_does_not_fit():
    op = ArgMax(offsets=np.zeros(4, np.int64), lanes=3)
    with pytest.raises(ShapeError, match=r"offsets of 4 classes do not fit a value of \(5,\)"):
        op.infer(TensorType((5,), Integers(0, 1)))
    with pytest.raises(ShapeError, match="3 lanes do not divide 4 classes"):
        op.infer(TensorType((4,), Integers(0, 1)))
    with pytest.raises(RangeError, match=r"could reach 4\.5e"):
        ArgMax(offsets=np.array([0, 1 << 52]), shift=2).infer(TensorType((2,), Integers(0, 1)))
    with pytest.raises(ShapeError, match="must be int64"):
        ArgMax(offsets=np.zeros(4, np.int32))
    with pytest.raises(RangeError, match=r"must lie in 0\.\.30, not 31"):
        ArgMax(offsets=np.zeros(4, np.int64), shift=31)


def test_the_answer_waits_for_all_scores():
    op = ArgMax(offsets=np.zeros(12, np.int64), lanes=4)
    source = TensorType((12,), Integers(0, 1))
    assert (op.lanes_in, op.lanes_out, op.cycles(source)) == (4, 1, 3)
    assert [beats.tolist() for beats in op.reads(source)] == [[3]]
