"""Frozen dataclasses to plain JSON data and back, driven by their type hints.

Arrays leave the document and travel beside it under a path of their own, integers in the narrowest width
that holds them, zeros and ones as packed bits. Fields at their default are left out. A class may have a
stored form, another dataclass that stands for it in files. Decoding trusts nothing: every field must be of
its declared type, nothing else may be there, and what arrays become in memory is counted before it is made.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from hbnn_hw.errors import GraphError

Json = Any
"""Plain data as the json module gives it."""

Arrays = dict[str, np.ndarray[Any, Any]]
"""Arrays by their path inside the file."""

Spend = Callable[[int], None]
"""Asks for so many bytes before they are allocated; raises GraphError where they are too many."""

LARGEST_LIST = 4096
"""No list of a document may be longer; long ones are arrays."""

_WIDTHS = (np.int8, np.int16, np.int32, np.int64)
_BITS = (np.bool_, np.uint8)


@dataclass(frozen=True, slots=True)
class StoredForm:
    """How a class is written: as another dataclass.

    Attributes
    ----------
    cls
        The dataclass in the file.
    store
        Makes it; None where files of this form are only read.
    restore
        Makes the value again, asking for all memory that does not lie in the file before it takes it.
    """

    cls: type
    store: Callable[[Any], Any] | None
    restore: Callable[[Any, Spend], Any]


Forms = Mapping[type, StoredForm]
"""Stored forms by the class that they stand for."""

NO_FORMS: Forms = MappingProxyType({})


@dataclass(slots=True)
class Source:
    """What a document is decoded from.

    Attributes
    ----------
    arrays
        By the path that the document names.
    forms
        Stored forms of the file's version.
    allowance
        Bytes that arrays may yet become in memory beyond what they are in the file.
    """

    arrays: Mapping[str, np.ndarray[Any, Any]]
    forms: Forms
    allowance: int

    def spend(self, n_bytes: int) -> None:
        """Take from the allowance; raise GraphError if it does not reach."""
        if n_bytes > self.allowance:
            raise GraphError("the arrays must not become so much larger in memory than they are in the file")
        self.allowance -= n_bytes


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def encode(value: object, path: str, arrays: Arrays, forms: Forms = NO_FORMS) -> Json:
    """Turn a value into plain data; its arrays go into ``arrays`` under ``<path>.npy``.

    Parameters
    ----------
    value
        A dataclass, enum, tuple, array, int, float, bool, str or None.
    path
        Where the value stands in the document, used to name its arrays.
    arrays
        Receives the arrays.
    forms
        Classes that are written as another one.

    Raises
    ------
    GraphError
        If a value of another kind occurs.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, tuple):
        return [encode(item, f"{path}.{index}", arrays, forms) for index, item in enumerate(value)]
    if isinstance(value, np.ndarray):
        return _encode_array(value, f"{path}.npy", arrays)
    if is_dataclass(value):
        form = forms.get(type(value))
        stored = form.store(value) if form and form.store else value
        return {
            f.name: encode(getattr(stored, f.name), f"{path}.{f.name}", arrays, forms)
            for f in fields(stored)
            if not _is_default(f, getattr(stored, f.name))
        }
    raise GraphError(f"{path}: a {type(value).__name__} cannot be written to a file")


def _encode_array(value: np.ndarray[Any, Any], name: str, arrays: Arrays) -> Json:
    if name in arrays:
        raise GraphError(f"two arrays of the graph would be called '{name}'; rename a node")
    if value.dtype in _BITS and value.size and value.max() <= 1:
        arrays[name] = np.packbits(value.ravel(), bitorder="little")
        return {"bits": name, "shape": list(value.shape)}
    arrays[name] = _narrowed(value) if value.dtype == np.int64 else value
    return {"array": name}


