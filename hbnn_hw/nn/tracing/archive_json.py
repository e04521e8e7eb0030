"""JSON that is not trusted: every look into it checks what is there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from hbnn_hw.errors import CheckpointError
from hbnn_hw.nn.shortened import shortened

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object.

    Attributes
    ----------
    values
        Its entries.
    path
        The file that it is from.
    place
        Where in the file it is, for complaints.
    """

    values: Mapping[str, object]
    path: str
    place: str

    @classmethod
    def parse(cls, raw: bytes, path: str) -> Fields:
        """Parse a JSON object; raise CheckpointError if it is none."""
        try:
            values = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"{path} is damaged: its JSON cannot be read: {error!s:.100}") from error
        return cls.of(values, path, "its JSON")

    @classmethod
    def of(cls, value: object, path: str, place: str) -> Fields:
        """Wrap a value that must be an object."""
        if not isinstance(value, dict):
            raise CheckpointError(f"{path} is damaged: {place} must be an object, not {shortened(value)}")
        return cls(value, path, place)

    def _get(self, name: str, kind: type[T]) -> T:
        value = self.values.get(name)
        # bool is an int to Python, and never a size.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise CheckpointError(
                f"{self.path} is damaged: {name!r} of {self.place} must be {kind.__name__}, "
                f"not {shortened(value)}"
            )
        return value

    def child(self, name: str) -> Fields:
        """Return an entry that is an object."""
        return Fields(self._get(name, dict), self.path, f"{name!r}")

    def children(self, name: str) -> list[Fields]:
        """Return an entry that is a list of objects."""
        return [Fields.of(item, self.path, f"an item of {name!r}") for item in self._get(name, list)]

    def text(self, name: str) -> str:
        """Return an entry that is text."""
        return self._get(name, str)

    def integer(self, name: str) -> int:
        """Return an entry that is a whole number."""
        return self._get(name, int)

    def flag(self, name: str) -> bool:
        """Return an entry that is true or false."""
        return self._get(name, bool)

    def only(self) -> tuple[str, object]:
        """Return name and value of the one entry, as PyTorch writes a choice between kinds of values."""
        if len(self.values) != 1:
            raise CheckpointError(
                f"{self.path} is damaged: {self.place} must have one entry, not {shortened(self.values)}"
            )
        return next(iter(self.values.items()))
