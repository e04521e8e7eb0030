"""The command line as a user runs it: in this process, which is quick, or in one of its own."""

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from hbnn_hw.cli import main

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"


@dataclass(frozen=True)
class Finished:
    """What a command left."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def hbnn():
    """Run ``hbnn-hw`` with arguments; keyword arguments change its environment."""

    def run(*arguments, **environment):
        out, err, code = io.StringIO(), io.StringIO(), 0
        with (
            mock.patch.object(sys, "argv", ["hbnn-hw", *map(str, arguments)]),
            mock.patch.dict(os.environ, environment),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                main()
            except SystemExit as left:
                code = int(left.code or 0)
        return Finished(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def hbnn_process():
    """The same in a process of its own."""

    def run(*arguments, **environment):
        command = [sys.executable, "-c", "from hbnn_hw.cli import main; main()", *map(str, arguments)]
        env = {**os.environ, **environment}
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        return Finished(done.returncode, done.stdout, done.stderr)

    return run
