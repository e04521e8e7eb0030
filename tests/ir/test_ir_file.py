"""The file format: round trip, golden bytes, damaged and hostile input."""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hbnn_hw import ir_file
from hbnn_hw.codec import Source, decode, encode
from hbnn_hw.errors import GraphError
from hbnn_hw.ops import Thresholds
from hbnn_hw.passes import lower
from tests.graphs import PoolAt, random_cnn, random_inputs, random_mlp
from tests.ir.containers import members, rebuilt


@settings(max_examples=30)
@given(st.integers(0, 9999), st.lists(st.integers(1, 70), min_size=2, max_size=4), st.booleans())
def test_a_graph_survives_the_round_trip_bit_for_bit(seed, sizes, is_lowered):
    graph = random_mlp(seed, sizes, coefficients=(3, 1))
    graph = lower(graph) if is_lowered else graph
    content = ir_file.to_bytes(graph)
    again = ir_file.from_bytes(content)
    inputs = random_inputs(graph, 4, seed)
    assert np.array_equal(graph.run(inputs).data, again.run(inputs).data)
    assert again.text() == graph.text()
    assert ir_file.to_bytes(again) == content


def test_the_bytes_of_a_known_graph_do_not_change():
    content = ir_file.to_bytes(lower(random_mlp(7, (70, 6, 3), coefficients=(2, 1))))
    assert hashlib.sha256(content).hexdigest() == GOLDEN_DIGEST


GOLDEN_DIGEST = "67e2d68b44a6f3093e711b7a6203b0a0aa49850a6832ef13c1adf8c156151a20"


FILES = Path(__file__).parent / "files"


@pytest.mark.parametrize(
    ("name", "graph"),
    [
        ("mlp_v1", lower(random_mlp(7, (70, 6, 3), coefficients=(2, 1)))),
        (
            "cnn_v1",
            random_cnn(5, (6, 5, 3), (PoolAt.ACCUMULATORS, PoolAt.SIGNS), coefficients=(3, 1)),
        ),
    ],
)
def test_files_of_version_1_stay_readable_and_are_written_as_version_2(name, graph):
    old = ir_file.load(FILES / f"{name}.hbnn")
    assert old.text() == graph.text()
    inputs = random_inputs(graph, 5, seed=1)
    assert np.array_equal(old.run(inputs).data, graph.run(inputs).data)
    assert ir_file.to_bytes(old) == ir_file.to_bytes(graph)


@pytest.mark.parametrize(
    ("table", "dtype"),
    [
        ([[-128], [127]], np.int8),
        ([[-129], [0]], np.int16),
        ([[0], [1 << 15]], np.int32),
        ([[-(1 << 62)], [1 << 62]], np.int64),
    ],
)
def test_thresholds_are_stored_in_the_narrowest_width_and_come_back_as_they_were(table, dtype):
    thresholds = Thresholds(table=np.array(table, dtype=np.int64), inverted=np.array([True, False]))
    arrays = {}
    document = encode(thresholds, "t", arrays)
    assert arrays["t.table.npy"].dtype == dtype
    again = decode(document, Thresholds, "t", Source(arrays, {}, 1 << 10))
    assert again.table.dtype == np.int64
    assert again.table.tolist() == table


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8])
def test_zeros_and_ones_are_stored_as_bits_and_come_back_in_their_type_and_shape(dtype):
    @dataclass
    class Holder:
        bits: NDArray[np.bool_] if dtype is np.bool_ else NDArray[np.uint8]

    arrays = {}
    bits = np.random.default_rng(0).integers(0, 2, (2, 3, 7)).astype(dtype)
    document = encode(Holder(bits), "h", arrays)
    assert arrays["h.bits.npy"].nbytes == 6
    again = decode(document, Holder, "h", Source(arrays, {}, 42)).bits
    assert again.dtype == dtype
    assert np.array_equal(again, bits)
    with pytest.raises(GraphError, match="larger in memory"):
        decode(document, Holder, "h", Source(arrays, {}, 41))


