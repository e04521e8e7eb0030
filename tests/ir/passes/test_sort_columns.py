"""Columns of equal bitwidth come to stand side by side, and no output changes by it."""

from dataclasses import replace
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.folding import Folding, fold_schedule
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import (
    Add,
    Convolution,
    Dense,
    EncodeBitPlanes,
    Flatten,
    MaxPool,
    Mvtu,
    Pad,
    Rescale,
    SumPool,
    Threshold,
    Thresholds,
)
from hbnn_hw.ops.base import range_of
from hbnn_hw.passes import FoldingRequest, LayerFolding, lower, simplify, sort_columns
from hbnn_hw.streams import node_cycles
from hbnn_hw.types import Integers, Planes, TensorType
from hbnn_hw.weights import WeightPlanes
from hbnn_hw.xor_encoding import FlattenLayout, FlattenOrder, XorEncoding
from tests.graphs import PoolAt, random_cnn, random_inputs, random_mlp, random_weights
from tests.ir.passes.networks import random_network

COEFFICIENTS = (4, 2, 1)
IMAGE = TensorType((4, 4, 3), Planes((1,)))

networks = st.one_of(
    st.builds(
        random_mlp,
        st.integers(0, 9999),
        st.lists(st.sampled_from([6, 8, 12, 16, 24, 30]), min_size=3, max_size=5),
        coefficients=st.sampled_from([(2, 1), COEFFICIENTS]),
        shared_columns=st.booleans(),
    ),
    st.builds(
        random_cnn,
        st.integers(0, 9999),
        st.just((6, 6, 2)),
        st.lists(st.sampled_from(PoolAt), min_size=1, max_size=2),
        coefficients=st.just(COEFFICIENTS),
    ),
    st.builds(random_network, st.integers(0, 9999), st.integers(1, 6)),
)


def by_channel(seed: int, rows: int, channels: int, elements: int = 1) -> WeightPlanes:
    """Scattered bitwidths 1 to 3, one of each channel at all elements of a window or pixels of an image."""
    rng = np.random.default_rng(seed)
    bits = np.tile(1 + rng.permutation(np.arange(channels) % 3), elements)
    masks = np.broadcast_to(bits > np.arange(3)[:, None, None], (3, rows, len(bits))).astype(np.uint8)
    return WeightPlanes.from_bits(
        rng.integers(0, 2, masks.shape, dtype=np.uint8) & masks, masks, COEFFICIENTS
    )


