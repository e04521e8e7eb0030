"""The IR's file format: a zip of ``graph.json`` and little-endian ``.npy`` arrays; never a pickle.

``graph.json`` is ``{"format": "hbnn_hw.ir", "version": 2, "name", "input": {"name", "shape", "low", "high"},
"nodes": [{"name", "op", "inputs", "attributes"}]}``. An operator's attributes are its dataclass fields, those
at their defaults left out; arrays stand as ``{"array": "<path>.npy"}``; weights have a compact form,
:mod:`hbnn_hw.stored_weights`. Files are byte-identical for equal graphs: fixed dates, stored without
compression, in the order of the graph. Version 1, with all bits and masks as words, stays readable.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

from hbnn_hw.codec import Arrays, Source, decode, decode_dataclass, encode
from hbnn_hw.errors import GraphError, HbnnError
from hbnn_hw.folding import check_folding
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ir_container import read_container, write_container
from hbnn_hw.ops import OPS, Mvtu, Op
from hbnn_hw.stored_weights import FORMS
from hbnn_hw.types import Integers, Planes, TensorType

FORMAT = "hbnn_hw.ir"
VERSION = 2

LARGEST_FILE = 1 << 31
"""Larger files, and files that would become more bytes in memory, are refused before that happens [byte]."""

LARGEST_EXPANSION, LEAST_ALLOWANCE = 256, 1 << 20
"""A file may become so many times its size in memory, or so many bytes if it is small."""

LARGEST_GRAPH = 10_000
"""Nodes of the largest graph that is read."""

LONGEST_NAME = 1000
"""Characters of the longest name that is read."""

_DAMAGE = (
    zipfile.BadZipFile,
    struct.error,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    OSError,
    EOFError,
    RuntimeError,
)
"""What zipfile, json and operators with wrong fields raise on damaged files; RecursionError is among them."""

_OP_NAMES = {op: name for name, op in OPS.items()}


def _input_document(graph: Graph) -> dict[str, Any]:
    element = graph.input_type.element
    if not isinstance(element, Integers):
        raise GraphError(f"the graph's input must be integers, not {element}")
    shape = list(graph.input_type.shape)
    return {"name": graph.input_name, "shape": shape, "low": element.low, "high": element.high}


def to_bytes(graph: Graph) -> bytes:
    """Serialize a graph; equal graphs give equal bytes on every machine.

    Raises
    ------
    GraphError
        If the graph is malformed.
    """
    graph.check()
    arrays: Arrays = {}
    nodes = [
        {
            "name": node.name,
            "op": _OP_NAMES[type(node.op)],
            "inputs": list(node.inputs),
            "attributes": encode(node.op, f"nodes/{node.name}", arrays, FORMS[VERSION]),
        }
        for node in graph.nodes
    ]
    document = {"format": FORMAT, "version": VERSION, "name": graph.name, "input": _input_document(graph)}
    return write_container({**document, "nodes": nodes}, arrays)


def _graph_of(document: Any, arrays: Arrays, allowance: int) -> Graph:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise GraphError(f"graph.json must say format '{FORMAT}'")
    version = document.get("version")
    if type(version) is not int or version not in FORMS:
        known = " and ".join(map(str, FORMS))
        raise GraphError(f"the file has version {version!r:.60}; this release reads versions {known}")
    source = Source(arrays, FORMS[version], allowance)
    entry, nodes = document["input"], document["nodes"]
    if not isinstance(nodes, list) or len(nodes) > LARGEST_GRAPH:
        raise GraphError(f"nodes must be a list of at most {LARGEST_GRAPH}")
    shape = decode(entry["shape"], tuple[int, ...], "input.shape", source)
    low, high = (decode(entry[key], int, f"input.{key}", source) for key in ("low", "high"))
    name, input_name = (_name_of(owner["name"], "name", source) for owner in (document, entry))
    input_type = TensorType(shape, Integers(low, high))
    graph = Graph(name, input_name, input_type, tuple(_node_of(item, source) for item in nodes))
    _spend_maps(graph, source)
    return graph


def _spend_maps(graph: Graph, source: Source) -> None:
    """Infer the types as the graph does, and count the activation maps that they hold, one by one."""
    types = {graph.input_name: graph.input_type}
    for node in graph.nodes:
        if any(name not in types for name in node.inputs):
            return  # The graph's own check says what is wrong.
        types[node.name] = node.infer(*(types[name] for name in node.inputs))
        element = types[node.name].element
        if isinstance(element, Planes) and element.mask is not None:
            source.spend(len(element.mask.packed))


def _name_of(item: Any, path: str, source: Source) -> str:
    name: str = decode(item, str, path, source)
    if not name.isprintable() or len(name) > LONGEST_NAME:
        raise GraphError(f"{path} must be up to {LONGEST_NAME} printable characters, not {name!r:.60}")
    return name


def _node_of(item: Any, source: Source) -> Node:
    name = _name_of(item["name"], "the name of a node", source)
    kind = decode(item["op"], str, f"{name}.op", source)
    if kind not in OPS:
        raise GraphError(f"'{name}': unknown operator {kind!r:.60}; this release knows {', '.join(OPS)}")
    inputs = decode(item["inputs"], tuple[str, ...], f"{name}.inputs", source)
    op: Op = decode_dataclass(item["attributes"], OPS[kind], name, source)
    if isinstance(op, Mvtu) and op.folding is not None:
        check_folding(name, op.weights, op.folding)
    return Node(name, op, inputs)


def from_bytes(content: bytes, name: str = "the file") -> Graph:
    """Read and check a graph.

    Arrays take at most :data:`LARGEST_EXPANSION` times the content's size in memory (or
    :data:`LEAST_ALLOWANCE`), and never more than :data:`LARGEST_FILE`. Nothing is written.

    Raises
    ------
    GraphError
        If the content is not an IR file, is damaged, would become too large, or holds a malformed graph.
    """
    allowance = min(LARGEST_FILE, max(LEAST_ALLOWANCE, LARGEST_EXPANSION * len(content)))
    try:
        graph = _graph_of(*read_container(content), allowance)
        graph.check()
    except HbnnError as error:
        raise GraphError(f"{name} holds no valid graph: {error}") from error
    except _DAMAGE as error:
        raise GraphError(f"{name} is not an IR file of hbnn-hw, or is damaged: {error}") from error
    return graph


def save(graph: Graph, path: Path) -> None:
    """Write a graph to a file; raises GraphError if it is malformed."""
    path.write_bytes(to_bytes(graph))


def load(path: Path) -> Graph:
    """Read a graph from a file.

    Raises
    ------
    GraphError
        If the file is missing, larger than :data:`LARGEST_FILE`, damaged or not an IR file.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise GraphError(f"cannot read '{path}': {error.strerror}") from error
    if len(content) > LARGEST_FILE:
        raise GraphError(f"'{path}' must have at most {LARGEST_FILE} bytes")
    return from_bytes(content, f"'{path}'")
