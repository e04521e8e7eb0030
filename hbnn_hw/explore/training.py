"""Checkpoints that a training command makes for an exploration; one that is there is not trained again."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hbnn_hw.errors import HbnnError, ToolFailedError, ToolMissingError

PLACE = "{out}"
"""Stands in a command where the name of the checkpoint goes."""

STANDARD_ERROR = 2
"""Its file descriptor, where a command's output goes."""


@dataclass(frozen=True, slots=True)
class Training:
    """A command that trains a network, such as ``python -m models.train --recipe mnist_hbnn --out {out}``.

    Attributes
    ----------
    command
        Program and arguments, one of which has ``{out}``; no shell reads them.

    Raises
    ------
    HbnnError
        If the command does not say where its checkpoint goes.
    """

    command: tuple[str, ...]

    def __post_init__(self) -> None:
        if not any(PLACE in part for part in self.command):
            raise HbnnError(
                f"a training command must say with {PLACE} where its checkpoint goes, such as "
                f"'python -m models.train --recipe digits_hbnn --out {PLACE}', "
                f"not {shlex.join(self.command)!r}"
            )

    @classmethod
    def parse(cls, text: str) -> Training:
        """Split a command as a shell does."""
        try:
            return cls(tuple(shlex.split(text)))
        except ValueError as error:
            if isinstance(error, HbnnError):
                raise
            raise HbnnError(f"a training command must have closed quotes, not {text!r}") from error

    def checkpoint(self, folder: Path) -> Path:
        """Name the checkpoint in a folder: equal commands have equal names."""
        digest = hashlib.sha256(shlex.join(self.command).encode()).hexdigest()
        return folder / f"trained_{digest[:12]}.pt"

    def run(self, folder: Path, say: Callable[[str], None]) -> Path:
        """Train unless the checkpoint is there; it appears only when the command has succeeded.

        Raises
        ------
        ToolMissingError
            If there is no such program.
        ToolFailedError
            If it fails, or leaves no checkpoint.
        """
        checkpoint = self.checkpoint(folder)
        if checkpoint.exists():
            return checkpoint
        partial = checkpoint.with_name(f"partial_{checkpoint.name}")
        folder.mkdir(parents=True, exist_ok=True)
        command = [part.replace(PLACE, str(partial)) for part in self.command]
        say(f"training: {shlex.join(command)}")
        try:
            # Standard output is the table's alone.
            done = subprocess.run(command, stdout=STANDARD_ERROR, check=False)
        except FileNotFoundError as error:
            raise ToolMissingError(f"there is no program '{command[0]}' to train with") from error
        if done.returncode or not partial.exists():
            left = f"status {done.returncode}" if done.returncode else f"no file '{partial}'"
            raise ToolFailedError(f"training left {left}: {shlex.join(command)}")
        partial.replace(checkpoint)
        return checkpoint
