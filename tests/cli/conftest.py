"""The command line as a user runs it: a process of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

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
    """Run ``hbnn-hw`` with arguments; keyword arguments change its environment (None removes)."""

    def run(*arguments, cwd=None, **environment):
        env = {**os.environ, "COLUMNS": "200", **{k: v for k, v in environment.items() if v is not None}}
        for name in (name for name, value in environment.items() if value is None):
            env.pop(name, None)
        command = [sys.executable, "-c", "from hbnn_hw.cli import main; main()", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd, check=False)
        return Finished(done.returncode, done.stdout, done.stderr)

    return run
