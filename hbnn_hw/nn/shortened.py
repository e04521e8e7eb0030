"""Values of files that are not trusted, in messages: a small one may be endless when written out."""

from __future__ import annotations

from reprlib import Repr

LONGEST_TEXT = 80
_REPR = Repr()
_REPR.maxlevel = 2


def shortened(value: object) -> str:
    """Return the beginning of a value's text form, without making the rest."""
    return _REPR.repr(value)[:LONGEST_TEXT]