def scattered(graph: Graph, seed: int) -> Graph:
    """Give every layer without groups scattered bitwidths that all rows of a channel's columns share."""

    def with_map(node: Node) -> Node:
        if not isinstance(node.op, Dense | Convolution) or getattr(node.op, "groups", 1) > 1:
            return node
        elements = prod(node.op.kernel) if isinstance(node.op, Convolution) else 1
        rows, columns = node.op.weights.rows, node.op.weights.columns
        weights = by_channel(seed, rows, columns // elements, elements)
        return replace(node, op=replace(node.op, weights=weights))

    return replace(graph, nodes=tuple(map(with_map, graph.nodes)))


def behind(*ops, kind: TensorType = IMAGE) -> Graph:
    """One operator behind the other, ``n0``, ``n1``, …"""
    sources = ("x", *(f"n{i}" for i in range(len(ops))))
    nodes = tuple(Node(f"n{i}", op, (sources[i],)) for i, op in enumerate(ops))
    graph = Graph("chain", "x", kind, nodes)
    graph.check()
    return graph


def convolution(outputs: int, inputs: int = 3, seed: int = 0) -> Convolution:
    rng = np.random.default_rng(seed)
    weights = random_weights(rng, outputs, 9 * inputs)
    return Convolution(weights=weights, kernel=(3, 3), padding=(1, 1, 1, 1))


def thresholds(channels: int, mask: np.ndarray | None = None, seed: int = 0) -> Thresholds:
    """Two planes of rising and falling channels."""
    rng = np.random.default_rng(seed)
    table = np.sort(rng.integers(-9, 10, (channels, 3)), axis=1)
    return Thresholds(table=table, inverted=rng.integers(0, 2, channels) == 1, mask=mask)


def mask_of(*shape: int) -> np.ndarray:
    mask = np.random.default_rng(3).integers(0, 2, (2, *shape), dtype=np.uint8)
    mask[1] = 1
    return mask


def rescale(channels: int) -> Rescale:
    rng = np.random.default_rng(4)
    return Rescale(
        multipliers=rng.integers(-3, 4, (2, channels)),
        offsets=rng.integers(-5, 6, (2, channels)),
        knees=rng.integers(-4, 5, (1, channels)),
        shift=1,
    )


def values_of(graph: Graph, seed: int = 1) -> dict[str, np.ndarray]:
    shape, rng = graph.input_type.shape, np.random.default_rng(seed)
    if isinstance(graph.input_type.element, Planes):
        data = rng.integers(0, 2, (6, graph.input_type.element.n_planes, *shape), dtype=np.uint8)
    else:
        data = random_inputs(graph, 6, seed)
    return {name: tensor.data for name, tensor in graph.trace(data)}


def bitwidths(weights: WeightPlanes, channels: int) -> np.ndarray:
    """Entries of every channel's columns."""
    return weights.bit_map().sum(axis=0).reshape(-1, channels).sum(axis=0)


def assert_sorted_in_place_of(graph: Graph) -> Graph:
    """The outputs stay, names and types too, and the last layer's channels stand in order of their bits."""
    found = sort_columns(graph)
    assert found is not graph
    found.check()
    assert [(n.name, n.inputs) for n in found.nodes] == [(n.name, n.inputs) for n in graph.nodes]
    before, after = values_of(graph), values_of(found)
    assert len(np.unique(before[graph.output_name].reshape(6, -1), axis=0)) > 1
    assert np.array_equal(after[graph.output_name], before[graph.output_name])
    assert sort_columns(found) is found
    return found


# --- outputs ---


@settings(max_examples=30)
@given(networks, st.integers(0, 9999))
def test_outputs_stay_after_the_pass_and_after_lowering(graph, seed):
    for case in (graph, scattered(graph, seed)):
        inputs = random_inputs(case, 6, seed=1)
        expected = case.run(inputs).data
        simple = simplify(case)
        once = sort_columns(simple)
        once.check()
        assert [(n.name, n.inputs) for n in once.nodes] == [(n.name, n.inputs) for n in simple.nodes]
        assert np.array_equal(once.run(inputs).data, expected)
        assert np.array_equal(GoldenModel(once).value(inputs), expected)
        assert np.array_equal(lower(case).run(inputs).data, expected)
        assert sort_columns(once) is once


@settings(max_examples=25)
@given(st.integers(0, 9999), st.sampled_from([8, 12, 16, 24]))
def test_steps_of_no_layer_rise_at_any_folding(seed, width):
    graph = simplify(scattered(random_mlp(seed, (8, width, width, 6)), seed))
    for before, after in zip(graph.nodes, sort_columns(graph).nodes, strict=True):
        if isinstance(before.op, Mvtu):
            for simd in (n for n in range(1, width + 1) if before.op.weights.columns % n == 0):
                steps = [fold_schedule(n.op.weights, Folding(2, simd)).n_steps for n in (after, before)]
                assert steps[0] <= steps[1], simd


def random_chain(seed: int) -> Graph:
    """Two convolutions and two dense layers with scattered maps, and anything on single channels between."""
    rng = np.random.default_rng(seed)
    graph = behind(
        Threshold(thresholds=thresholds(3, seed=seed)), kind=TensorType((5, 5, 3), Integers(-9, 9))
    )

    def add(op) -> None:
        nonlocal graph
        node = Node(f"n{len(graph.nodes)}", op, (graph.output_name,))
        graph = replace(graph, nodes=(*graph.nodes, node))

    def add_layer(rows: int, kernel: tuple[int, int] | None) -> None:
        shape = graph.output_type.shape
        elements = prod(kernel) if kernel else shape[0] // channels
        weights = by_channel(int(rng.integers(99)), rows, channels, elements)
        add(Convolution(weights=weights, kernel=kernel) if kernel else Dense(weights=weights))

    channels = 3
    for kernel in ((2, 2), (1, 2), None, None):
        rows = int(rng.choice([4, 6, 8, 12]))
        if kernel is None and len(graph.output_type.shape) == 3:
            add(Flatten())
        add_layer(rows, kernel)
        channels = rows
        for step in rng.permutation(4)[: rng.integers(1, 4)]:
            shape = graph.output_type.shape
            mask = mask_of(*shape) if rng.random() < 0.3 else None
            ops = [Threshold(thresholds=thresholds(rows, mask, seed)), rescale(rows)]
            if kernel:
                ops += [MaxPool(kernel=(1, 2), stride=(1, 1)), Pad(padding=(1, 0, 0, 1), value=1)]
            add(ops[step % len(ops)])
    graph.check()
    return graph


@settings(max_examples=30)
@given(st.integers(0, 99_999))
def test_outputs_stay_where_any_operators_stand_between_layers(seed):
    graph = random_chain(seed)
    codes = np.random.default_rng(seed).integers(-9, 10, (6, 5, 5, 3))
    expected = graph.run(codes).data
    once = sort_columns(graph)
    assert np.array_equal(once.run(codes).data, expected)
    assert np.array_equal(lower(graph).run(codes).data, expected)
    assert sort_columns(once) is once


def test_the_random_chains_give_the_pass_work_and_tell_inputs_apart():
    graphs = [random_chain(seed) for seed in range(40)]
    assert sum(sort_columns(graph) is not graph for graph in graphs) > 30
    codes = np.random.default_rng(0).integers(-9, 10, (6, 5, 5, 3))
    assert sum(len(np.unique(graph.run(codes).data, axis=0)) > 2 for graph in graphs) > 20


# --- what it is for ---


def two_layers(bits: np.ndarray, twin: bool) -> Graph:
    """Layer 1 is binary; layer 2 has a map of columns, or is its 1-bit twin."""
    graph = random_mlp(5, (16, 160, 16), n_bits=1)
    planes = 1 if twin else 3
    masks = np.broadcast_to(bits > np.arange(planes)[:, None, None], (planes, 16, 160)).astype(np.uint8)
    signs = np.random.default_rng(6).integers(0, 2, masks.shape, dtype=np.uint8)
    weights = WeightPlanes.from_bits(signs & masks, masks, COEFFICIENTS[-planes:])
    nodes = (replace(n, op=Dense(weights=weights)) if n.name == "fc2" else n for n in graph.nodes)
    return replace(graph, nodes=tuple(nodes))


def test_cycles_of_scattered_columns_follow_the_bitwidth_behind_another_layer():
    """112, 32 and 16 of 160 columns have 1, 2 and 3 bits: 20 words of plane 1, 6 of plane 2, 2 of plane 3."""
    bits = np.random.default_rng(2).permutation(np.repeat([1, 2, 3], [112, 32, 16]))
    request = FoldingRequest(layers={"fc2": LayerFolding(pe=4, simd=8)})
    twin, mixed = (lower(two_layers(bits, twin), request) for twin in (True, False))
    one, found = (node_cycles(graph)["fc2"] for graph in (twin, mixed))
    assert (one, found) == (4 * 20, 4 * 28)
    unsorted = next(n.op for n in simplify(two_layers(bits, False)).nodes if n.name == "fc2")
    assert fold_schedule(unsorted.weights, Folding(4, 8)).n_steps > 2.3 * one


def test_columns_stand_in_order_and_columns_of_one_bitwidth_keep_theirs():
    first, second = random_weights(np.random.default_rng(0), 6, 4), by_channel(1, 4, 6)
    graph = behind(Dense(weights=first), Dense(weights=second), kind=TensorType((4,), Planes((1,))))
    found = assert_sorted_in_place_of(graph)
    widths = second.bit_map()[0]
    order = [c for bits in (1, 2, 3) for c in range(6) if widths[c] == bits]
    assert np.array_equal(found.nodes[0].op.weights.values(), first.values()[order])
    assert np.array_equal(found.nodes[1].op.weights.values(), second.values()[:, order])
    assert np.array_equal(values_of(found)["n0"], values_of(graph)["n0"][:, order])


# --- operators between two layers ---


BETWEEN = {
    "nothing": (),
    "thresholds": (Threshold(thresholds=thresholds(12)),),
    "masked_activations": (Threshold(thresholds=thresholds(12, mask_of(4, 4, 12))),),
    "rescale": (rescale(12),),
    "max_pool": (MaxPool(kernel=(2, 2), stride=(1, 1), smallest=np.arange(12) % 2 == 1),),
    "sum_pool": (SumPool(kernel=(2, 2), stride=(2, 2)),),
    "frame": (Pad(padding=(1, 0, 0, 1), value=2),),
    "several": (
        rescale(12),
        SumPool(kernel=(2, 2), stride=(1, 1)),
        Threshold(thresholds=thresholds(12)),
        MaxPool(kernel=(2, 2), stride=(1, 1)),
    ),
}


@pytest.mark.parametrize("between", BETWEEN.values(), ids=BETWEEN)
def test_constants_between_convolutions_move_with_their_channels(between):
    reader = Convolution(weights=by_channel(2, 5, 12, 4), kernel=(2, 2), padding=(1, 0, 0, 1))
    graph = behind(convolution(12), *between, reader)
    found = assert_sorted_in_place_of(graph)
    assert (np.diff(bitwidths(found.nodes[-1].op.weights, 12)) >= 0).all()


@pytest.mark.parametrize("between", BETWEEN.values(), ids=BETWEEN)
def test_channels_move_within_every_pixel_of_a_flattened_image(between):
    image = behind(convolution(12), *between).output_type
    pixels = image.n_elements // 12
    graph = behind(convolution(12), *between, Flatten(), Dense(weights=by_channel(2, 5, 12, pixels)))
    found = assert_sorted_in_place_of(graph)
    assert (np.diff(bitwidths(found.nodes[-1].op.weights, 12)) >= 0).all()


@pytest.mark.parametrize("mask", [None, mask_of(4 * 4 * 12)], ids=["full", "masked"])
def test_thresholds_behind_a_flattening_have_a_table_for_every_pixel(mask):
    elements = (rescale(192), Threshold(thresholds=thresholds(192, mask)))
    graph = behind(convolution(12), Flatten(), *elements, Dense(weights=by_channel(2, 5, 12, 16)))
    assert_sorted_in_place_of(graph)


def test_rows_with_coefficients_and_activation_maps_of_a_unit_move_along():
    first = replace(
        random_weights(np.random.default_rng(0), 12, 8, (1, 1)),
        row_coefficients=np.random.default_rng(1).integers(0, 4, (2, 12)),
    )
    unit = Mvtu(weights=first, thresholds=thresholds(12, mask_of(12)))
    graph = behind(unit, Mvtu(weights=by_channel(3, 4, 12)), kind=TensorType((8,), Planes((1,))))
    found = assert_sorted_in_place_of(graph)
    assert found.types["n0"] != graph.types["n0"], "the map of the activations is permuted"
    assert np.array_equal(lower(graph).run(samples := planes_in(graph)).data, graph.run(samples).data)


def planes_in(graph: Graph) -> np.ndarray:
    return np.random.default_rng(9).integers(0, 2, (6, 1, *graph.input_type.shape), dtype=np.uint8)


def test_columns_and_rows_of_a_layer_in_the_middle_move_both():
    graph = behind(
        Mvtu(weights=random_weights(np.random.default_rng(0), 12, 8), thresholds=thresholds(12)),
        Mvtu(weights=by_channel(1, 18, 12), thresholds=thresholds(18)),
        Mvtu(weights=by_channel(2, 5, 18)),
        kind=TensorType((8,), Planes((1,))),
    )
    found = assert_sorted_in_place_of(graph)
    for node in found.nodes[1:]:
        assert (np.diff(node.op.weights.bit_map()[0]) >= 0).all()


# --- what stays, the same object ---


def encoded(rows: int, columns: int) -> WeightPlanes:
    layout = FlattenLayout(order=FlattenOrder.ROW_MAJOR, rows=rows, columns=columns, n_out=4)
    stored = np.random.default_rng(0).integers(0, 2, (1, layout.n_slices, 3), dtype=np.uint8)
    taps = np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]], dtype=np.uint8)
    return WeightPlanes.from_encoding(XorEncoding.from_bits(stored, taps, layout))


