"""Reports as text: files, numbers and tables between bars."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from hbnn_hw.errors import VendorReportError

LARGEST_REPORT = 256 * 2**20
"""Bytes beyond which a file is no report."""

NOT_KNOWN = frozenset({"undef", "NA", "N/A", "-", "?", ""})
"""What the tools write where they have no number."""


def read_bytes(path: Path) -> bytes:
    """Read a report.

    Raises
    ------
    VendorReportError
        If the file cannot be read or is far too large.
    """
    try:
        if path.stat().st_size > LARGEST_REPORT:
            raise VendorReportError(f"'{path}' must be a report, not a file of {path.stat().st_size} bytes")
        return path.read_bytes()
    except OSError as error:
        raise VendorReportError(f"'{path}' cannot be read: {error.strerror}") from error


def read_text(path: Path) -> str:
    """Read a report as text; bytes that are none stay visible as replacement characters."""
    return read_bytes(path).decode("utf-8", errors="replace")


def number(path: Path, what: str, text: str) -> float:
    """Read a number, which may carry a unit, an asterisk or thousands' commas.

    Raises
    ------
    VendorReportError
        If there is none.
    """
    match = re.match(r"[<~]?\s*(-?\d[\d,]*(?:\.\d+)?)", text.strip())
    if match is None:
        raise VendorReportError(f"'{path}': {what} must be a number, not {text.strip()!r}")
    return float(match[1].replace(",", ""))


def optional_number(path: Path, what: str, text: str | None) -> float | None:
    """Read a number where the tool may have had none to write."""
    return None if text is None or text.strip() in NOT_KNOWN else number(path, what, text)


def cells(line: str) -> list[str]:
    """Cells of a table's line ``| a | b |``; none for any other line."""
    stripped = line.strip()
    if not (stripped.startswith("|") and stripped.endswith("|") and len(stripped) > 1):
        return []
    return [cell.strip() for cell in stripped[1:-1].split("|")]


def tables(path: Path, first_column: str) -> Iterator[dict[str, str]]:
    """Yield the rows of all tables whose first column has this heading, by heading.

    Which columns there are differs between releases ("Prohibited" came in 2021.1), so none is counted.

    Raises
    ------
    VendorReportError
        If a table breaks off before the line that closes it.
    """
    header: Sequence[str] = ()
    body = False
    for line in [*read_text(path).splitlines(), ""]:
        row = cells(line)
        if row and row[0] == first_column:
            header, body = row, False
        elif header and len(row) == len(header):
            body = True
            yield dict(zip(header, row, strict=True))
        elif header and line.strip().startswith("+"):
            # The first such line separates the heading, the second closes the table.
            header = () if body else header
        elif header:
            raise VendorReportError(
                f"'{path}': a table by {first_column} breaks off; the report is truncated"
            )