@pytest.mark.parametrize(
    ("shape", "octets", "message"),
    [
        ([9], [255], "must have 9 bits in its octets, not 8"),
        ([-1, -8], [255], "one run of octets and a shape"),
        ([7], [255], "zeros behind its last bit"),
        ([1 << 40, 1 << 40], [255], "bits in its octets, not 8"),
        (None, [255], "must be a list"),
    ],
)
def test_bits_that_do_not_fit_their_shape_are_refused(shape, octets, message):
    source = Source({"a": np.array(octets, dtype=np.uint8)}, {}, 1000)
    with pytest.raises(GraphError, match=message):
        decode({"bits": "a", "shape": shape}, NDArray[np.bool_], "a", source)


def test_fields_at_their_default_are_left_out_and_come_back():
    graph = random_cnn(5, (6, 5, 3), (PoolAt.NOWHERE,))
    document = json.loads(members(ir_file.to_bytes(graph))["graph.json"])
    (convolution,) = (node["attributes"] for node in document["nodes"] if node["op"] == "convolution")
    assert sorted(convolution) == sorted({"weights", "kernel", "padding"} | convolution.keys() & {"border"})
    assert "stride" not in convolution
    assert ir_file.from_bytes(ir_file.to_bytes(graph)).text() == graph.text()


@pytest.fixture(scope="module")
def content():
    return ir_file.to_bytes(lower(random_mlp(7, (70, 6, 3), coefficients=(2, 1))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format="other"), "must say format 'hbnn_hw.ir'"),
        (lambda d: d.update(version=99), "version 99; this release reads versions 1 and 2"),
        (lambda d: d.update(version=True), "version True; this release"),
        (lambda d: d["nodes"][1].update(op="convolve"), "unknown operator 'convolve'"),
        (lambda d: d["nodes"][1]["attributes"].update(extra=1), r"unknown fields \['extra'\]"),
        (lambda d: d["nodes"][1]["attributes"].pop("weights"), r"lacks \['weights'\]"),
        (lambda d: d["nodes"][0]["attributes"].update(lanes="many"), "lanes must be int, not 'many'"),
        (lambda d: d["nodes"][1].update(inputs=["nowhere"]), "reads 'nowhere'"),
        (lambda d: d["input"].update(shape=[84]), "70 columns"),
    ],
)
def test_a_changed_document_is_refused_with_the_reason(content, change, message):
    files = members(content)
    document = json.loads(files["graph.json"])
    change(document)
    files["graph.json"] = json.dumps(document).encode()
    with pytest.raises(GraphError, match=message):
        ir_file.from_bytes(rebuilt(files))


def test_an_array_header_that_promises_more_than_the_file_holds_is_refused_before_allocation(content):
    files = members(content)
    name = next(name for name in files if name.endswith("weights.bits.npy"))
    files[name] = files[name].replace(b"(81,)", b"(6000000000,)")
    with pytest.raises(GraphError, match="header and content disagree"):
        ir_file.from_bytes(rebuilt(files))


def test_a_pickled_array_is_never_loaded(content):
    files = members(content)
    name = next(name for name in files if name.endswith("weights.bits.npy"))
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    files[name] = buffer.getvalue()
    with pytest.raises(GraphError, match="plain numbers"):
        ir_file.from_bytes(rebuilt(files))


def test_the_file_is_little_more_than_its_packed_bits_and_nested_maps():
    graph = random_mlp(1, (1024, 1024, 1024, 10), coefficients=(4, 2, 1))
    populations = [
        node.op.weights.plane_populations().sum(axis=1) for node in graph.nodes if hasattr(node.op, "weights")
    ]
    # Every entry has the first plane: its map costs nothing, the second's a bit for every entry.
    bits = sum(int(count.sum()) + int(count[0]) + int(count[1]) for count in populations)
    assert len(ir_file.to_bytes(graph)) < 1.03 * bits / 8


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(GraphError, match="cannot read"):
        ir_file.load(tmp_path / "none.hbnn")