def binary(rows: int, columns: int, coefficients: tuple[int, ...] = (1,)) -> WeightPlanes:
    masks = np.ones((len(coefficients), rows, columns), dtype=np.uint8)
    signs = np.random.default_rng(0).integers(0, 2, masks.shape, dtype=np.uint8)
    return WeightPlanes.from_bits(signs, masks, coefficients)


def by_row_tiles() -> WeightPlanes:
    """Rows 0 to 15 have 1 bit and rows 16 to 31 have 3."""
    masks = np.broadcast_to((np.arange(32) // 16 * 2 >= np.arange(3)[:, None])[..., None], (3, 32, 8))
    return WeightPlanes.from_bits(np.zeros((3, 32, 8), np.uint8), masks.astype(np.uint8), COEFFICIENTS)


VECTOR = TensorType((8,), Planes((1,)))
STAYING = {
    "input": behind(Dense(weights=by_channel(0, 12, 8)), kind=VECTOR),
    "one_plane": behind(Dense(weights=binary(12, 8)), Dense(weights=binary(5, 12)), kind=VECTOR),
    "full_planes": behind(Dense(weights=binary(12, 8)), Dense(weights=binary(5, 12, (2, 1))), kind=VECTOR),
    "encoded_producer": behind(
        Dense(weights=encoded(12, 8)), Dense(weights=by_channel(0, 5, 12)), kind=VECTOR
    ),
    "encoded_reader": behind(Dense(weights=binary(12, 8)), Dense(weights=encoded(5, 12)), kind=VECTOR),
    "grouped_producer": behind(
        Convolution(weights=random_weights(np.random.default_rng(0), 12, 9), kernel=(3, 3), groups=3),
        Convolution(weights=by_channel(0, 5, 12), kernel=(1, 1)),
    ),
    "grouped_reader": behind(
        convolution(12), Convolution(weights=by_channel(0, 4, 6), kernel=(1, 1), groups=2)
    ),
    "frame_of_channels": behind(
        convolution(10), Pad(channels=(1, 1)), Convolution(weights=by_channel(0, 5, 12), kernel=(1, 1))
    ),
    "scheduled": behind(
        Mvtu(weights=binary(12, 8), folding=Folding(4, 4)),
        Mvtu(weights=by_channel(0, 5, 12), folding=Folding(5, 4)),
        kind=VECTOR,
    ),
    "encoder": behind(
        EncodeBitPlanes(n_bits=2), Dense(weights=by_channel(0, 4, 12)), kind=TensorType((12,), Integers(0, 3))
    ),
    "sorted_already": sort_columns(
        behind(Dense(weights=binary(12, 8)), Dense(weights=by_channel(0, 5, 12)), kind=VECTOR)
    ),
    "one_word_has_all": behind(Dense(weights=binary(5, 8)), Dense(weights=by_channel(0, 5, 5)), kind=VECTOR),
    "tiles_of_the_producer": behind(
        Dense(weights=by_row_tiles()), Dense(weights=by_channel(0, 5, 32)), kind=VECTOR
    ),
}


@pytest.mark.parametrize("graph", STAYING.values(), ids=STAYING)
def test_what_must_not_or_need_not_move_stays(graph):
    assert sort_columns(graph) is graph


def test_a_value_with_two_readers_stays():
    mapped = by_channel(0, 5, 12)
    first = Node("first", Dense(weights=binary(12, 8)), ("x",))
    two = (Node("a", Dense(weights=mapped), ("first",)), Node("b", Dense(weights=mapped), ("first",)))
    graph = Graph("g", "x", VECTOR, (first, *two, Node("sum", Add(), ("a", "b"))))
    graph.check()
    assert sort_columns(graph) is graph


def test_a_sum_of_branches_stays():
    rows = (Node("a", Dense(weights=binary(12, 8)), ("x",)), Node("b", Dense(weights=binary(12, 8)), ("x",)))
    last = Node("last", Dense(weights=by_channel(0, 5, 12)), ("sum",))
    graph = Graph("g", "x", VECTOR, (*rows, Node("sum", Add(), ("a", "b")), last))
    graph.check()
    assert sort_columns(graph) is graph


def test_untouched_neighbours_are_the_same_objects_and_the_scores_keep_their_rows():
    first, second = (
        Dense(weights=binary(12, 8)),
        Mvtu(weights=by_channel(0, 16, 12), thresholds=thresholds(16)),
    )
    third = Dense(weights=binary(5, 16))
    graph = behind(first, second, third, kind=VECTOR)
    found = assert_sorted_in_place_of(graph)
    assert found.nodes[2] is graph.nodes[2]
    assert range_of(found.output_type) == range_of(graph.output_type)
    assert found.nodes[1].op.thresholds is second.thresholds
