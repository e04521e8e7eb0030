"""Tensors of an archive: raw bytes, and JSON that says what they are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from hbnn_hw.errors import CheckpointError
from hbnn_hw.nn.stored_zip import StoredZip
from hbnn_hw.nn.tracing.archive_json import Fields

DTYPES: Mapping[int, torch.dtype] = MappingProxyType(
    {
        1: torch.uint8,
        2: torch.int8,
        3: torch.int16,
        4: torch.int32,
        5: torch.int64,
        6: torch.float16,
        7: torch.float32,
        8: torch.float64,
        12: torch.bool,
        13: torch.bfloat16,
    }
)
"""By PyTorch's number in the JSON."""
STRIDED = 7
"""PyTorch's number of the ordinary layout."""


def read_tensors(archive: StoredZip, folder: str, config: str) -> dict[str, Tensor]:
    """Read all tensors of a folder of an archive.

    Every tensor is a copy; what it claims to hold must be in the file.

    Raises
    ------
    CheckpointError
        If one is pickled, or is not what the JSON says.
    """
    listed = Fields.parse(archive.read(folder + config), archive.path).child("config")
    return {name: _tensor(archive, folder, name, listed.child(name)) for name in listed.values}


def _tensor(archive: StoredZip, folder: str, name: str, entry: Fields) -> Tensor:
    path_name = entry.text("path_name")
    if entry.flag("use_pickle") or not path_name.startswith(("weight_", "tensor_")):
        raise CheckpointError(
            f"tensor {name!r} of {archive.path} is pickled, which could run code; keep to plain tensors"
        )
    form = entry.child("tensor_meta")
    dtype = dtype_of(form)
    raw = archive.read(folder + path_name)
    sizes, strides = _integers(form, "sizes"), _integers(form, "strides")
    offset = _integer(form.child("storage_offset"))
    if form.integer("layout") != STRIDED or len(sizes) != len(strides) or len(raw) % dtype.itemsize:
        raise _misfit(archive, name)
    flat = torch.frombuffer(bytearray(raw), dtype=dtype) if raw else torch.empty(0, dtype=dtype)
    if not _fits(sizes, strides, offset, len(flat)):
        raise _misfit(archive, name)
    tensor = flat.as_strided(sizes, strides, offset).contiguous()
    is_real = dtype.is_floating_point
    return nn.Parameter(tensor, requires_grad=is_real) if entry.flag("is_param") else tensor


def _fits(sizes: list[int], strides: list[int], offset: int, stored: int) -> bool:
    """Say whether a view stays within what is stored, and is not larger than it."""
    numbers, last = 1, offset
    for size, stride in zip(sizes, strides, strict=True):
        numbers *= size
        last += (size - 1) * stride
    return (
        min(sizes, default=0) >= 0
        and min([*strides, offset]) >= 0
        and numbers <= stored
        and (not numbers or last < stored)
    )


def _misfit(archive: StoredZip, name: str) -> CheckpointError:
    return CheckpointError(
        f"tensor {name!r} of {archive.path} must be as large as it says, dense and strided"
    )


def dtype_of(form: Fields) -> torch.dtype:
    """Return the dtype that a tensor's description names."""
    code = form.integer("dtype")
    if code not in DTYPES:
        raise CheckpointError(f"a tensor of {form.path} has a dtype of number {code}, which is not supported")
    return DTYPES[code]


def _integers(form: Fields, name: str) -> list[int]:
    return [_integer(item) for item in form.children(name)]


def _integer(choice: Fields) -> int:
    return choice.integer("as_int")
