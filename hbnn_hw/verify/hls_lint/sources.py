"""The delivered sources of an HLS project, as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hbnn_hw.backends.hls.dialect import HlsTool
from hbnn_hw.errors import OutputError
from hbnn_hw.verify.hls_lint.finding import Finding, Rule

FILE_LIMIT_BYTES = 20_000_000
"""Largest source file: front ends need about a hundred times as much memory."""

SUFFIXES = frozenset({".h", ".hpp", ".c", ".cpp", ".cc"})

# The initializer of a table: no semicolon and no assignment inside, so the scan is linear.
_INITIALIZER = re.compile(r"(?<![=<>!])=\s*\{(?P<body>[^;=]*)\}\s*;")
_LONG_INITIALIZER = 2000

# A deduced size would be lost with the initializer.
_DEDUCED = re.compile(r"\[\s*\]\s*(?:\[[^\]]*\]\s*)*$")

# Line comments and strings may hold what looks like the start of a block comment.
_COMMENT_OR_STRING = re.compile(r'//[^\n]*|"(?:\\.|[^"\\\n])*"|/\*.*?\*/', re.DOTALL)


def without_block_comments(text: str) -> str:
    """Remove block comments; every line keeps its number."""

    def emptied(match: re.Match[str]) -> str:
        return "\n" * match[0].count("\n") if match[0].startswith("/*") else match[0]

    return _COMMENT_OR_STRING.sub(emptied, text)


def without_tables(text: str) -> str:
    """Empty the initializers of long tables; every line keeps its number.

    The linter asks what a table is, not what it holds, and parsing millions of words takes minutes.
    """

    def emptied(match: re.Match[str]) -> str:
        start = text[max(0, match.start() - 200) : match.start()]
        if len(match["body"]) < _LONG_INITIALIZER or _DEDUCED.search(start):
            return match[0]
        return "= {" + "\n" * match[0].count("\n") + "};"

    return _INITIALIZER.sub(emptied, text)


@dataclass(frozen=True, slots=True)
class Source:
    """One source file.

    Attributes
    ----------
    name
        Path relative to the project folder, with forward slashes.
    path
        Absolute path.
    n_bytes
        Size on disk.
    text
        Its C++ with the tables emptied.
    """

    name: str
    path: Path
    n_bytes: int
    text: str


@dataclass(frozen=True)
class HlsProject:
    """The delivered HLS project of one network.

    Attributes
    ----------
    root
        The folder that holds ``src/``.
    network
        Name of the top function.
    tool
        Whose dialect it is written in.
    sources
        Its source files by absolute, normalized path.
    """

    root: Path
    network: str
    tool: HlsTool
    sources: Mapping[str, Source]

    @cached_property
    def units(self) -> tuple[Source, ...]:
        """The files that are compiled by themselves."""
        return tuple(s for s in self.sources.values() if s.path.suffix in (".c", ".cc", ".cpp"))

    def oversized(self) -> Iterator[Finding]:
        """Find files that are too large for the tools."""
        for source in self.sources.values():
            if source.n_bytes > FILE_LIMIT_BYTES:
                what = f"a source file must be at most {FILE_LIMIT_BYTES} bytes, not {source.n_bytes}"
                yield Finding(source.name, 1, Rule.FILE_SIZE, what, "split its tables over several headers")


def _source(path: Path, root: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    return Source(path.relative_to(root).as_posix(), path, path.stat().st_size, without_tables(text))


def open_project(folder: Path) -> HlsProject:
    """Read the sources of an export folder, or of the HLS project in it.

    Raises
    ------
    OutputError
        If it is neither.
    """
    root = (folder / "hls" if (folder / "hls").is_dir() else folder).resolve()
    try:
        layout = json.loads((root / "tb" / "layout.json").read_text(encoding="utf-8"))
        network, tool = str(layout["network"]), HlsTool(layout["tool"])
        paths = sorted(p for p in (root / "src").rglob("*") if p.suffix in SUFFIXES)
        sources = {str(path): _source(path, root) for path in paths}
    except (OSError, ValueError, KeyError) as error:
        raise OutputError(
            f"'{folder}' is no HLS project of this toolkit; make one with 'hbnn-hw export'"
        ) from error
    return HlsProject(root, network, tool, sources)
