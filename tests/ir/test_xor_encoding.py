"""FleXOR's stored form in the IR: it decodes to exactly the planes, in the IR's order, at its cost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw import ir_file
from hbnn_hw.errors import GraphError, RangeError, ShapeError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.nn.xor_matrix import XorScheme, decode_weights
from hbnn_hw.ops import Dense, EncodeBitPlanes
from hbnn_hw.planes import unpack
from hbnn_hw.types import Integers, TensorType
from hbnn_hw.weights import WeightPlanes
from hbnn_hw.xor_encoding import FlattenLayout, FlattenOrder, XorEncoding, channels_first, decode
from tests.ir.containers import members, rebuilt

SCHEMES = st.sampled_from(
    [XorScheme(), XorScheme(n_in=1, n_out=3, n_taps=1), XorScheme(n_in=12, n_out=20, n_taps=0)]
)


def layouts(draw):
    """Any order of a small matrix, words included."""
    order = draw(st.sampled_from(FlattenOrder))
    pe, simd = (draw(st.integers(1, 4)) for _ in range(2)) if order is FlattenOrder.WORD else (1, 1)
    rows, columns = pe * draw(st.integers(1, 6)), simd * draw(st.integers(1, 40))
    return {"order": order, "rows": rows, "columns": columns, "pe": pe, "simd": simd}


@st.composite
def encodings(draw):
    """An encoding, with its unpacked stored bits."""
    scheme, n_planes = draw(SCHEMES), draw(st.integers(1, 3))
    layout = FlattenLayout(n_out=scheme.n_out, **layouts(draw))
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    stored = rng.integers(0, 2, (n_planes, layout.n_slices, scheme.n_in), dtype=np.uint8)
    inverted = rng.integers(0, 2, (n_planes, layout.rows)).astype(bool) if draw(st.booleans()) else None
    orders = {
        "same": None,
        "channels": channels_first(layout.columns, draw(st.sampled_from(divisors(layout.columns)))),
        "any": rng.permutation(layout.columns),
    }
    order = orders[draw(st.sampled_from(sorted(orders)))]
    encoding = XorEncoding.from_bits(
        stored, scheme.draw(n_planes), layout, inverted=inverted, column_order=order
    )
    return encoding, stored, order


def divisors(n):
    return [d for d in range(1, n + 1) if n % d == 0]


def unpacked(encoding):
    return unpack(encoding.decode(), encoding.layout.columns)


@given(encodings())
def test_an_encoding_decodes_to_the_training_layers_weights_in_the_irs_order(case):
    encoding, stored, order = case
    expected = decode_weights(stored, encoding.matrices, encoding.layout)
    expected = expected if order is None else expected[:, :, order]
    assert np.array_equal(unpacked(encoding), expected ^ encoding.inverted[:, :, np.newaxis])


@given(st.integers(0, 9999), SCHEMES)
def test_decoding_is_the_parity_of_the_taps(seed, scheme):
    (matrix,) = scheme.draw(1)
    encoded = np.random.default_rng(seed).integers(0, 2, (2, 7, scheme.n_in), dtype=np.uint8)
    expected = (encoded[:, :, np.newaxis] & matrix).sum(axis=-1) % 2
    assert np.array_equal(decode(encoded, matrix), expected)


@given(encodings())
def test_arranging_is_taking_every_weight_from_its_position(case):
    encoding, stored, _ = case
    decoded = decode(stored[0], encoding.matrices[0])
    layout = encoding.layout
    assert np.array_equal(layout.arranged(decoded), decoded.ravel()[layout.positions()])


@settings(max_examples=50)
@given(encodings())
def test_a_file_holds_the_encoding_alone_and_gives_the_same_weights(case):
    encoding, _, _ = case
    graph = encoded_graph(WeightPlanes.from_encoding(encoding))
    content = ir_file.to_bytes(graph)
    weights = ir_file.from_bytes(content).nodes[1].op.weights
    assert np.array_equal(weights.bits, encoding.decode())
    assert np.array_equal(weights.encoding.words, encoding.words)
    assert np.array_equal(weights.encoding.inverted, encoding.inverted)
    assert weights.encoding.layout == encoding.layout
    assert ir_file.to_bytes(encoded_graph(weights)) == content


def encoded_graph(weights):
    nodes = (
        Node("encode", EncodeBitPlanes(n_bits=1), ("x",)),
        Node("fc", Dense(weights=weights), ("encode",)),
    )
    return Graph("encoded", "x", TensorType((weights.columns,), Integers(0, 1)), nodes)


def paper_encoding(rows=64, columns=320, n_planes=1, seed=0):
    scheme = XorScheme(n_in=8, n_out=10)
    layout = FlattenLayout(order=FlattenOrder.PAPER, rows=rows, columns=columns, n_out=scheme.n_out)
    bits = np.random.default_rng(seed).integers(0, 2, (n_planes, layout.n_slices, 8), dtype=np.uint8)
    return XorEncoding.from_bits(bits, scheme.draw(n_planes), layout), bits


def test_eight_stored_bits_for_ten_weights_are_eight_tenths_of_a_bit_in_memory_and_on_disk():
    encoding, _ = paper_encoding(512, 1000)
    assert encoding.stored_bits == 512 * 1000 * 8 // 10
    weights = WeightPlanes.from_encoding(encoding)
    assert weights.average_bits() == 1.0
    assert weights.stored_average_bits() == 0.8
    assert len(ir_file.to_bytes(encoded_graph(weights))) < 1.05 * encoding.stored_bits / 8


def test_rows_that_deployment_turned_over_are_found():
    encoding, stored = paper_encoding(n_planes=2)
    turned = np.zeros((2, 64), dtype=bool)
    turned[0, 3] = turned[1, 60] = True
    bits = unpacked(encoding) ^ turned[:, :, np.newaxis]
    plain = WeightPlanes.from_bits(bits, np.ones_like(bits), (2, 1))
    weights = plain.with_encoding(stored, encoding.matrices, encoding.layout)
    assert np.array_equal(weights.encoding.inverted, turned)
    assert np.array_equal(weights.values(), plain.values())


def test_a_kernel_in_the_reimplementations_order_is_found_by_its_column_order():
    """ROW_MAJOR has channels outermost; the IR has them innermost: one permutation for all rows."""
    channels, height, width, rows = 5, 3, 2, 4
    columns = channels * height * width
    layout = FlattenLayout(order=FlattenOrder.ROW_MAJOR, rows=rows, columns=columns, n_out=10)
    scheme = XorScheme()
    stored = np.random.default_rng(1).integers(0, 2, (1, layout.n_slices, 8), dtype=np.uint8)
    kernels = decode_weights(stored, scheme.draw(1), layout)[
        :, :, layout.order.columns(channels, height, width)
    ]
    assert kernels.shape == (1, rows, channels, height, width)
    in_ir_order = np.moveaxis(kernels, 2, -1).reshape(1, rows, -1)
    plain = WeightPlanes.from_bits(in_ir_order, np.ones_like(in_ir_order))
    weights = plain.with_encoding(stored, scheme.draw(1), layout, channels_first(columns, channels))
    assert not weights.encoding.inverted.any()


def test_an_encoding_of_other_weights_is_refused():
    encoding, stored = paper_encoding()
    bits = unpacked(encoding)
    bits[0, 5, 7] ^= 1
    plain = WeightPlanes.from_bits(bits, np.ones_like(bits))
    with pytest.raises(RangeError, match="with the bits that the encoding gives"):
        plain.with_encoding(stored, encoding.matrices, encoding.layout)


def test_parts_that_do_not_fit_are_named():
    encoding, stored = paper_encoding()
    with pytest.raises(ShapeError, match=r"\(planes, slices, n_in\) = \(1, 2048, 8\), not \(1, 2047, 8\)"):
        XorEncoding.from_bits(stored[:, 1:], encoding.matrices, encoding.layout)
    with pytest.raises(RangeError, match="permutation of 320 columns"):
        XorEncoding.from_bits(
            stored, encoding.matrices, encoding.layout, column_order=np.zeros(320, dtype=np.int64)
        )
    with pytest.raises(RangeError, match="0 and 1 only"):
        XorEncoding.from_bits(stored, 2 * encoding.matrices, encoding.layout)
    two = np.ones((2, 64, 320), np.uint8)
    with pytest.raises(ShapeError, match=r"planes of \(2, 64, 5\) words, not \(1, 64, 5\)"):
        WeightPlanes.from_bits(two, two).with_encoding(stored, encoding.matrices, encoding.layout)


def test_a_slice_that_promises_millions_of_weights_for_a_bit_is_refused_before_it_is_decoded():
    layout = FlattenLayout(order=FlattenOrder.PAPER, rows=4, columns=4, n_out=2)
    encoding = XorEncoding.from_bits(np.ones((1, 8, 1), np.uint8), np.ones((1, 2, 1), np.uint8), layout)
    content = ir_file.to_bytes(encoded_graph(WeightPlanes.from_encoding(encoding)))
    files = members(content)
    for name in ("rows", "columns"):
        files["graph.json"] = files["graph.json"].replace(
            f'"{name}": 4'.encode(), f'"{name}": 40000'.encode()
        )
    with pytest.raises(GraphError, match="larger in memory"):
        ir_file.from_bytes(rebuilt(files))
