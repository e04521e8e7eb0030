"""Frozen dataclasses to plain JSON data and back, driven by their type hints.

Arrays leave the document and travel beside it under a path of their own. Decoding trusts nothing: every
field must be there, of its declared type, and nothing else may be.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any

import numpy as np

from hbnn_hw.errors import GraphError

Json = Any
"""Plain data as the json module gives it."""

Arrays = dict[str, np.ndarray[Any, Any]]
"""Arrays by their path inside the file."""


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def encode(value: object, path: str, arrays: Arrays) -> Json:
    """Turn a value into plain data; its arrays go into ``arrays`` under ``<path>.npy``.

    Parameters
    ----------
    value
        A dataclass, enum, tuple, array, int, float, bool, str or None.
    path
        Where the value stands in the document, used to name its arrays.
    arrays
        Receives the arrays.

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
        return [encode(item, f"{path}.{index}", arrays) for index, item in enumerate(value)]
    if isinstance(value, np.ndarray):
        arrays[f"{path}.npy"] = value
        return {"array": f"{path}.npy"}
    if is_dataclass(value):
        return {f.name: encode(getattr(value, f.name), f"{path}.{f.name}", arrays) for f in fields(value)}
    raise GraphError(f"{path}: a {type(value).__name__} cannot be written to a file")


def decode(document: Json, expected: Any, path: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    """Turn plain data back into a value of the ``expected`` type.

    Raises
    ------
    GraphError
        Naming the path, what must stand there and what was found.
    """
    origin = typing.get_origin(expected)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(document, expected, path, arrays)
    if origin is tuple:
        return _decode_tuple(document, expected, path, arrays)
    if origin is np.ndarray or expected is np.ndarray:
        return _decode_array(document, path, arrays)
    if isinstance(expected, type) and issubclass(expected, Enum):
        return _decode_enum(document, expected, path)
    if is_dataclass(expected):
        return decode_dataclass(document, typing.cast(type, expected), path, arrays)
    return _decode_scalar(document, expected, path)


def _decode_union(
    document: Json, expected: Any, path: str, arrays: Mapping[str, np.ndarray[Any, Any]]
) -> Any:
    options = [option for option in typing.get_args(expected) if option is not type(None)]
    if document is None and len(options) < len(typing.get_args(expected)):
        return None
    if len(options) != 1:
        raise GraphError(f"{path}: the type {expected} cannot be read from a file")
    return decode(document, options[0], path, arrays)


def _decode_tuple(
    document: Json, expected: Any, path: str, arrays: Mapping[str, np.ndarray[Any, Any]]
) -> Any:
    if not isinstance(document, list):
        raise GraphError(f"{path} must be a list, not {document!r:.60}")
    (item, *_) = typing.get_args(expected)
    return tuple(decode(entry, item, f"{path}.{index}", arrays) for index, entry in enumerate(document))


def _decode_array(document: Json, path: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    name = document.get("array") if isinstance(document, dict) else None
    if not isinstance(name, str) or name not in arrays:
        raise GraphError(f"{path} must name an array of the file, not {document!r:.60}")
    return arrays[name]


def _decode_enum(document: Json, expected: type[Enum], path: str) -> Enum:
    if not isinstance(document, str) or document not in expected.__members__:
        raise GraphError(f"{path} must be one of {', '.join(expected.__members__)}, not {document!r:.60}")
    return expected[document]


def _decode_scalar(document: Json, expected: Any, path: str) -> Any:
    if type(document) is not expected:
        raise GraphError(f"{path} must be {expected.__name__}, not {document!r:.60}")
    return document


def decode_dataclass(document: Json, cls: type, path: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    """Rebuild a dataclass from its fields; missing and unknown fields are errors.

    Raises
    ------
    GraphError
        Naming the field.
    """
    if not isinstance(document, dict):
        raise GraphError(f"{path} must be an object with the fields of {cls.__name__}, not {document!r:.60}")
    names = [f.name for f in fields(cls)]
    unknown = sorted(set(document) - set(names))
    missing = sorted(set(names) - set(document))
    if unknown or missing:
        raise GraphError(f"{path}: {cls.__name__} has unknown fields {unknown} or lacks {missing}")
    values = {name: decode(document[name], _hints(cls)[name], f"{path}.{name}", arrays) for name in names}
    return cls(**values)
