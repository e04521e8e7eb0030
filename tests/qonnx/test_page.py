"""The page about QONNX: its code runs, its tables are complete."""

import re
import warnings
from pathlib import Path

from hbnn_hw.backends.qonnx.operators import EMITTERS
from hbnn_hw.capture.qonnx.handlers import CHOICES, HANDLERS
from hbnn_hw.ops import OPS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "qonnx.md").read_text(encoding="utf-8")
READ, WRITTEN = PAGE.split("## What is read")[1].split("## What is written")


def named(text):
    return set(re.findall(r"`(\w+)`", text))


def test_the_pages_code_runs(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    with warnings.catch_warnings(action="ignore"):  # of Brevitas
        for block in blocks:
            exec(compile(block, "qonnx.md", "exec"), {})
    assert "Mvtu" not in capsys.readouterr().out


def test_all_nodes_that_are_read_are_listed():
    first_column = "\n".join(line.split("|")[1] for line in READ.splitlines() if line.startswith("|"))
    assert {*HANDLERS, *CHOICES} <= named(first_column)


def test_all_operators_that_are_written_are_listed():
    names = {op: name for name, op in OPS.items()}
    assert {names[op] for op in EMITTERS} <= named(WRITTEN)
