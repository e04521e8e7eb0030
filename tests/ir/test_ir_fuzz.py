"""Hostile IR files: thousands of damaged ones, none of which does anything but raise GraphError or be read.

Truncated at every length, bits flipped, fields of ``graph.json`` replaced, lists nested, graphs made cyclic,
members repeated, compressed and enlarged. What loading allocates stays within the bound that
:func:`hbnn_hw.ir_file.from_bytes` states, and loading writes nothing.
"""

import io
import json
import struct
import tracemalloc
import zipfile
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

from hbnn_hw import ir_file
from hbnn_hw.errors import GraphError, RangeError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.inspection import graph_text
from hbnn_hw.ops import (
    Add,
    Concat,
    Dense,
    EncodeBitPlanes,
    Flatten,
    MaxPool,
    Pad,
    PiecewiseAffine,
    Quantize,
    Rescale,
    SumPool,
    Unflatten,
)
from hbnn_hw.passes import lower
from hbnn_hw.report.graph_picture import graph_svg
from hbnn_hw.types import Integers, TensorType
from hbnn_hw.weights import WeightPlanes
from tests.graphs import (
    PoolAt,
    random_affine,
    random_cnn,
    random_convolution,
    random_inputs,
    random_mlp,
    random_weights,
)
from tests.ir.containers import members, rebuilt
from tests.ir.test_xor_encoding import encoded_graph, paper_encoding
from tests.tables import rows

SLACK = 1 << 20
"""Of the interpreter, for exceptions, zipfile and json, beside the stated bound."""


def branches():
    """Operators with several inputs, activation maps and tables of every kind."""
    rng = np.random.default_rng(0)
    mask = np.ones((2, 4, 4, 2), dtype=np.uint8)
    mask[1, :, :, 0] = 0
    levels = np.array([-0.5, 0.0, 0.5])
    steps = np.ones((2, 4), dtype=np.int64)
    slopes = np.ones((2, 3), dtype=np.float32)
    nodes = (
        ("image", Unflatten(shape=(4, 4, 2)), "x"),
        ("encode", EncodeBitPlanes(n_bits=3), "image"),
        ("conv", random_convolution(rng, (4, 4, 2), outputs=2, padding=(1, 1, 1, 1)), "encode"),
        ("norm", random_affine(rng, 2, 3.0), "conv"),
        ("act", Quantize(boundaries=levels, inclusive=levels > 0, scales=(1, 2), mask=mask), "norm"),
        ("both", Concat(), "act act"),
        ("pool", MaxPool(kernel=(3, 3), stride=(1, 1), padding=(1, 1, 1, 1)), "both"),
        ("scale", Rescale(multipliers=3 * steps, offsets=steps, knees=steps[:1], shift=1), "both"),
        ("sum", Add(), "pool scale"),
        ("frame", Pad(channels=(1, 0), value=-1), "sum"),
        ("mean", SumPool(kernel=(2, 2), stride=(2, 2)), "frame"),
        ("flat", Flatten(), "mean"),
        ("fc", Dense(weights=random_weights(rng, 3, 20, (3, 1))), "flat"),
        ("bend", PiecewiseAffine(alpha=slopes, beta=slopes, knees=np.zeros((1, 3), np.int64)), "fc"),
    )
    return Graph(
        "branches",
        "x",
        TensorType((32,), Integers(0, 7)),
        tuple(Node(name, op, tuple(inputs.split())) for name, op, inputs in nodes),
    )


def test_a_graph_with_branches_and_maps_comes_back_as_it_was():
    graph = branches()
    again = ir_file.from_bytes(CONTENTS["branches"])
    assert again.types == graph.types
    inputs = random_inputs(graph, 8, seed=0)
    assert np.array_equal(again.run(inputs).data, graph.run(inputs).data)
    # 64 entries of the map in 8 octets behind the header of the array.
    assert len(members(CONTENTS["branches"])["nodes/act.mask.npy"]) == 128 + 8


def graphs():
    encoding, _ = paper_encoding(4, 20, n_planes=2)
    rows = np.array([[1, 2, 3, 4], [4, 3, 2, 1]])
    return {
        "mlp": lower(random_mlp(7, (9, 4, 3), coefficients=(2, 1))),
        "cnn": random_cnn(5, (4, 5, 2), (PoolAt.ACCUMULATORS,), coefficients=(3, 1)),
        "branches": branches(),
        "encoded": encoded_graph(WeightPlanes.from_encoding(encoding, row_coefficients=rows)),
    }


