"""Training commands: run once, in no shell, and never leave half a checkpoint."""

import sys

import pytest

from hbnn_hw.errors import HbnnError, ToolFailedError, ToolMissingError
from hbnn_hw.explore.training import Training

COPY = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('; trained')"


def command(code):
    return Training((sys.executable, "-c", code, "{out}"))


def test_a_network_is_trained_once(tmp_path):
    said, folder = [], tmp_path / "trained"
    first = command(COPY).run(folder, said.append)
    assert first.read_text() == "; trained"
    first.write_text("kept")
    assert command(COPY).run(folder, said.append) == first
    assert first.read_text() == "kept"
    assert len(said) == 1
    assert list(folder.iterdir()) == [first]


def test_other_commands_have_other_checkpoints(tmp_path):
    assert command(COPY).checkpoint(tmp_path) != command(f"{COPY} ").checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("code", "message"),
    [(f"{COPY}; sys.exit(3)", "training left status 3"), ("pass", "training left no file")],
)
def test_a_failed_training_leaves_no_checkpoint(tmp_path, code, message):
    with pytest.raises(ToolFailedError, match=message):
        command(code).run(tmp_path, lambda _: None)
    assert not command(code).checkpoint(tmp_path).exists()


def test_wrong_commands_are_named(tmp_path):
    with pytest.raises(HbnnError, match=r"must say with \{out\} where its checkpoint goes"):
        Training.parse("python train.py")
    with pytest.raises(HbnnError, match="closed quotes"):
        Training.parse("python 'train.py {out}")
    with pytest.raises(ToolMissingError, match="no program 'no-such-program'"):
        Training.parse("no-such-program {out}").run(tmp_path, lambda _: None)
