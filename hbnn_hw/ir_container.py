"""The container of an IR file: a zip, without compression, of ``graph.json`` and ``.npy`` arrays.

Nothing that a file promises is believed: members may not be compressed, repeat or overlap, so that reading
takes no more memory than the file has bytes, and array headers are matched, not evaluated.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from hbnn_hw.artifacts import npy_bytes
from hbnn_hw.codec import Arrays, Json
from hbnn_hw.errors import GraphError

DOCUMENT = "graph.json"

LARGEST_DOCUMENT = 1 << 24
"""Bytes of the largest ``graph.json`` that is read."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_INTEGER_DIGITS = 20
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<|](?:b1|u1|u8|i1|i2|i4|i8|f4|f8))', 'fortran_order': False, "
    rb"'shape': \(((?:\d{1,18}, ?)*(?:\d{1,18})?)\), \} *\n",
    re.DOTALL,
)
"""The beginning of an array as :func:`~hbnn_hw.artifacts.npy_bytes` writes it."""


def write_container(document: Json, arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """Write a document and its arrays: fixed dates, in the given order, the same bytes on every machine."""
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_entry(DOCUMENT), text)
        for name, array in arrays.items():
            archive.writestr(_entry(name), npy_bytes(array))
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    """Describe a member without a trace of the time or the system it was written on."""
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.create_system = 3
    return entry


def read_container(content: bytes) -> tuple[Json, Arrays]:
    """Read the document and the arrays, which are views of their members.

    Raises
    ------
    GraphError
        If the container is not as :func:`write_container` makes it. What zipfile and json raise on damaged
        files comes through.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        _check_members(members, len(content))
        document = _document_of(archive.read(DOCUMENT))
        arrays = {
            member.filename: _array_of(archive.read(member), member.filename)
            for member in members
            if member.filename.endswith(".npy")
        }
    return document, arrays


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    names = {member.filename for member in members}
    if len(names) < len(members):
        raise GraphError("the members of the file must have different names")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise GraphError("the members of the file must be stored without compression")
    # Members that overlap are the other way to promise more than the file has.
    if sum(max(member.file_size, member.compress_size) for member in members) > size:
        raise GraphError("the members of the file must not be larger than the file")


def _document_of(text: bytes) -> Json:
    if len(text) > LARGEST_DOCUMENT:
        raise GraphError(f"{DOCUMENT} must have at most {LARGEST_DOCUMENT} bytes, not {len(text)}")
    return json.loads(text, parse_int=_integer, parse_constant=_no_number)


def _integer(digits: str) -> int:
    if len(digits) > _INTEGER_DIGITS:
        raise GraphError(f"integers must have at most {_INTEGER_DIGITS} digits, not {len(digits)}")
    return int(digits)


def _no_number(name: str) -> float:
    raise GraphError(f"numbers must be finite, not {name}")


def _array_of(content: bytes, name: str) -> np.ndarray[Any, Any]:
    """Read one ``.npy``; the header's size is held against the content before anything is allocated."""
    header = _HEADER.match(content)
    if header is None:
        raise GraphError(f"{name!r:.80} must be an .npy file of version 1.0 with plain numbers in C order")
    dtype = np.dtype(header[1].decode())
    shape = tuple(int(extent) for extent in header[2].split(b",") if extent.strip())
    body = memoryview(content)[header.end() :]
    if prod(shape) * dtype.itemsize != len(body):
        raise GraphError(f"{name!r:.80} must hold {shape} numbers; its header and content disagree")
    return np.frombuffer(body, dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