CONTENTS = {name: ir_file.to_bytes(graph) for name, graph in graphs().items()}
CONTENTS["version 1"] = (Path(__file__).parent / "files" / "mlp_v1.hbnn").read_bytes()
NAMES = sorted(CONTENTS)
SEEDS = pytest.mark.parametrize("seed", rows(range(1, 4), usual=lambda seed: seed == 1))


@pytest.fixture
def survives(tmp_path, monkeypatch):
    """Return a function that reads a file and counts how often that worked; the folder must stay empty."""
    monkeypatch.chdir(tmp_path)

    def check(content):
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        try:
            graph = ir_file.from_bytes(content)
            graph_text(graph)
            graph_svg(graph)
            found = True
        except GraphError:
            found = False
        _, peak = tracemalloc.get_traced_memory()
        bound = max(ir_file.LEAST_ALLOWANCE, ir_file.LARGEST_EXPANSION * len(content))
        assert peak - before < bound + SLACK
        return found

    tracemalloc.start()
    try:
        yield check
    finally:
        tracemalloc.stop()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_truncated_file_is_read(survives, name):
    content = CONTENTS[name]
    assert not any(survives(content[:length]) for length in range(len(content)))


@pytest.mark.parametrize("name", NAMES)
def test_flipped_bits_are_found_or_change_nothing_that_matters(survives, name):
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(CONTENTS[name])
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        survives(bytes(damaged))


@SEEDS
@pytest.mark.parametrize("name", NAMES)
def test_flipped_bits_under_right_checksums_are_found_or_make_another_graph(survives, name, seed):
    """The zip's checksums would find them: they are renewed, so that every reader behind them is reached."""
    rng = np.random.default_rng(seed)
    files = members(CONTENTS[name])
    for _ in range(150):
        chosen = str(rng.choice(sorted(files)))
        damaged = bytearray(files[chosen])
        damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        survives(rebuilt(files | {chosen: bytes(damaged)}))


HOSTILE = [
    None,
    True,
    -1,
    0,
    1,
    2,
    7,
    1 << 31,
    1 << 62,
    1 << 64,
    10**18,
    0.5,
    1e308,
    "",
    "x",
    "FULL",
    [],
    [1 << 40, 1 << 40],
    [0],
    [[]],
    [1] * 5000,
    {},
    {"array": "nowhere.npy"},
    {"array": ["x"]},
]


def paths(document, prefix=()):
    """Yield the way to every value of a document."""
    items = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    for key, value in items:
        yield (*prefix, key)
        yield from paths(value, (*prefix, key))


def with_value(document, path, value):
    changed = deepcopy(document)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def dumped(document):
    return json.dumps(document).encode()


@SEEDS
@pytest.mark.parametrize("name", NAMES)
def test_any_field_may_hold_anything(survives, name, seed):
    files = members(CONTENTS[name])
    document = json.loads(files["graph.json"])
    rng = np.random.default_rng(seed)
    places = list(paths(document))
    for _ in range(200):
        path, value = places[rng.integers(len(places))], HOSTILE[rng.integers(len(HOSTILE))]
        survives(rebuilt(files | {"graph.json": dumped(with_value(document, path, value))}))


@pytest.mark.parametrize("name", NAMES)
def test_fields_may_be_exchanged_and_missing(survives, name):
    """Arrays in each other's place have plausible contents of the wrong shape or type."""
    files = members(CONTENTS[name])
    document = json.loads(files["graph.json"])
    places = list(paths(document))
    rng = np.random.default_rng(2)
    for _ in range(100):
        one, other = (places[i] for i in rng.integers(len(places), size=2))
        value = document
        for key in other:
            value = value[key]
        survives(rebuilt(files | {"graph.json": dumped(with_value(document, one, value))}))
    for at in rng.integers(len(places), size=100):
        path = places[at]
        changed = deepcopy(document)
        place = changed
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]
        survives(rebuilt(files | {"graph.json": dumped(changed)}))


def changed(change, name="mlp"):
    files = members(CONTENTS[name])
    document = json.loads(files["graph.json"])
    change(document)
    return rebuilt(files | {"graph.json": dumped(document)})


def nodes_of(document):
    return document["nodes"]


def read_itself(document):
    nodes_of(document)[1]["inputs"] = [nodes_of(document)[1]["name"]]


def read_each_other(document):
    nodes_of(document)[1]["inputs"] = [nodes_of(document)[2]["name"]]


def reverse(document):
    nodes_of(document).reverse()


@pytest.mark.parametrize("change", [read_itself, read_each_other, reverse])
def test_a_cycle_is_named(survives, change):
    content = changed(change)
    assert not survives(content)
    with pytest.raises(GraphError, match="is not defined before it"):
        ir_file.from_bytes(content)