def _narrowed(value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return integers in the narrowest of 8, 16, 32 and 64 bits that holds them all."""
    low, high = (int(value.min()), int(value.max())) if value.size else (0, 0)
    width = next(w for w in _WIDTHS if np.iinfo(w).min <= low and high <= np.iinfo(w).max)
    return value.astype(width)


def _is_default(field: Field[Any], value: object) -> bool:
    default = field.default
    return default is not MISSING and type(value) is type(default) and bool(value == default)


def decode(document: Json, expected: Any, path: str, source: Source) -> Any:
    """Turn plain data back into a value of the ``expected`` type.

    Raises
    ------
    GraphError
        Naming the path, what must stand there and what was found.
    """
    origin = typing.get_origin(expected)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(document, expected, path, source)
    if origin is tuple:
        return _decode_tuple(document, expected, path, source)
    if origin is np.ndarray:
        return _decode_array(document, expected, path, source)
    if isinstance(expected, type) and issubclass(expected, Enum):
        return _decode_enum(document, expected, path)
    if is_dataclass(expected):
        return decode_dataclass(document, typing.cast(type, expected), path, source)
    return _decode_scalar(document, expected, path)


def _decode_union(document: Json, expected: Any, path: str, source: Source) -> Any:
    options = [option for option in typing.get_args(expected) if option is not type(None)]
    if document is None and len(options) < len(typing.get_args(expected)):
        return None
    if len(options) != 1:
        raise GraphError(f"{path}: the type {expected} cannot be read from a file")
    return decode(document, options[0], path, source)


def _decode_tuple(document: Json, expected: Any, path: str, source: Source) -> Any:
    if not isinstance(document, list) or len(document) > LARGEST_LIST:
        raise GraphError(f"{path} must be a list of at most {LARGEST_LIST} items, not {document!r:.60}")
    items = typing.get_args(expected)
    if items[-1] is Ellipsis:
        items = items[:1] * len(document)
    if len(items) != len(document):
        raise GraphError(f"{path} must be a list of {len(items)} items, not {document!r:.60}")
    pairs = zip(document, items, strict=True)
    return tuple(decode(entry, item, f"{path}.{index}", source) for index, (entry, item) in enumerate(pairs))


def _decode_array(document: Json, expected: Any, path: str, source: Source) -> Any:
    if not isinstance(document, dict):
        raise GraphError(f"{path} must name an array of the file, not {document!r:.60}")
    name = document.get("bits", document.get("array"))
    if not isinstance(name, str) or name not in source.arrays:
        raise GraphError(f"{path} must name an array of the file, not {document!r:.60}")
    array = source.arrays[name]
    (wanted,) = typing.get_args(typing.get_args(expected)[1])
    if "bits" in document:
        array = _unpacked(array, document.get("shape"), path, source)
        return array.view(np.bool_) if wanted is np.bool_ else _of_type(array, wanted, path)
    if wanted is np.int64 and array.dtype in _WIDTHS:
        source.spend(8 * array.size)
        return array.astype(np.int64)
    return _of_type(array, wanted, path)


def _of_type(array: np.ndarray[Any, Any], wanted: Any, path: str) -> np.ndarray[Any, Any]:
    if array.dtype != wanted:
        raise GraphError(f"{path} must be an array of {wanted.__name__}, not {array.dtype}")
    return array


def _unpacked(
    octets: np.ndarray[Any, Any], document: Json, path: str, source: Source
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return packed bits as an array of zeros and ones of the shape that the document gives."""
    shape = decode(document, tuple[int, ...], f"{path}.shape", source)
    n_bits = prod(shape)
    if octets.dtype != np.uint8 or octets.ndim != 1 or min(shape, default=1) < 0:
        raise GraphError(
            f"{path} must be one run of octets and a shape, not {octets.dtype} and {shape!s:.60}"
        )
    if octets.size != -(-n_bits // 8):
        raise GraphError(f"{path} must have {n_bits} bits in its octets, not {8 * octets.size}")
    source.spend(n_bits)
    bits = np.unpackbits(octets, bitorder="little")
    if bits[n_bits:].any():
        raise GraphError(f"{path} must have zeros behind its last bit")
    return bits[:n_bits].reshape(shape)


def _decode_enum(document: Json, expected: type[Enum], path: str) -> Enum:
    if not isinstance(document, str) or document not in expected.__members__:
        raise GraphError(f"{path} must be one of {', '.join(expected.__members__)}, not {document!r:.60}")
    return expected[document]


def _decode_scalar(document: Json, expected: Any, path: str) -> Any:
    if type(document) is not expected:
        raise GraphError(f"{path} must be {expected.__name__}, not {document!r:.60}")
    return document


def decode_dataclass(document: Json, cls: type, path: str, source: Source) -> Any:
    """Rebuild a dataclass from its fields, or from those of its stored form.

    Unknown fields are errors, and missing ones unless they have a default.

    Raises
    ------
    GraphError
        Naming the field.
    """
    form = source.forms.get(cls)
    if form is not None:
        return form.restore(_decode_fields(document, form.cls, path, source), source.spend)
    return _decode_fields(document, cls, path, source)


def _decode_fields(document: Json, cls: type, path: str, source: Source) -> Any:
    if not isinstance(document, dict):
        raise GraphError(f"{path} must be an object with the fields of {cls.__name__}, not {document!r:.60}")
    names = {f.name: f.default is MISSING for f in fields(cls)}
    unknown = sorted(set(document) - set(names))
    missing = sorted(name for name, required in names.items() if required and name not in document)
    if unknown or missing:
        raise GraphError(f"{path}: {cls.__name__} has unknown fields {unknown!s:.200} or lacks {missing}")
    hints = _hints(cls)
    values = {name: decode(document[name], hints[name], f"{path}.{name}", source) for name in document}
    return cls(**values)
