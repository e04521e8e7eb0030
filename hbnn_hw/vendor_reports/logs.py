"""The vendor tools' logs: the first error tells why a report is missing; the last lines seldom do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_ERROR = re.compile(r"^\s*ERROR:|: (?:fatal )?error: ")
"""The tools' own errors, and those of the compiler that C simulation runs."""

LONGEST_LINE = 400
"""Characters of a line that are shown."""


@dataclass(frozen=True, slots=True)
class LogError:
    """The first error of a log.

    Attributes
    ----------
    log
        The file.
    line
        Its number, from 1.
    text
        The line.
    """

    log: Path
    line: int
    text: str


def first_error(logs: Iterable[Path]) -> LogError | None:
    """Find the first error in the first log that has one; logs that are not there are passed over."""
    for log in logs:
        if not log.is_file():
            continue
        with log.open(encoding="utf-8", errors="replace") as lines:
            for index, line in enumerate(lines, start=1):
                if _ERROR.search(line):
                    return LogError(log, index, line.strip()[:LONGEST_LINE])
    return None
