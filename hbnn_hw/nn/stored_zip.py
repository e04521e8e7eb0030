"""Archives whose members are stored as they are: what PyTorch writes, and what cannot grow when read."""

from __future__ import annotations

import io
import struct
import zipfile

from hbnn_hw.errors import CheckpointError


class StoredZip:
    """The members of a zip archive, all of them uncompressed, so that together they are no larger than it.

    Parameters
    ----------
    raw
        The archive.
    path
        Its name in complaints.

    Raises
    ------
    CheckpointError
        If it is cut off or damaged, has two members of one name, or one that is compressed or encrypted.
    """

    def __init__(self, raw: bytes, path: str) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(raw))
        except (
            zipfile.BadZipFile,
            struct.error,
            ValueError,
            OSError,
            NotImplementedError,
            LookupError,
        ) as error:
            raise self._damaged() from error
        members = self._zip.infolist()
        odd = [
            member.filename
            for member in members
            if member.compress_type != zipfile.ZIP_STORED
            or member.flag_bits & 1
            or member.file_size != member.compress_size
        ]
        if odd:
            raise CheckpointError(
                f"{path} must hold members as they are, not compressed or encrypted ones like {odd[0]!r:.80}"
            )
        if len(set(self._zip.namelist())) != len(members) or sum(m.file_size for m in members) > len(raw):
            raise self._damaged()

    @property
    def names(self) -> list[str]:
        """Names of the members, in order."""
        return self._zip.namelist()

    def check(self) -> None:
        """Raise CheckpointError if the checksum of a member is wrong; PyTorch's reader looks at none."""
        for name in self.names:
            self.read(name)

    def read(self, name: str) -> bytes:
        """Return a member; raise CheckpointError if it is missing or its checksum is wrong."""
        try:
            return self._zip.read(name)
        except KeyError as error:
            raise CheckpointError(f"{self.path} must have a member {name!r:.80}") from error
        except (
            zipfile.BadZipFile,
            struct.error,
            ValueError,
            OSError,
            NotImplementedError,
            EOFError,
        ) as error:
            raise self._damaged() from error

    def _damaged(self) -> CheckpointError:
        return CheckpointError(f"{self.path} is cut off or damaged; copy it again from where it came from")
