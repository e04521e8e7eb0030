"""Finished points in an SQLite file: each is written when it is done, in a transaction of its own."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any

from hbnn_hw import __version__
from hbnn_hw.errors import OutputError
from hbnn_hw.estimate.area.constants import FILE as CONSTANTS
from hbnn_hw.explore.figures import Figures, Outcome
from hbnn_hw.explore.models import Model
from hbnn_hw.explore.point import Point

APPLICATION_ID = 0x48424E4E
"""Marks the file as one of these ("HBNN")."""

FORMAT = 1
"""Counts up when figures of the same point would mean something else."""

LOCK_SECONDS = 30.0
"""How long to wait for another process that writes into the same file [s]."""

_POINTS = """
CREATE TABLE IF NOT EXISTS points (
    key TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    point TEXT NOT NULL,
    figures TEXT,
    problem TEXT NOT NULL
) WITHOUT ROWID
"""

_NETWORKS = """
CREATE TABLE IF NOT EXISTS networks (
    explored TEXT NOT NULL,
    network TEXT NOT NULL,
    file_sha256 TEXT NOT NULL,
    label TEXT NOT NULL,
    accuracy REAL,
    PRIMARY KEY (explored, network, file_sha256)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownNetwork:
    """A network that an exploration's points name.

    Attributes
    ----------
    explored
        Digest of the network whose layers were given other bits.
    network
        Its own digest: the same, or that of a checkpoint beside it.
    file_sha256
        Digest of its model file; empty if it came from none.
    label
        Name of the file, for people.
    accuracy
        Share of right answers, 0 to 1; None if unknown.
    """

    explored: str
    network: str
    file_sha256: str
    label: str
    accuracy: float | None


@cache
def estimator_version() -> str:
    """Name what computes the figures: the toolkit, the format, and the area model's constants."""
    constants = (files("hbnn_hw.estimate") / CONSTANTS).read_bytes()
    return f"{__version__}/{FORMAT}/{hashlib.sha256(constants).hexdigest()[:12]}"


def key_of(point: Point) -> str:
    """Return a digest of network, point and version: equal keys have equal figures."""
    document = {"version": estimator_version(), "point": point.document()}
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


class ResultsFile:
    """The finished points of one or more explorations.

    A process that is killed loses the points that it is computing, and no other: SQLite's write-ahead log
    makes each write whole or absent. Several explorations may write into one file.

    Parameters
    ----------
    path
        Made if it does not exist, unless it is only read.
    read_only
        Whether nothing is to be written.

    Raises
    ------
    OutputError
        If the file is another one, is not there to be read, or cannot be written.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        if read_only and not path.is_file():
            raise OutputError(f"'{path}' must be a results file of 'hbnn-hw explore', but there is none")
        address = f"{path.resolve().as_uri()}?{_reading(path) if read_only else 'mode=rwc'}"
        try:
            self._database = sqlite3.connect(address, LOCK_SECONDS, isolation_level=None, uri=True)
        except sqlite3.Error as error:
            raise OutputError(f"cannot {'read' if read_only else 'write'} '{path}': {error}") from error
        try:
            self._check()
            if not read_only:
                self._prepare()
        except sqlite3.Error as error:
            self._database.close()
            raise OutputError(
                f"'{path}' must be a results file of 'hbnn-hw explore', not what it is: {error}"
            ) from error
        except OutputError:
            self._database.close()
            raise

    def _check(self) -> None:
        (found,) = self._database.execute("PRAGMA application_id").fetchone()
        if found != APPLICATION_ID and self._tables():
            raise OutputError(f"'{self.path}' is a database of something else; name another file")

    def _tables(self) -> set[str]:
        return {name for (name,) in self._database.execute("SELECT name FROM sqlite_master")}

    def _prepare(self) -> None:
        self._database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(_POINTS)
        self._database.execute(_NETWORKS)

    def __enter__(self) -> ResultsFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def __len__(self) -> int:
        (count,) = self._database.execute("SELECT count(*) FROM points").fetchone()
        return int(count)

    def add(self, point: Point, outcome: Outcome) -> None:
        """Write a finished point; one that is there already stays.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        figures = None if outcome.figures is None else json.dumps(outcome.figures.document())
        row = (key_of(point), estimator_version(), json.dumps(point.document()), figures, outcome.problem)
        try:
            # Without isolation level every statement is a transaction of its own.
            self._database.execute("INSERT OR IGNORE INTO points VALUES (?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise OutputError(f"cannot write into '{self.path}': {error}; finished points stay") from error

    def finished(self, points: Iterable[Point]) -> dict[Point, Outcome]:
        """Return the outcomes of those points that are there."""
        found = {}
        for point in points:
            row = self._database.execute(
                "SELECT figures, problem FROM points WHERE key = ?", (key_of(point),)
            ).fetchone()
            if row is not None:
                found[point] = _outcome(*row)
        return found

    def add_networks(self, models: Sequence[Model]) -> None:
        """Write whose points these are: the first network is explored, the others stand beside it.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        rows = [
            (models[0].digest, model.digest, model.file_sha256, model.label, model.accuracy)
            for model in models
        ]
        try:
            self._database.executemany("INSERT OR REPLACE INTO networks VALUES (?, ?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise OutputError(f"cannot write into '{self.path}': {error}; finished points stay") from error

    def networks(self) -> tuple[KnownNetwork, ...]:
        """Return the networks of all explorations; none if the file is older than they are written."""
        if "networks" not in self._tables():
            return ()
        columns = ("explored", "network", "file_sha256", "label", "accuracy")
        rows = self._database.execute(f"SELECT {', '.join(columns)} FROM networks ORDER BY label")
        return tuple(KnownNetwork(**dict(zip(columns, row, strict=True))) for row in rows)

    def documents(self) -> Iterator[tuple[dict[str, Any], Outcome]]:
        """Yield every point of this version as :meth:`Point.document` has it, with its outcome."""
        if "points" not in self._tables():
            return
        rows = self._database.execute(
            "SELECT point, figures, problem FROM points WHERE version = ? ORDER BY key",
            (estimator_version(),),
        )
        for point, figures, problem in rows:
            yield json.loads(point), _outcome(figures, problem)


def _reading(path: Path) -> str:
    """Choose how SQLite opens a file that is only read.

    Opened with ``mode=ro``, it would leave the files of its write-ahead log beside it; where it may write, it
    removes them. A file that may not be written is taken for one that nobody writes.
    """
    return "mode=rw" if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK) else "immutable=1"


def _outcome(figures: str | None, problem: str) -> Outcome:
    return Outcome(Figures(**json.loads(figures)) if figures else None, problem)
