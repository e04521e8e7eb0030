"""PyTorch's files of plain values and tensors, read without running anything in them."""

from __future__ import annotations

import io
import pickle
import struct
import warnings

import torch

from hbnn_hw.errors import CheckpointError
from hbnn_hw.nn.stored_zip import StoredZip

REMEDY = 'save it with hbnn_hw.save(model, example_input, "model.pt")'
DAMAGE = (
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OSError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    struct.error,
)
"""What torch's safe reader has been seen, or may be expected, to raise on damaged archives."""


def open_archive(raw: bytes, path: str) -> StoredZip:
    """Open an archive; raise CheckpointError, which says what the file is, if it is none."""
    if not raw.startswith(b"PK\x03\x04"):
        if raw.startswith(b"\x80"):
            raise CheckpointError(f"{path} is a pickle, which could run code when loaded; {REMEDY}")
        raise CheckpointError(
            f"{path} must be a model file of this project, not another kind of file; {REMEDY}"
        )
    return StoredZip(raw, path)


def read_plain(raw: bytes, path: str) -> object:
    """Unpack what ``torch.save`` wrote, an archive that :func:`open_archive` accepts.

    Raises
    ------
    CheckpointError
        If it holds anything but plain values and tensors, or is damaged.
    """
    try:
        # torch only warns of an odd pickle header; what follows from it is checked by the caller anyway.
        with warnings.catch_warnings(action="ignore"):
            return torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds pickled Python objects (a whole module?), which could run code; {REMEDY}"
        ) from error
    except DAMAGE as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise CheckpointError(
            f"{path} is damaged or not a model file of this project ({reason}); {REMEDY}"
        ) from error
