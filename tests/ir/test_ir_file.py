"""The file format: round trip, golden bytes, damaged and hostile input."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw import ir_file
from hbnn_hw.errors import GraphError
from hbnn_hw.passes import lower
from hbnn_hw.planes import popcount
from tests.graphs import random_inputs, random_mlp


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


GOLDEN_DIGEST = "2b023f51323eed7ac78c55c2e042bba640e3ba471b1e20ef7c060f1ac92b1f6a"


def members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rebuilt(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def content():
    return ir_file.to_bytes(lower(random_mlp(7, (70, 6, 3), coefficients=(2, 1))))


def test_every_truncation_and_bit_flip_gives_a_graph_error_or_a_valid_graph(content):
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(content)
        if rng.integers(2):
            damaged = damaged[: rng.integers(len(damaged))]
        else:
            damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        try:
            ir_file.from_bytes(bytes(damaged)).check()
        except GraphError:
            continue


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format="other"), "must say format 'hbnn_hw.ir'"),
        (lambda d: d.update(version=99), "version 99; this release reads version 1"),
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
    files[name] = files[name].replace(b"'shape': (2, 6, 2)", b"'shape': (2, 6000000000, 2)".ljust(18))[:400]
    with pytest.raises(GraphError, match=r"header and content disagree|not an IR file"):
        ir_file.from_bytes(rebuilt(files))


def test_a_pickled_array_is_never_loaded(content):
    files = members(content)
    name = next(name for name in files if name.endswith("weights.bits.npy"))
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    files[name] = buffer.getvalue()
    with pytest.raises(GraphError, match="plain numbers"):
        ir_file.from_bytes(rebuilt(files))


def test_the_file_is_little_more_than_its_packed_bits():
    graph = random_mlp(1, (1024, 1024, 1024, 10))
    packed = (
        sum(popcount(node.op.weights.masks).sum() for node in graph.nodes if hasattr(node.op, "weights"))
        * 2
        / 8
    )
    assert len(ir_file.to_bytes(graph)) < 1.07 * packed


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(GraphError, match="cannot read"):
        ir_file.load(tmp_path / "none.hbnn")
