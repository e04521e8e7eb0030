"""The IR's file format: a zip of ``graph.json`` and little-endian ``.npy`` arrays; never a pickle.

``graph.json`` is ``{"format": "hbnn_hw.ir", "version": 1, "name", "input": {"name", "shape", "low", "high"},
"nodes": [{"name", "op", "inputs", "attributes"}]}``. An operator's attributes are its dataclass fields;
arrays stand as ``{"array": "<path>.npy"}``. Files are byte-identical for equal graphs: fixed dates, stored
without compression, in the order of the graph.
"""

from __future__ import annotations

import io
import json
import zipfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from hbnn_hw.artifacts import npy_bytes
from hbnn_hw.codec import Arrays, decode, decode_dataclass, encode
from hbnn_hw.errors import GraphError, HbnnError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import OPS
from hbnn_hw.types import Integers, TensorType

FORMAT = "hbnn_hw.ir"
VERSION = 1

LARGEST_FILE = 1 << 31
"""Files that would unpack to more bytes than this are refused before anything is allocated."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
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
            "attributes": encode(node.op, f"nodes/{node.name}", arrays),
        }
        for node in graph.nodes
    ]
    document = {"format": FORMAT, "version": VERSION, "name": graph.name, "input": _input_document(graph)}
    text = json.dumps({**document, "nodes": nodes}, indent=1, ensure_ascii=False) + "\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_entry("graph.json"), text)
        for name, array in arrays.items():
            archive.writestr(_entry(name), npy_bytes(array))
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    """Describe a member without a trace of the time or the system it was written on."""
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.create_system = 3
    return entry


def _read_arrays(archive: zipfile.ZipFile) -> Arrays:
    arrays: Arrays = {}
    for entry in archive.infolist():
        if entry.filename.endswith(".npy"):
            arrays[entry.filename] = _array_of(archive.read(entry), entry.filename)
    return arrays


def _array_of(content: bytes, name: str) -> np.ndarray[Any, Any]:
    """Read one ``.npy``; the header's size is held against the content before anything is allocated."""
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise GraphError(f"{name} must be an .npy file of version 1.0")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    body = memoryview(content)[stream.tell() :]
    if dtype.hasobject or fortran_order or prod(shape) * dtype.itemsize != len(body):
        raise GraphError(
            f"{name} must hold {shape} plain numbers in C order; its header and content disagree"
        )
    return np.frombuffer(body, dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _graph_of(document: Any, arrays: Arrays) -> Graph:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise GraphError(f"graph.json must say format '{FORMAT}'")
    if document.get("version") != VERSION:
        raise GraphError(
            f"the file has version {document.get('version')!r}; this release reads version {VERSION}"
        )
    entry = document["input"]
    shape = decode(entry["shape"], tuple[int, ...], "input.shape", arrays)
    low, high = (decode(entry[key], int, f"input.{key}", arrays) for key in ("low", "high"))
    nodes = tuple(_node_of(item, arrays) for item in document["nodes"])
    return Graph(str(document["name"]), str(entry["name"]), TensorType(shape, Integers(low, high)), nodes)


def _node_of(item: Any, arrays: Arrays) -> Node:
    name, kind = str(item["name"]), item["op"]
    if kind not in OPS:
        raise GraphError(f"'{name}': unknown operator {kind!r}; this release knows {', '.join(OPS)}")
    inputs = decode(item["inputs"], tuple[str, ...], f"{name}.inputs", arrays)
    return Node(name, decode_dataclass(item["attributes"], OPS[kind], name, arrays), inputs)


def from_bytes(content: bytes, name: str = "the file") -> Graph:
    """Read and check a graph.

    Raises
    ------
    GraphError
        If the content is not an IR file, is damaged, unpacks to more than 2 GiB, or holds a malformed graph.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST_FILE:
                raise GraphError(f"{name} would unpack to more than {LARGEST_FILE} bytes")
            graph = _graph_of(json.loads(archive.read("graph.json")), _read_arrays(archive))
        graph.check()
    except HbnnError as error:
        raise GraphError(f"{name} holds no valid graph: {error}") from error
    except (
        zipfile.BadZipFile,
        KeyError,
        ValueError,
        TypeError,
        OSError,
        EOFError,
        NotImplementedError,
    ) as error:
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
        If the file is missing, damaged or not an IR file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise GraphError(f"cannot read '{path}': {error.strerror}") from error
    return from_bytes(content, f"'{path}'")
