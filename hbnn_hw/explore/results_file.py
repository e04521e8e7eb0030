"""Finished points in an SQLite file: each is written when it is done, in a transaction of its own."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import TracebackType

from hbnn_hw import __version__
from hbnn_hw.errors import OutputError
from hbnn_hw.estimate.area.constants import FILE as CONSTANTS
from hbnn_hw.explore.figures import Figures, Outcome
from hbnn_hw.explore.point import Point

APPLICATION_ID = 0x48424E4E
"""Marks the file as one of these ("HBNN")."""

FORMAT = 1
"""Counts up when figures of the same point would mean something else."""

LOCK_SECONDS = 30.0
"""How long to wait for another process that writes into the same file [s]."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS points (
    key TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    point TEXT NOT NULL,
    figures TEXT,
    problem TEXT NOT NULL
) WITHOUT ROWID
"""


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
        Made if it does not exist.

    Raises
    ------
    OutputError
        If the file is another one, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._database = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)
        except sqlite3.Error as error:
            raise OutputError(f"cannot write '{path}': {error}") from error
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._database.close()
            raise OutputError(
                f"'{path}' must be a results file of 'hbnn-hw explore', not what it is: {error}"
            ) from error
        except OutputError:
            self._database.close()
            raise

    def _prepare(self) -> None:
        (found,) = self._database.execute("PRAGMA application_id").fetchone()
        (tables,) = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if found != APPLICATION_ID and tables:
            raise OutputError(f"'{self.path}' is a database of something else; name another file")
        self._database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(_SCHEMA)

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
                figures, problem = row
                found[point] = Outcome(Figures(**json.loads(figures)) if figures else None, problem)
        return found
