"""The training command, end to end on digits: what it writes, its progress, its errors, Ctrl-C."""

import io
import shlex
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console

from hbnn_hw.nn import load

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def models(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "models"]:
        del sys.modules[name]


def command(folder, *options, recipe="digits_bnn", out="net.pt"):
    from models import train

    return train.main(["--recipe", recipe, "--out", str(folder / out), *map(str, options)])


def test_the_command_in_the_metadata_makes_the_same_file(tmp_path, capsys):
    options = ("--seed", 5, "--epochs", 2, "--validation", 1000)
    assert command(tmp_path, *options, recipe="digits_hbnn") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:12] for line in lines[:2]] == ["epoch   1/2 ", "epoch   2/2 "]
    assert all("  validation accuracy " in line for line in lines[:2])
    known = load(tmp_path / "net.pt").metadata
    assert known.command == (
        "python -m models.train --recipe digits_hbnn --seed 5 --epochs 2 --validation 1000 "
        "--out models/digits_hbnn.pt"
    )
    assert (known.epochs, known.seed, known.test_images) == (2, 5, 1797)
    from models import train

    arguments = shlex.split(known.command)[3:]
    arguments[-1] = str(tmp_path / "again.pt")
    assert train.main(arguments) == 0
    assert (tmp_path / "again.pt").read_bytes() == (tmp_path / "net.pt").read_bytes()


def test_the_command_tells_what_differs_from_the_recipe_and_no_more():
    from hbnn_hw.nn import Device
    from models import train
    from models.recipe import Overrides

    recipe = train.RECIPES["digits_bnn"]
    assert recipe.changed(Overrides()).command(0) == recipe.command(0)
    assert recipe.changed(Overrides(epochs=40)).command(0) == recipe.command(0)
    other = recipe.changed(Overrides(epochs=41, device=Device.CUDA, threads=2))
    assert "--seed 0 --epochs 41 --device cuda --threads 2 --out" in other.command(0)
    assert (other.config.epochs, other.config.device, other.config.threads) == (41, Device.CUDA, 2)


def test_ctrl_c_leaves_a_state_from_which_the_same_file_is_made(tmp_path, capsys, monkeypatch):
    from hbnn_hw.nn import CsvLog

    assert command(tmp_path, "--epochs", 3, out="whole.pt") == 0

    def stop(self, report, write=CsvLog.__call__):
        if report.epoch == 3:
            raise KeyboardInterrupt
        write(self, report)

    options = ("--epochs", 3, "--log", tmp_path / "run.csv", "--state", tmp_path / "run.state")
    with monkeypatch.context() as patch:
        patch.setattr(CsvLog, "__call__", stop)
        assert command(tmp_path, *options) == 130
    captured = capsys.readouterr()
    assert captured.err == (
        f"interrupted; the same command with --resume goes on from {tmp_path / 'run.state'}\n"
    )
    assert not (tmp_path / "net.pt").exists()
    assert command(tmp_path, *options, "--resume") == 0
    assert capsys.readouterr().out.startswith("epoch   3/3  loss ")
    assert (tmp_path / "net.pt").read_bytes() == (tmp_path / "whole.pt").read_bytes()
    rows = (tmp_path / "run.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in rows] == ["epoch", "1", "2", "3"]


def test_ctrl_c_without_a_state_says_so(tmp_path, capsys, monkeypatch):
    from models import train

    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "run", stop)
    assert command(tmp_path) == 130
    assert "nothing is saved" in capsys.readouterr().err


def refused(capsys, folder, *options, **kwargs):
    """The one line on stderr of a command that must train nothing."""
    assert command(folder, *options, **kwargs) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert not (folder / kwargs.get("out", "net.pt")).is_file()
    (line,) = captured.err.splitlines()
    return line


def test_wrong_combinations_are_refused_before_anything_is_trained(tmp_path, capsys, monkeypatch):
    old = tmp_path / "old"
    old.write_bytes(b"something")
    none = tmp_path / "none"
    same = tmp_path / "net.pt"
    assert "--resume must come with --state" in refused(capsys, tmp_path, "--resume")
    assert "must find the state file" in refused(capsys, tmp_path, "--resume", "--state", none)
    assert f"--state {old} exists already" in refused(capsys, tmp_path, "--state", old)
    assert f"--log {old} exists already" in refused(capsys, tmp_path, "--log", old)
    assert "must be different files" in refused(capsys, tmp_path, "--log", same)
    assert "must be different files" in refused(capsys, tmp_path, "--log", none, "--state", none)
    assert "must be a file in an existing folder" in refused(capsys, tmp_path, out="no/where.pt")
    assert "must be a file in an existing folder" in refused(capsys, tmp_path, out=".")
    assert "is damaged or no state file" in refused(capsys, tmp_path, "--resume", "--state", old)
    assert "3800 are held out" in refused(capsys, tmp_path, "--validation", 3800)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "finds no GPU" in refused(capsys, tmp_path, "--device", "cuda")
    assert {path.name for path in tmp_path.iterdir()} == {"old"}


def test_a_state_of_another_run_is_refused(tmp_path, capsys):
    state = ("--state", tmp_path / "run.state")
    assert command(tmp_path, "--epochs", 1, *state, out="first.pt") == 0
    capsys.readouterr()
    line = refused(capsys, tmp_path, "--epochs", 2, *state, "--resume")
    assert "option 'epochs' is 1 in the file, not 2" in line
    line = refused(capsys, tmp_path, "--epochs", 1, "--seed", 1, *state, "--resume")
    assert "option 'seed' is 0 in the file, not 1" in line
    line = refused(capsys, tmp_path, "--epochs", 1, *state, "--resume", recipe="digits_float")
    assert "layer 'fc1' is 'BinaryLinear(" in line


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--epochs", "0", "must be a whole number from 1, not '0'"),
        ("--epochs", "two", "must be a whole number from 1, not 'two'"),
        ("--threads", "0", "must be a whole number from 1, not '0'"),
        ("--validation", "-1", "must be a whole number from 0, not '-1'"),
        ("--device", "tpu", "invalid choice: 'tpu'"),
    ],
)
def test_values_out_of_range_are_refused(tmp_path, capsys, option, value, message):
    with pytest.raises(SystemExit) as caught:
        command(tmp_path, option, value)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def report(epoch, epochs):
    from hbnn_hw.nn import EpochReport, Split

    return EpochReport(
        epoch=epoch,
        epochs=epochs,
        loss=0.25,
        accuracy=0.5,
        split=Split.TEST,
        learning_rate=0.1,
        temperature=None,
        s_tanh=None,
        seconds=1.0,
    )


def test_a_terminal_shows_a_bar_from_where_a_resumed_run_starts():
    from models.progress import ProgressBar

    screen = io.StringIO()
    with ProgressBar(Console(file=screen, force_terminal=True, width=120)) as bar:
        bar(report(8, 10))
        task = bar._bar.tasks[0]
        assert (task.completed, task.total) == (8, 10)
        assert task.time_remaining is None or task.time_remaining < 60
        bar(report(9, 10))
    assert "epoch   9/10  loss 0.2500  test accuracy 50.00%" in screen.getvalue()


def test_a_file_gets_plain_lines(capsys):
    from models.progress import ProgressBar

    with ProgressBar(Console(file=io.StringIO())) as bar:
        bar(report(1, 10))
    assert capsys.readouterr().out == "epoch   1/10  loss 0.2500  test accuracy 50.00%\n"
