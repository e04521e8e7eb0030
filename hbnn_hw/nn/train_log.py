"""Logs of training runs: callbacks for :func:`~hbnn_hw.nn.train.train`."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from hbnn_hw.artifacts import replace_file
from hbnn_hw.errors import HbnnError, OutputError
from hbnn_hw.extras import require
from hbnn_hw.nn.epoch_report import EpochReport

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

COLUMNS = (
    "epoch",
    "loss",
    "validation_accuracy",
    "test_accuracy",
    "learning_rate",
    "temperature",
    "s_tanh",
    "seconds",
)
"""Attributes of :class:`~hbnn_hw.nn.epoch_report.EpochReport`, one column each; empty where it is None."""


class CsvLog:
    """Writes one row an epoch, columns :data:`COLUMNS`; no number is rounded.

    A run that goes on from its saved state goes on in its log: rows of the first reported epoch and of later
    ones, which the run repeats, are replaced, so that no epoch is there twice.

    Parameters
    ----------
    path
        File to write; its folder is made if it is missing.

    Raises
    ------
    HbnnError
        If the file exists and is no such log, when the first epoch is reported.
    OutputError
        If the file cannot be written.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._started = False

    def __call__(self, report: EpochReport) -> None:
        """Write the row of one epoch."""
        if not self._started:
            replace_file(self.path, _lines(COLUMNS, *self._rows_before(report.epoch)))
            self._started = True
        values = ("" if value is None else value for value in (getattr(report, name) for name in COLUMNS))
        try:
            with self.path.open("ab") as file:
                file.write(_lines(tuple(map(str, values))))
        except OSError as error:
            raise OutputError(f"cannot write '{self.path}': {error.strerror}") from error

    def _rows_before(self, epoch: int) -> list[tuple[str, ...]]:
        if not self.path.exists():
            return []
        try:
            header, *rows = csv.reader(self.path.read_text(encoding="utf-8").splitlines())
        except (OSError, ValueError, csv.Error) as error:
            raise self._foreign() from error
        if tuple(header) != COLUMNS:
            raise self._foreign()
        # A row that a crash cut off has too few columns.
        whole = [row for row in rows if len(row) == len(COLUMNS) and row[0].isdecimal()]
        return [tuple(row) for row in whole if int(row[0]) < epoch]

    def _foreign(self) -> HbnnError:
        return HbnnError(
            f"log {self.path} must be a table of columns {','.join(COLUMNS)}, not another file; "
            "name another file"
        )


class TensorBoardLog:
    """Writes scalars for TensorBoard: the columns of :class:`CsvLog` but the epoch, which is the step.

    A run that goes on from its saved state hides the epochs that it repeats.

    Parameters
    ----------
    folder
        Folder of the run; made if it is missing.

    Raises
    ------
    ToolMissingError
        If the package ``tensorboard`` is not installed.
    """

    def __init__(self, folder: Path | str) -> None:
        require("tensorboard", "logs", "a TensorBoard log")
        self.folder = Path(folder)
        self._writer: SummaryWriter | None = None

    def __call__(self, report: EpochReport) -> None:
        """Write the scalars of one epoch."""
        if self._writer is None:
            # The import costs a second and an optional package.
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self.folder), purge_step=report.epoch)
        for name in COLUMNS[1:]:
            value = getattr(report, name)
            if value is not None:
                self._writer.add_scalar(name, value, report.epoch)
        self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _lines(*rows: tuple[str, ...]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()
