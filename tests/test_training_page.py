"""The page on training says what works: its Python blocks, one after the other, and its commands."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hbnn_hw.nn import evaluate
from models.train import _parse

PAGE = Path(__file__).parent.parent / "docs" / "training.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_its_code_runs_and_learns(capsys):
    """Two epochs of each loop; chance is 10 %."""
    names = {"__name__": "page"}
    with torch.random.fork_rng():
        for block in BLOCKS:
            exec(compile(block, str(PAGE), "exec"), names)
    printed = capsys.readouterr().out
    for kind in ("BinaryConv2d", "HbnnConv2d", "FlexorLinear", "SlbLinear"):
        assert kind in printed
    assert float(printed.split()[-1]) > 0.4
    model, digits = names["again"].model, names["digits"]
    assert evaluate(model, digits.x_test, digits.y_test) > 0.4
    assert (model[5].frozen, model[12].frozen, model[13].hard) == (True, True, True)


def test_its_code_is_formatted(tmp_path):
    for i, block in enumerate(BLOCKS):
        path = tmp_path / f"block{i}.py"
        path.write_text(block, encoding="utf-8")
        config = ["--config", str(PAGE.parent.parent / "pyproject.toml")]
        ruff = [sys.executable, "-m", "ruff", "format", "--check", *config, str(path)]
        assert subprocess.run(ruff, capture_output=True, check=False).returncode == 0, block


def test_its_commands_are_understood():
    commands = re.findall(r"^python -m models\.train (.*--recipe.*|--recipe.*)$", TEXT, re.MULTILINE)
    assert len(commands) == 2
    first, second = (_parse(shlex.split(command)) for command in commands)
    assert (first.resume, second.resume) == (False, True)
    assert first.state == second.state == Path("my.state")
