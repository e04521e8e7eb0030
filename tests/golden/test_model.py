"""The golden model: every operator and whole networks equal their plain meaning, in bounded memory."""

import gc
import subprocess
import sys
import tracemalloc
import weakref
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw.backends.golden import (
    DotKernel,
    GoldenModel,
    choose_kernel,
    convolution,
    dot_float32,
    dot_packed,
    kernels,
    model,
)
from hbnn_hw.backends.golden.plan import Plan, bytes_alive, last_reads
from hbnn_hw.backends.golden.steps import step_of
from hbnn_hw.backends.golden.values import Value, knows_all
from hbnn_hw.errors import GraphError, ToolMissingError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import (
    Dense,
    EncodeBitPlanes,
    Flatten,
    MaxPool,
    Mvtu,
    Op,
    SignOfZero,
    Tensor,
    Threshold,
    Thresholds,
    Unflatten,
    WidthConverter,
)
from hbnn_hw.passes import lower, simplify
from hbnn_hw.types import Integers, Planes, TensorType
from tests.graphs import PoolAt, random_cnn, random_inputs, random_mlp, random_weights

KERNELS = (*DotKernel, None)


def computed(op, source, kernel=DotKernel.FLOAT32):
    """What the golden model's step for an operator makes of a tensor."""
    step = step_of(op, (source.type,), op.infer(source.type), lambda *_: kernel)
    return step(Value(source.type, data=source.data)).tensor()


def assert_equal(op, source, kernel=DotKernel.FLOAT32):
    found, expected = computed(op, source, kernel), op.run(source)
    assert (found.type, found.data.dtype) == (expected.type, expected.data.dtype)
    assert np.array_equal(found.data, expected.data)


def integers(rng, shape, low, high, batch=4):
    return Tensor(TensorType(shape, Integers(low, high)), rng.integers(low, high + 1, (batch, *shape)))


def planes(rng, shape, scales, batch=4):
    return Tensor(
        TensorType(shape, Planes(scales)), rng.integers(0, 2, (batch, len(scales), *shape), dtype=np.uint8)
    )


def random_thresholds(rng, channels, n_bits, reach):
    """Ascending tables with ties; some thresholds no integer reaches."""
    table = np.sort(rng.integers(-reach - 3, reach + 4, (channels, 2**n_bits - 1)), axis=1)
    return Thresholds(table=table, inverted=rng.integers(0, 2, channels).astype(bool))


# --- operators ---


@given(
    seed=st.integers(0, 9999),
    shape=st.sampled_from([(1,), (5,), (64,), (2, 3, 4), (1, 1, 1)]),
    n_bits=st.integers(1, 4),
    reach=st.sampled_from([0, 3, 20, (1 << 24) - 1, 1 << 30]),
)
def test_thresholds_fire_as_defined(seed, shape, n_bits, reach):
    rng = np.random.default_rng(seed)
    thresholds = random_thresholds(rng, shape[-1], n_bits, reach)
    source = integers(rng, shape, -reach, reach)
    source.data[0] = thresholds.table[:, 0].clip(-reach, reach)  # a tie everywhere
    assert_equal(Threshold(thresholds=thresholds), source)


def test_a_threshold_far_outside_the_reachable_integers_is_always_or_never():
    table = np.array([[-(1 << 62)], [1 << 62], [0]])
    thresholds = Thresholds(table=table, inverted=np.array([False, False, True]))
    source = Tensor(TensorType((3,), Integers(-1, 1)), np.array([[-1, -1, -1], [1, 1, 1]]))
    assert computed(Threshold(thresholds=thresholds), source).data[:, 0].tolist() == [[1, 0, 1], [1, 0, 0]]


@given(
    seed=st.integers(0, 9999),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    scales=st.sampled_from([None, (1,), (2,), (1, 2, 4), (1, 1), (5, 2)]),
)
def test_max_pooling_equals_its_meaning(seed, kernel, stride, scales):
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(3, 7)), int(rng.integers(3, 7)), 2)
    source = integers(rng, shape, -9, 9) if scales is None else planes(rng, shape, scales)
    assert_equal(MaxPool(kernel=kernel, stride=stride), source)


@pytest.mark.parametrize("n_bits", range(1, 9))
def test_the_encoder_equals_its_meaning_for_every_code(n_bits):
    codes = np.arange(2**n_bits).reshape(-1, 1)
    assert_equal(EncodeBitPlanes(n_bits=n_bits), Tensor(TensorType((1,), Integers(0, 2**n_bits - 1)), codes))


@pytest.mark.parametrize("scales", [(1,), (1, 2, 4), (5, 2)])
def test_operators_that_keep_the_values_keep_them_in_every_form(scales):
    rng = np.random.default_rng(0)
    image, vector = planes(rng, (2, 3, 4), scales), planes(rng, (24,), scales)
    assert_equal(Flatten(), image)
    assert_equal(Unflatten(shape=(2, 3, 4)), vector)
    assert_equal(WidthConverter(lanes_from=4, lanes_to=8), vector)
    source = Value(image.type, data=image.data)
    if scales != (5, 2):
        numbers = Value(image.type, numbers=source.numbers())
        flat = numbers.reshaped(TensorType((24,), Planes(scales)))
        assert np.array_equal(flat.data(), Flatten().compute(image))


