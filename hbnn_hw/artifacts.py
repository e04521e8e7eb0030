"""Output folders: written whole or not at all, byte-identical for equal content."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hbnn_hw.errors import OutputError


def check_absent(folder: Path) -> None:
    """Raise OutputError if an output folder exists already, before any work is done for it."""
    if folder.exists():
        raise OutputError(f"the output folder '{folder}' exists already; remove it or name another with -o")


def json_bytes(document: Any) -> bytes:
    """Serialize plain data for people and programs: indented, sorted keys, UTF-8."""
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def npy_bytes(array: np.ndarray[Any, Any]) -> bytes:
    """Serialize an array as little-endian ``.npy``, version 1.0."""
    buffer = io.BytesIO()
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    np.lib.format.write_array(buffer, little, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a new folder in one step: a failure leaves nothing behind.

    Parameters
    ----------
    folder
        The folder to make; its parents are made as well.
    files
        Relative path with forward slashes to content.

    Raises
    ------
    OutputError
        If the folder exists, or cannot be written.
    """
    check_absent(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise OutputError(f"cannot write '{folder}': {error.strerror}") from error
    try:
        for name, content in files.items():
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        partial.chmod(0o755)
        partial.rename(folder)
    except OSError as error:
        raise OutputError(f"cannot write '{folder}': {error.strerror}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def replace_file(path: Path, content: bytes) -> None:
    """Replace one file in one step.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as partial:
            partial.write(content)
        Path(partial.name).chmod(0o644)
        Path(partial.name).replace(path)
    except OSError as error:
        raise OutputError(f"cannot write '{path}': {error.strerror}") from error
