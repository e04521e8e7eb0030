"""Train one reference network: ``python -m models.train --recipe digits_hbnn --seed 0 --out my.pt``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from hbnn_hw.errors import HbnnError
from hbnn_hw.nn import CsvLog, Device, EpochReport, Metadata, TensorBoardLog
from hbnn_hw.nn.epoch_report import Progress
from models.progress import ProgressBar
from models.recipe import Overrides, Recipe, run
from models.studies import all_recipes

RECIPES = all_recipes()
INTERRUPTED = 130
"""Exit status after Ctrl-C, as a shell gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """The command line."""

    recipe: Recipe
    seed: int
    out: Path
    state: Path | None
    resume: bool
    log: Path | None
    tensorboard: Path | None

    def check(self) -> None:
        """Raise HbnnError where the options do not fit each other or the files that exist."""
        if self.resume and self.state is None:
            raise HbnnError("--resume must come with --state, the file to go on from")
        if self.resume and self.state is not None and not self.state.exists():
            raise HbnnError(f"--resume must find the state file {self.state}; leave it out to begin a run")
        if not self.resume:
            self._check_absent("--state", self.state)
            self._check_absent("--log", self.log)
        files = [path.resolve() for path in (self.out, self.state, self.log) if path is not None]
        if len(set(files)) < len(files):
            raise HbnnError("--out, --state and --log must be different files")
        for path in files:
            if path.is_dir() or not path.parent.is_dir():
                raise HbnnError(f"{path} must be a file in an existing folder")

    @staticmethod
    def _check_absent(option: str, path: Path | None) -> None:
        if path is not None and path.exists():
            raise HbnnError(f"{option} {path} exists already; go on with --resume, or name another file")


def main(argv: list[str] | None = None) -> int:
    """Train as the command line says; return the exit status."""
    options = _parse(argv)
    try:
        options.check()
        metadata = _train(options)
    except HbnnError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(_advice(options), file=sys.stderr)
        return INTERRUPTED
    print(
        f"{options.out}: {metadata.bits_per_weight:.2f} bits per weight, {metadata.accuracy:.2%} deployed, "
        f"{metadata.trained_accuracy:.2%} as trained, on {metadata.test_images} test images"
    )
    return 0


def _train(options: _Options) -> Metadata:
    with ExitStack() as stack:
        logs: list[Progress] = []
        if options.log is not None:
            logs.append(CsvLog(options.log))
        if options.tensorboard is not None:
            board = TensorBoardLog(options.tensorboard)
            stack.callback(board.close)
            logs.append(board)
        logs.append(stack.enter_context(ProgressBar(Console())))
        return run(
            options.recipe,
            options.seed,
            options.out,
            _all(logs),
            state_file=options.state,
            resume=options.resume,
        )


def _all(logs: Sequence[Progress]) -> Progress:
    def report(epoch: EpochReport) -> None:
        for log in logs:
            log(epoch)

    return report


def _advice(options: _Options) -> str:
    if options.state is None or not options.state.exists():
        return "interrupted; nothing is saved (--state FILE keeps the state of a run after each epoch)"
    return f"interrupted; the same command with --resume goes on from {options.state}"


def _parse(argv: list[str] | None) -> _Options:
    parser = argparse.ArgumentParser(prog="python -m models.train", description=__doc__)
    parser.add_argument(
        "--recipe", required=True, choices=sorted(RECIPES), help="network and training method"
    )
    parser.add_argument("--seed", type=int, default=0, help="of initial weights and image order (default 0)")
    parser.add_argument("--out", type=Path, required=True, help="model file to write")
    parser.add_argument(
        "--epochs", type=_positive, help="passes over the training set (default: the recipe's)"
    )
    parser.add_argument(
        "--validation",
        type=_not_negative,
        default=0,
        metavar="N",
        help="hold out the last N training images, and measure on them after each epoch (default 0)",
    )
    parser.add_argument(
        "--device",
        choices=[device.value for device in Device],
        default=Device.CPU.value,
        help="where to train",
    )
    parser.add_argument(
        "--threads",
        type=_positive,
        default=1,
        help="of the processor; others may round differently (default 1)",
    )
    parser.add_argument("--log", type=Path, metavar="CSV", help="write a table with one row an epoch")
    parser.add_argument("--tensorboard", type=Path, metavar="FOLDER", help="write scalars for TensorBoard")
    parser.add_argument("--state", type=Path, metavar="FILE", help="keep the state of the run in a file")
    parser.add_argument("--resume", action="store_true", help="go on from the state file")
    given = parser.parse_args(argv)
    overrides = Overrides(
        epochs=given.epochs,
        validation_images=given.validation,
        device=Device(given.device),
        threads=given.threads,
    )
    return _Options(
        recipe=RECIPES[given.recipe].changed(overrides),
        seed=given.seed,
        out=given.out,
        state=given.state,
        resume=given.resume,
        log=given.log,
        tensorboard=given.tensorboard,
    )


def _not_negative(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number from 0, not {text!r}")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