@settings(deadline=None)
@given(
    seed=st.integers(0, 9999),
    n_columns=st.sampled_from([1, 63, 64, 65, 150]),
    coefficients=st.sampled_from([(1,), (2, 1), (5, 3, 2)]),
    scales=st.sampled_from([(1,), (1, 2, 4), (5, 2), tuple(1 << p for p in range(8))]),
    n_bits=st.sampled_from([None, 1, 2]),
    kernel=st.sampled_from(DotKernel),
)
def test_dense_layers_equal_their_meaning_with_every_kernel(
    seed, n_columns, coefficients, scales, n_bits, kernel
):
    rng = np.random.default_rng(seed)
    weights = random_weights(rng, 5, n_columns, coefficients, zero_bit=True)
    source = planes(rng, (n_columns,), scales)
    source.data[0], source.data[1] = 0, 1
    assert_equal(Dense(weights=weights), source, kernel)
    thresholds = None if n_bits is None else random_thresholds(rng, 5, n_bits, 30)
    assert_equal(Mvtu(weights=weights, thresholds=thresholds), source, kernel)
    expected = Dense(weights=weights).compute(source)
    for dot in (dot_packed, dot_float32):
        assert np.array_equal(dot(weights, source.type.element, source.data), expected)


@given(seed=st.integers(0, 9999), low=st.integers(-400, 400), extent=st.integers(0, 400))
def test_dense_layers_take_any_integers(seed, low, extent):
    rng = np.random.default_rng(seed)
    weights = random_weights(rng, 5, 70, (2, 1), zero_bit=True)
    source, result = integers(rng, (70,), low, low + extent), TensorType((5,), Integers(-(1 << 20), 1 << 20))
    step = step_of(Dense(weights=weights), (source.type,), result, choose_kernel)
    sums = step(Value(source.type, data=source.data)).data()
    assert np.array_equal(sums, source.data @ weights.values().T)


# --- what the fast forms do not know ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference(Op):
    """A new operator with two inputs."""

    def infer(self, *inputs):
        low, high = (element.element for element in inputs)
        return TensorType(inputs[0].shape, Integers(low.low - high.high, low.high - high.low))

    def compute(self, *inputs):
        return inputs[0].data - inputs[1].data


@dataclass(frozen=True, kw_only=True)
class Newer:
    """A dataclass with attributes that a maker may not know."""

    known: int
    tuned: tuple[int, ...] = (1, 1)
    table: object = None
    listed: list[int] = field(default_factory=list)


def test_an_attribute_is_harmless_only_at_its_default():
    assert knows_all(Newer(known=3), "known", "listed")
    assert not knows_all(Newer(known=3), "listed")
    assert not knows_all(Newer(known=3), "known")
    assert not knows_all(Newer(known=3, tuned=(1, 2)), "known", "listed")
    assert not knows_all(Newer(known=3, table=np.zeros(3)), "known", "listed")
    assert not knows_all("no dataclass")


def branching(seed=0):
    """Two dense layers that read one value, and the difference of their sums and of the first one's."""
    rng = np.random.default_rng(seed)
    nodes = (
        Node("encode", EncodeBitPlanes(n_bits=2), ("x",)),
        Node("left", Dense(weights=random_weights(rng, 6, 70)), ("encode",)),
        Node("right", Dense(weights=random_weights(rng, 6, 70, (2, 1))), ("encode",)),
        Node("first", Difference(), ("left", "right")),
        Node("out", Difference(), ("first", "left")),
    )
    return Graph("branching", "x", TensorType((70,), Integers(0, 3)), nodes)


@pytest.mark.parametrize("kernel", KERNELS)
def test_new_operators_run_as_they_are_defined_and_branches_join(kernel):
    graph = branching()
    inputs = random_inputs(graph, 9, seed=0)
    golden = GoldenModel(graph, kernel, chunk=4)
    for name, tensor in graph.trace(inputs):
        assert np.array_equal(golden.value(inputs, name), tensor.data), name


# --- whole networks ---

NETWORKS = {
    "mlp": random_mlp(1, (70, 65, 64, 10), n_bits=8),
    "hbnn": random_mlp(2, (30, 130, 40, 3), n_bits=1, coefficients=(2, 1), zero=SignOfZero.MINUS),
    "cnn": random_cnn(3, (9, 8, 3), (PoolAt.ACCUMULATORS, PoolAt.REALS), n_bits=8),
    "cnn_planes": random_cnn(4, (7, 7, 2), (PoolAt.SIGNS, PoolAt.NOWHERE), n_bits=2, coefficients=(3, 1)),
}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_value_of_a_network_equals_its_meaning(name, kernel):
    for graph in (NETWORKS[name], lower(NETWORKS[name])):
        inputs = random_inputs(graph, 7, seed=0)
        golden = GoldenModel(graph, kernel, chunk=3)
        for (node, tensor), (other, found) in zip(graph.trace(inputs), golden.trace(inputs), strict=True):
            assert (node, tensor.type, tensor.data.dtype) == (other, found.type, found.data.dtype)
            assert np.array_equal(found.data, tensor.data), node
            assert np.array_equal(golden.value(inputs, node), tensor.data), node
        assert np.array_equal(golden.classes(inputs), graph.run(inputs).data.argmax(axis=1))


