"""How far a training run is: a bar on a terminal, one line an epoch elsewhere."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hbnn_hw.nn import EpochReport


def line(report: EpochReport) -> str:
    """Return one epoch in words."""
    position = f"epoch {report.epoch:3d}/{report.epochs}"
    return f"{position}  loss {report.loss:.4f}  {report.split.value} accuracy {report.accuracy:.2%}"


class ProgressBar:
    """A callback after each epoch, which shows it; use it as a context.

    Parameters
    ----------
    console
        Where to show it; the bar needs a terminal.
    """

    def __init__(self, console: Console) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        if console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
            self._bar = Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=console)

    def __enter__(self) -> ProgressBar:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("first epoch", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, report: EpochReport) -> None:
        """Show one more epoch as done."""
        if self._bar is None or self._task is None:
            print(line(report), flush=True)
            return
        task = self._bar.tasks[0]
        if task.total is None:
            # A resumed run starts in the middle; epochs of another day say nothing of the time left.
            self._bar.update(self._task, total=report.epochs)
            task.completed = report.epoch - 1
        self._bar.update(self._task, completed=report.epoch, description=line(report))