def set_attributes(node, **fields):
    def change(document):
        (attributes,) = (item["attributes"] for item in nodes_of(document) if item["name"] == node)
        attributes.update(fields)

    return change


def test_a_range_beyond_64_bits_proves_nothing():
    """2^61 times 16 weights of 1 is 2^65, which would be 0 in 64 bits."""
    ones = np.ones((1, 1, 16), dtype=np.uint8)
    source = TensorType((16,), Integers(0, 1 << 61))
    with pytest.raises(RangeError, match="beyond 32 bits"):
        Dense(weights=WeightPlanes.from_bits(ones, ones)).infer(source)


def set_weights(**fields):
    def change(document):
        (weights, *_) = (
            node["attributes"]["weights"] for node in nodes_of(document) if "weights" in node["attributes"]
        )
        weights.update(fields)

    return change


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(set_weights(rows=10**9)), "larger in memory"),
        (
            changed(set_attributes("pool", kernel=[9999, 9999], padding=[9998] * 4), "branches"),
            "an activation map must have at most 67108864 entries",
        ),
        (changed(set_attributes("image", shape=[1 << 40, 1 << 40, 2]), "branches"), "values, not"),
        (changed(set_weights(rows=10**9, columns=10**9)), "larger in memory"),
        (changed(set_weights(rows=-4)), "must have planes, rows and columns"),
        (changed(set_weights(coefficients=[1] * 4097)), "at most 4096 items"),
        (changed(set_weights(coefficients=[10**19, 1])), r"below 2\^31"),
        (changed(lambda d: d["input"].update(shape=[-9])), "at least 1"),
        (changed(lambda d: d.update(nodes=nodes_of(d) * 5000)), "list of at most 10000"),
        (changed(lambda d: d["input"].update(low=float("nan"))), "must be finite, not NaN"),
        (changed(lambda d: d["input"].update(low=10**4000)), "at most 20 digits, not 4001"),
        (changed(lambda d: nodes_of(d)[1]["attributes"]["folding"].update(pe=0)), "PE must divide"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_numbers_that_mean_nothing_are_refused_with_the_reason(survives, content, message):
    assert not survives(content)
    with pytest.raises(GraphError, match=message):
        ir_file.from_bytes(content)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_document_nested_deeper_than_the_stack_is_refused(survives, opening):
    files = members(CONTENTS["mlp"])
    assert not survives(rebuilt(files | {"graph.json": opening * 200_000}))


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"null", b"\xff\xfe", b"NaN", b"1", b'"x"', b"{}", b'{"format": "hbnn_hw.ir"}']
)
def test_a_document_of_another_kind_is_refused(survives, text):
    assert not survives(rebuilt(members(CONTENTS["mlp"]) | {"graph.json": text}))


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '|u1', 'fortran_order': True, 'shape': (1,), }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999999,), }",
        "{'descr': '|V0', 'fortran_order': False, 'shape': (9999999999999,), }",
        "{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (1,), }",
        "__import__('os').mkdir('made')",
        "[" * 5000,
        "",
    ],
)
def test_array_headers_of_another_kind_are_refused(survives, header):
    files = members(CONTENTS["mlp"])
    name = next(name for name in files if name.endswith("weights.bits.npy"))
    text = header.encode() + b"\n"
    files[name] = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + b"\x01"
    assert not survives(rebuilt(files))


def test_members_that_repeat_are_refused(survives):
    files = members(CONTENTS["mlp"])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("graph.json", b"{}")
    assert not survives(buffer.getvalue())
    with pytest.raises(GraphError, match="different names"):
        ir_file.from_bytes(buffer.getvalue())


def test_a_zip_bomb_is_refused_before_it_is_unpacked(survives):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("graph.json", b" " * (64 << 20))
    assert not survives(buffer.getvalue())
    with pytest.raises(GraphError, match="without compression"):
        ir_file.from_bytes(buffer.getvalue())


def test_members_that_share_their_bytes_are_refused(survives):
    """A thousand entries of the central directory that all point to one member of a megabyte."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.npy", bytes(1 << 20))
        (entry,) = archive.filelist
        for number in range(1000):
            copied = deepcopy(entry)
            copied.filename = f"{number:04}.npy"
            archive.filelist.append(copied)
    assert not survives(buffer.getvalue())


def test_a_file_that_never_ends_is_read_up_to_the_limit(monkeypatch, tmp_path):
    monkeypatch.setattr(ir_file, "LARGEST_FILE", 1000)
    path = tmp_path / "large.hbnn"
    path.write_bytes(bytes(1001))
    with pytest.raises(GraphError, match="at most 1000 bytes"):
        ir_file.load(path)