@pytest.mark.parametrize("name", NETWORKS)
def test_an_empty_batch_gives_empty_values(name):
    graph = lower(NETWORKS[name])
    empty = random_inputs(graph, 1, seed=0)[:0]
    for node, value in GoldenModel(graph).trace(empty):
        assert value.data.shape[0] == 0, node
    assert GoldenModel(graph).value(empty).shape == (0, *graph.output_type.shape)
    assert GoldenModel(graph).classes(empty).tolist() == []


def test_a_value_that_is_not_there_is_an_error():
    graph = branching()
    with pytest.raises(GraphError, match="the graph 'branching' has no value 'fc9'"):
        GoldenModel(graph).value(random_inputs(graph, 1, seed=0), "fc9")


def test_progress_is_told_after_every_chunk():
    graph, told = branching(), []
    GoldenModel(graph, chunk=3).value(random_inputs(graph, 8, seed=0), progress=told.append)
    assert told == [3, 3, 2]


# --- memory ---


def test_a_value_lives_until_its_last_reader():
    graph = branching()
    assert last_reads(graph) == (("x",), (), ("encode",), ("right",), ("left", "first"))
    alive = {}
    for name, value in Plan.of(graph, choose_kernel).run(random_inputs(graph, 2, seed=0)):
        alive[name] = weakref.ref(value.data())
        del value
        gc.collect()
        if name == "first":
            assert [key for key, data in alive.items() if data() is not None] == ["left", "first"]


def test_the_most_memory_at_a_time_counts_what_is_alive():
    """x and its two planes as bits and floats; then planes and both sums; then three sums."""
    assert bytes_alive(branching()) == max(70 * 8 + 70 * 6, 70 * 6 + 2 * 6 * 8, 3 * 6 * 8)


def peak_of(golden, inputs):
    """Peak of what a run allocates, without its result [byte]."""
    golden.value(inputs[:1])  # constants are made once
    tracemalloc.start()
    result = golden.value(inputs)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak - result.nbytes


@pytest.mark.parametrize("kernel", [DotKernel.FLOAT32, DotKernel.NUMBA])
def test_the_peak_does_not_depend_on_the_batch_and_stays_below_its_bound(monkeypatch, kernel):
    """A working set, as much again for one step's scratch, and a few matrices of windows."""
    monkeypatch.setattr(model, "WORKING_SET", 1 << 20)
    monkeypatch.setattr(convolution, "LARGEST_MATRIX", 1 << 15)
    graph = simplify(random_cnn(5, (16, 16, 3), (PoolAt.NOWHERE, PoolAt.ACCUMULATORS), n_bits=8))
    golden = GoldenModel(graph, kernel)
    inputs = random_inputs(graph, 3000, seed=0)
    few, many = (peak_of(golden, inputs[:n]) for n in (600, 3000))
    assert golden.images_in_cache < 300
    assert many <= 1.2 * few
    assert many <= 2 * model.WORKING_SET + 4 * 8 * convolution.LARGEST_MATRIX


# --- the optional accelerator ---


def test_importing_the_golden_model_does_not_import_numba():
    code = "import sys, hbnn_hw.backends.golden; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.fixture
def without_numba(monkeypatch):
    monkeypatch.setattr("hbnn_hw.extras.find_spec", lambda name: None)
    monkeypatch.setattr(kernels, "find_spec", lambda name: None)


@pytest.mark.usefixtures("without_numba")
def test_without_numba_numpy_does_the_work():
    graph = branching()
    inputs = random_inputs(graph, 5, seed=0)
    assert choose_kernel(random_weights(np.random.default_rng(0), 4, 64), Planes((1,))) is DotKernel.FLOAT32
    assert np.array_equal(GoldenModel(graph).value(inputs), graph.run(inputs).data)


@pytest.mark.usefixtures("without_numba")
def test_asking_for_numba_without_it_names_the_extra():
    with pytest.raises(ToolMissingError, match=r"needs the package 'numba'.*pip install 'hbnn-hw\[fast\]'"):
        GoldenModel(branching(), DotKernel.NUMBA)


def test_a_large_batch_is_worth_compiling(monkeypatch):
    graph = branching()
    inputs = random_inputs(graph, 5, seed=0)
    monkeypatch.setattr(model, "WORTH_COMPILING", 1)
    asked = []
    monkeypatch.setattr(model, "choose_kernel", lambda *args: asked.append(args) or choose_kernel(*args))
    assert np.array_equal(GoldenModel(graph).value(inputs), graph.run(inputs).data)
    assert len(asked) == 2
