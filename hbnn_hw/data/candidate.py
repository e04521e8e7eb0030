"""One form in which a folder may hold a data set."""

from __future__ import annotations

import pickle
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hbnn_hw.data.dataset import Parts
from hbnn_hw.errors import HbnnError

Decoded = TypeVar("Decoded")

_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    NotImplementedError,
    zlib.error,
    zipfile.BadZipFile,
    pickle.UnpicklingError,
)
"""What the decoders of the standard library and NumPy raise on a damaged file."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file by which a form is recognized, and the reader that decodes it and the files beside it.

    Attributes
    ----------
    marker
        The file; the form is present if it exists.
    reader
        Decodes; given ``marker``.
    """

    marker: Path
    reader: Callable[[Path], Parts]

    def read(self) -> Parts:
        """Decode; raise HbnnError on a damaged file."""
        return decode(self.marker, self.reader)


def decode(path: Path, reader: Callable[[Path], Decoded]) -> Decoded:
    """Give ``reader(path)``, with whatever a damaged file makes the decoders raise as one readable error.

    Raises
    ------
    HbnnError
        Naming the file.
    """
    try:
        return reader(path)
    except HbnnError:
        raise
    except _DAMAGED as error:
        raise HbnnError(f"{path} cannot be decoded ({error}); delete it and fetch it again") from error
