"""What makes two training runs the same run: options, data and network as plain values.

A run can go on from its saved state only if all of them are equal; the first difference is named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
from torch import nn

from hbnn_hw.data import Dataset
from hbnn_hw.nn.latent import Plain
from hbnn_hw.nn.train_config import TrainConfig

CHANGING_FLAGS = ("frozen", "hard", "map_is_due")
"""Attributes of layers that training changes and that no tensor holds."""

Identity: TypeAlias = dict[str, dict[str, Plain]]
"""Section to name to value."""


def identify(config: TrainConfig, dataset: Dataset, model: nn.Module) -> Identity:
    """Describe a run: its options, its data by digest, its layers, its tensors by form."""
    return {
        "option": dict(_options("", config)),
        "data": _data(dataset),
        "layer": {name or "(network)": _layer(module) for name, module in model.named_modules()},
        "tensor": {
            name: f"{value.dtype} {tuple(value.shape)}".removeprefix("torch.")
            for name, value in model.state_dict().items()
        },
    }


def difference(found: object, wanted: Identity) -> str | None:
    """Return the first difference as "option 'x' is 1 in the file, not 2"; None if there is none."""
    for section, values in wanted.items():
        known = found.get(section) if isinstance(found, Mapping) else None
        if not isinstance(known, Mapping):
            return f"the file does not say what its {section}s are"
        for name in (*values, *(name for name in known if name not in values)):
            if name not in known:
                return f"{section} {name!r} is missing in the file"
            if name not in values:
                return f"{section} {name!r} of the file is missing here"
            if known[name] != values[name] or type(known[name]) is not type(values[name]):
                return f"{section} {name!r} is {known[name]!r:.200} in the file, not {values[name]!r:.200}"
    return None


def _options(name: str, value: Any) -> Iterator[tuple[str, Plain]]:  # noqa: ANN401 - any field of the options
    """Yield dotted names with plain values; a nested dataclass yields its class name and its fields."""
    if is_dataclass(value):
        if name:
            yield name, type(value).__name__
        for field in fields(value):
            yield from _options(f"{name}.{field.name}".lstrip("."), getattr(value, field.name))
    else:
        yield name, _plain(value)


def _plain(value: Any) -> Plain:  # noqa: ANN401 - any field of the options
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    # Any other type would not be read back, because a state file holds plain values only.
    return value if value is None or type(value) in (bool, int, float, str) else repr(value)


def _data(dataset: Dataset) -> dict[str, Plain]:
    return {
        "name": str(dataset.name),
        "x_train": _digest(dataset.x_train),
        "y_train": _digest(dataset.y_train),
        "x_test": _digest(dataset.x_test),
        "y_test": _digest(dataset.y_test),
    }


def _digest(array: np.ndarray[Any, Any]) -> str:
    content = np.ascontiguousarray(array)
    return f"{content.shape} SHA-256 {hashlib.sha256(content.data).hexdigest()[:16]}"


def _layer(module: nn.Module) -> str:
    read = getattr(module, "config", None)
    if not callable(read):
        return f"{type(module).__name__}({module.extra_repr()})"
    fixed = {key: value for key, value in read().items() if key not in CHANGING_FLAGS}
    return f"{type(module).__name__}({', '.join(f'{key}={value}' for key, value in fixed.items())})"
